// Package roundtrip is the one place that performs an IQ round trip.
//
// A reply is read whole into memory under limits, the session is free again at once, the sender is verified, and decoding
// happens off the stream.
// So a domain that answers with garbage, too much, too late or under another's name costs only the request that asked it.
//
// mellium's own IQ helpers must not be used elsewhere in this module: they match replies on the id alone, hold the
// session while their iterators are open, and panic on shapes of replies that any stranger may send.
package roundtrip

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// Session sends an IQ and returns the reply, which the caller closes.
//
// SendIQElement must be safe for concurrent use and give up when ctx ends.
// *xmpp.Session and *connect.Session have the method, and a server's own router can.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
}

// Exchanger is an optional power of a [Session]: the reply comes as bytes that belong to the caller.
//
// Payload is the child element of the request.
// The reply is the whole iq element; a declaration of the stream's own namespace may be missing.
// An implementation that cannot read the reply returns an error of this package, so that the request fails at once.
type Exchanger interface {
	ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) (reply []byte, err error)
}

// Limited is an optional power of a [Session]: it decides how many requests may be in flight.
// A session without it shares one [Limiter] of [DefaultTotal] and [DefaultPerDomain] with all others of its kind.
type Limited interface {
	// AcquireIQ waits for leave to send one request and returns what gives it back.
	AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error)
}

// addressed is an optional power of a [Session]: it knows its own address.
type addressed interface {
	LocalAddr() jid.JID
}

// The defaults of [Request].
const (
	DefaultMaxBytes = 1 << 20
	DefaultTimeout  = 30 * time.Second
)

// Request is an IQ of type get or set.
type Request struct {
	// Type is stanza.GetIQ if empty.
	Type stanza.IQType
	// To is the addressee, the account's own server if zero.
	To jid.JID
	// From is the sender, needed only where a session has more than one address.
	// A component's own address is filled in.
	From jid.JID
	// Payload is the one child element.
	Payload []byte
	// MaxBytes is the greatest size of a reply in bytes, [DefaultMaxBytes] if zero.
	MaxBytes int
	// Timeout bounds the time between sending and the reply, [DefaultTimeout] if zero.
	// Waiting for other requests to finish is not part of it.
	Timeout time.Duration
}

// Reply is the result of a request.
type Reply struct {
	// From is the sender as written, which may be empty in replies of the account's own server.
	From string

	raw     []byte
	payload *xmlscan.Scanner
}

// Payload returns a scanner that is positioned on the Start token of the reply's child element, nil if there is none.
// Every call returns the same scanner.
func (r *Reply) Payload() *xmlscan.Scanner { return r.payload }

// Bytes returns the whole iq element.
func (r *Reply) Bytes() []byte { return r.raw }

// Do sends a request and waits for its reply.
//
// The errors are of type *[Error] when the reply is an error, and otherwise wrap [ErrTimeout], [ErrWrongFrom],
// [ErrTooLarge], [ErrMalformed] or [ErrDisconnected], the error of ctx, or whatever the session returned.
func Do(ctx context.Context, s Session, r Request) (*Reply, error) {
	if err := r.fill(s); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	release, err := acquire(ctx, s, r.To)
	if err != nil {
		return nil, fmt.Errorf("roundtrip: request to %q was not sent: %w", r.To, err)
	}
	raw, err := exchange(ctx, s, r)
	release()
	if err != nil {
		return nil, err
	}
	if len(raw) > r.MaxBytes {
		return nil, fmt.Errorf("roundtrip: reply of %d bytes from %q: %w", len(raw), r.To, ErrTooLarge)
	}
	return parse(raw, r.To, localAddr(s))
}

// fill checks the request and puts the defaults in.
func (r *Request) fill(s Session) error {
	if s == nil {
		return errors.New("roundtrip: no session")
	}
	switch r.Type {
	case "":
		r.Type = stanza.GetIQ
	case stanza.GetIQ, stanza.SetIQ:
	default:
		return fmt.Errorf("roundtrip: IQ of type %q has no reply", r.Type)
	}
	if r.MaxBytes <= 0 {
		r.MaxBytes = DefaultMaxBytes
	}
	if r.Timeout <= 0 {
		r.Timeout = DefaultTimeout
	}
	// Servers close the stream of a component that leaves its address out, and refuse a client's that is not its own.
	if local := localAddr(s); r.From.Equal(jid.JID{}) && local.Localpart() == "" && local.Resourcepart() == "" {
		r.From = local
	}
	return nil
}

func localAddr(s Session) jid.JID {
	if a, ok := s.(addressed); ok {
		return a.LocalAddr()
	}
	return jid.JID{}
}

// exchange sends the request through the best way that the session offers and turns the end of its time into ErrTimeout.
func exchange(ctx context.Context, s Session, r Request) ([]byte, error) {
	timed, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()

	iq := stanza.IQ{Type: r.Type, To: r.To, From: r.From}
	var raw []byte
	var err error
	if e, ok := s.(Exchanger); ok {
		raw, err = e.ExchangeIQ(timed, iq, r.Payload)
	} else {
		raw, err = exchangeTokens(timed, s, iq, r)
	}
	switch {
	case err == nil:
		return raw, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, fmt.Errorf("roundtrip: request to %q: %w", r.To, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		if errors.Is(err, ErrWrongFrom) {
			return nil, fmt.Errorf("roundtrip: request to %q: %w: %w", r.To, ErrTimeout, ErrWrongFrom)
		}
		return nil, fmt.Errorf("roundtrip: request to %q: %w", r.To, ErrTimeout)
	}
	return nil, fmt.Errorf("roundtrip: request to %q: %w", r.To, err)
}
