package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// negotiation makes a connection ready for stanzas.
//
// It is done here and not through mellium's features because those give untyped errors, choose among features at random,
// and ignore the context while a silent peer keeps them waiting.
type negotiation struct {
	cfg    *Config
	ns     string
	server string
	w      *wire

	header    *xmlscan.Scanner // on the Start token of the stream's header
	rawHeader []byte
	local     jid.JID
	encrypted bool
}

// negotiateBytes bounds a single element before the session is ready.
const negotiateBytes = 256 << 10

func newNegotiation(cfg *Config, ns, server string, conn net.Conn, encrypted bool) *negotiation {
	return &negotiation{
		cfg: cfg, ns: ns, server: server, local: cfg.JID, encrypted: encrypted,
		w: newWire(conn, xmlscan.FrameLimits{Bytes: negotiateBytes, Depth: cfg.MaxDepth}),
	}
}

// within runs one step after another until ctx ends, which closes the connection: nothing else makes a silent peer's
// connection return.
func within(ctx context.Context, conn net.Conn, steps ...func() error) error {
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	for _, step := range steps {
		if err := step(); err != nil {
			return inTime(ctx, err)
		}
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// inTime replaces the cause of a failed step by the end of the context that made it fail.
func inTime(ctx context.Context, err error) error {
	var e *Error
	if ctx.Err() == nil || !errors.As(err, &e) {
		return err
	}
	late := *e
	late.Kind, late.Err, late.Remedy = nil, ctx.Err(), ""
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		late.Remedy = "the server has not answered in time: check that the port is the right one, and whether it begins with TLS"
	}
	return &late
}

func (n *negotiation) write(b []byte) error {
	_, err := n.w.conn.Write(b)
	return err
}

// open begins a stream and reads the peer's header (RFC 6120 §4.2).
func (n *negotiation) open() error {
	n.w.framer.Restart()
	h := []byte("<?xml version='1.0'?><stream:stream")
	h = xmlscan.AppendAttr(h, "to", n.cfg.JID.Domainpart())
	if n.ns == nsClient {
		h = xmlscan.AppendAttr(h, "version", "1.0")
		if n.encrypted {
			h = xmlscan.AppendAttr(h, "from", n.cfg.JID.Bare().String())
		}
	}
	h = xmlscan.AppendAttr(h, "xmlns", n.ns)
	h = xmlscan.AppendAttr(h, "xmlns:stream", stream.NS)
	if err := n.write(append(h, '>')); err != nil {
		return n.fail("stream", nil, err, "")
	}
	frame, err := n.w.next()
	if err != nil {
		return n.fail("stream", nil, err, n.silentRemedy(err))
	}
	if frame.Kind != xmlscan.Header {
		return n.fail("stream", ErrProtocol, errors.New("no stream header"), "")
	}
	return n.readHeader(frame.Data)
}

// readHeader keeps the header, as every stanza inherits its declarations.
func (n *negotiation) readHeader(raw []byte) error {
	n.rawHeader = append([]byte(nil), raw...)
	whole := append(append([]byte(nil), raw[:len(raw)-1]...), "/>"...)
	n.header = xmlscan.New(whole, xmlscan.Limits{})
	if !n.header.Next() || !n.header.Is(stream.NS, "stream") {
		return n.fail("stream", ErrProtocol, errors.Join(errors.New("not an XMPP stream"), n.header.Err()), "")
	}
	probe := xmlscan.New([]byte("<x/>"), xmlscan.Limits{})
	probe.Inherit(n.header)
	if !probe.Next() || probe.Space() != n.ns {
		return n.fail("stream", ErrProtocol, fmt.Errorf("stream of %q instead of %q", probe.Space(), n.ns),
			"check that the port is the one for "+map[bool]string{true: "clients", false: "components"}[n.ns == nsClient])
	}
	return nil
}

// element reads the next child of the stream and returns a scanner on its Start token.
func (n *negotiation) element(op string) (*xmlscan.Scanner, error) {
	frame, err := n.w.next()
	switch {
	case err != nil:
		return nil, n.fail(op, nil, err, n.silentRemedy(err))
	case frame.Kind == xmlscan.Close:
		return nil, n.fail(op, nil, errors.New("stream closed by the server"), "")
	case frame.Kind != xmlscan.Stanza:
		return nil, n.fail(op, ErrProtocol, errors.New(frame.Reason), "")
	}
	s := xmlscan.New(append([]byte(nil), frame.Data...), xmlscan.Limits{})
	s.Inherit(n.header)
	if !s.Next() {
		return nil, n.fail(op, ErrProtocol, s.Err(), "")
	}
	if s.Is(stream.NS, "error") {
		return nil, n.streamError(op, streamError(s))
	}
	return s, nil
}

// streamError decodes a stream error (RFC 6120 §4.9).
func streamError(s *xmlscan.Scanner) stream.Error {
	e := stream.Error{Err: "undefined-condition"}
	for d := s.Depth(); s.Child(d); {
		switch {
		case s.Is(nsStreamErrors, "text"):
			text, err := s.InnerText(1 << 10)
			if err == nil && text != "" {
				e.Text = append(e.Text, struct{ Lang, Value string }{Value: text})
			}
		case s.Space() == nsStreamErrors:
			e.Err = s.Local()
		}
	}
	return e
}

// describe returns a stream error with its text, which its own method leaves out.
func describe(e stream.Error) error {
	if len(e.Text) == 0 {
		return e
	}
	return fmt.Errorf("%w: %q", e, e.Text[0].Value)
}

func (n *negotiation) streamError(op string, e stream.Error) error {
	component := n.ns != nsClient
	switch {
	case errors.Is(e, stream.HostUnknown) || errors.Is(e, stream.HostGone):
		remedy := fmt.Sprintf("the server does not serve %s: check the JID and the server's address", n.cfg.JID.Domainpart())
		if component {
			remedy = fmt.Sprintf("add the component %s to the server's configuration and reload it", n.cfg.JID.Domainpart())
		}
		return n.fail(op, ErrHostUnknown, describe(e), remedy)
	case errors.Is(e, stream.NotAuthorized) && component:
		return n.fail(op, ErrCredentials, describe(e),
			"set the secret to that of the component in the server's configuration, and check that it has one of this name")
	case errors.Is(e, stream.Conflict):
		return n.fail(op, ErrConflict, describe(e), "stop the other connection of the same address")
	}
	return n.fail(op, nil, describe(e), "")
}

// silentRemedy guesses why a peer ended the connection without a word.
func (n *negotiation) silentRemedy(err error) string {
	if errors.Is(err, io.EOF) {
		return "check that the port is the right one, and whether it begins with TLS"
	}
	return ""
}

func (n *negotiation) fail(op string, kind, err error, remedy string) error {
	return &Error{Op: op, Addr: n.cfg.JID.String(), Server: n.server, Kind: kind, Err: err, Remedy: remedy}
}
