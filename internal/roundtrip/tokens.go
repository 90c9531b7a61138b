package roundtrip

import (
	"context"
	"encoding/xml"
	"fmt"
	"time"

	"mellium.im/xmpp/stanza"
)

// abandonAfter is how long a request that nobody waits for any more may still take to leave a plain session.
//
// *xmpp.Session sets a deadline in the past on the whole connection when a context ends while its request is being
// written, which now and then breaks its output for good; a context that ends well after does no harm.
const abandonAfter = time.Second

// exchangeTokens performs the round trip over a session that knows nothing but tokens.
func exchangeTokens(ctx context.Context, s Session, iq stanza.IQ, r Request) ([]byte, error) {
	request, err := Tokens(r.Payload)
	if err != nil {
		return nil, err
	}
	type result struct {
		raw []byte
		err error
	}
	// The session's context ends only if nobody waits any more: mellium must not see one end near a write.
	apart, abandon := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan result, 1)
	go func() {
		raw, err := sendTokens(apart, s, request, iq, r.MaxBytes)
		done <- result{raw, err}
	}()
	select {
	case res := <-done:
		// The context stays without an end on purpose, see abandonAfter; nothing refers to it from here on.
		_ = abandon
		return res.raw, res.err
	case <-ctx.Done():
		time.AfterFunc(abandonAfter, abandon)
		return nil, ctx.Err()
	}
}

// sendTokens sends the request, copies the reply and closes it once and at once.
func sendTokens(ctx context.Context, s Session, request xml.TokenReader, iq stanza.IQ, max int) (raw []byte, err error) {
	defer func() {
		// A session that panics on a stranger's reply must not take the process along.
		if p := recover(); p != nil {
			raw, err = nil, fmt.Errorf("%w: session panicked: %v", ErrMalformed, p)
		}
	}()
	reply, err := s.SendIQElement(ctx, request, iq)
	if err != nil {
		return nil, err
	}
	if reply == nil {
		return nil, fmt.Errorf("%w: none", ErrMalformed)
	}
	raw, err = AppendReply(nil, reply, max)
	if e := reply.Close(); err == nil && e != nil {
		err = e
	}
	return raw, err
}
