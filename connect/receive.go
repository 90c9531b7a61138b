package connect

import (
	"bytes"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// refusal is why a stanza is not let through, and what a request is answered with.
type refusal struct {
	counter   int
	reason    string
	typ       stanza.ErrorType
	condition stanza.Condition
	reply     error // what the request fails with if the stanza is its reply
}

var (
	refuseSize    = refusal{cDroppedSize, "too large", stanza.Modify, stanza.PolicyViolation, roundtrip.ErrTooLarge}
	refuseDepth   = refusal{cDroppedDepth, "too deep", stanza.Modify, stanza.PolicyViolation, roundtrip.ErrTooLarge}
	refuseXML     = refusal{cDroppedXML, "not well-formed or restricted XML", stanza.Modify, stanza.BadRequest, roundtrip.ErrMalformed}
	refuseStream  = refusal{cDroppedStream, "element of the stream's namespace", stanza.Modify, stanza.BadRequest, roundtrip.ErrMalformed}
	refuseAddress = refusal{cDroppedAddress, "invalid address", stanza.Modify, stanza.JIDMalformed, roundtrip.ErrMalformed}
	refuseShape   = refusal{cDroppedShape, "not a proper stanza", stanza.Modify, stanza.BadRequest, roundtrip.ErrMalformed}
	refuseMany    = refusal{cDroppedChildren, "too many children", stanza.Modify, stanza.PolicyViolation, nil}
	refuseShare   = refusal{cDroppedShare, "too many of the domain wait for the handler", stanza.Wait, stanza.ResourceConstraint, nil}
	refuseFull    = refusal{cDroppedFull, "too many wait for the handler", stanza.Wait, stanza.ResourceConstraint, nil}
)

// envelope is what a stanza's start tag says.
type envelope struct {
	name, id, typ, from, to string
}

func (e *envelope) request() bool { return e.name == "iq" && (e.typ == "get" || e.typ == "set") }

func (e *envelope) reply() bool { return e.name == "iq" && (e.typ == "result" || e.typ == "error") }

// scanner returns a scanner over bytes of the stream.
func (l *link) scanner(b []byte) *xmlscan.Scanner {
	s := xmlscan.New(b, xmlscan.Limits{Depth: l.cfg.MaxDepth})
	s.Inherit(l.head)
	return s
}

// receive decides where a frame goes; an error ends the connection.
func (l *link) receive(frame xmlscan.Frame) error {
	switch frame.Kind {
	case xmlscan.Close:
		return fmt.Errorf("connect: stream closed by the server: %w", ErrDisconnected)
	case xmlscan.Header:
		return fmt.Errorf("connect: stream begun anew by the server: %w", ErrDisconnected)
	}
	l.s.counters.add(cStanzasIn)
	if frame.Head == 0 {
		l.refuse(&envelope{}, refuseSize)
		return nil
	}
	s := l.scan
	if s.Reset(frame.Data[:frame.Head]); !s.Next() {
		l.refuse(&envelope{}, refuseXML)
		return nil
	}
	if s.Is(stream.NS, "error") {
		return l.streamError(frame)
	}
	env := readEnvelope(s)
	switch {
	case frame.Kind == xmlscan.Dropped:
		l.refuse(&env, dropped(frame.Reason))
	case s.Space() != l.ns || env.name != "iq" && env.name != "message" && env.name != "presence":
		l.refuse(&envelope{from: env.from}, refuseShape)
	case l.ambiguous(s):
		l.refuse(&env, refuseShape)
	case env.reply():
		l.answer(env.id, env.from, result{raw: frame.Data})
	case env.request() && l.ownPing(&env):
	default:
		l.pass(&env, frame)
	}
	return nil
}

func readEnvelope(s *xmlscan.Scanner) envelope {
	e := envelope{name: s.Local()}
	e.id, _ = s.Attr("id")
	e.typ, _ = s.Attr("type")
	e.from, _ = s.Attr("from")
	e.to, _ = s.Attr("to")
	return e
}

// ambiguous reports whether the Start token has one of a stanza's own attributes a second time, in the stream's namespace.
// Servers relay that as it is, while mellium takes the last of both: a stranger could pass for anyone.
func (l *link) ambiguous(s *xmlscan.Scanner) bool {
	for a := range s.Attrs() {
		if a.Space != l.ns {
			continue
		}
		switch a.Local {
		case "from", "to", "id", "type":
			return true
		}
	}
	return false
}

func dropped(reason string) refusal {
	switch reason {
	case xmlscan.ReasonSize:
		return refuseSize
	case xmlscan.ReasonDepth:
		return refuseDepth
	}
	return refuseXML
}

// ownPing recognises a component's ping that its server has relayed back; that it came is answer enough.
func (l *link) ownPing(e *envelope) bool {
	if l.from == "" || e.from != l.from {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.id != "" && e.id == l.pingID
}

func (l *link) streamError(frame xmlscan.Frame) error {
	s := l.scanner(frame.Data)
	s.Next()
	return fmt.Errorf("connect: stream ended by the server: %w: %w", ErrDisconnected, describe(streamError(s)))
}

// pass checks a stanza in full and queues it for the handler.
func (l *link) pass(e *envelope, frame xmlscan.Frame) {
	w, from, why := l.sanitize(e, frame.Data, frame.Head)
	if why != nil {
		l.refuse(e, *why)
		return
	}
	for _, gone := range l.in.offer(l.domainOf(from), w) {
		why := refuseFull
		if gone.share {
			why = refuseShare
		}
		l.scan.Reset(gone.raw[:gone.head])
		l.scan.Next()
		e := readEnvelope(l.scan)
		l.refuse(&e, why)
	}
}

// The bounds on the children of a message or presence.
//
// mellium's mux calls a handler for each of them and has it read the whole stanza every time, so that a stanza costs its
// size times their number.
// Honest ones have a handful, and more than that only if they are small.
const (
	maxChildren = 64
	maxWork     = 8 // times the greatest size
)

// sanitize returns a copy of a stanza that mellium's session survives and its sender, or why there is none.
func (l *link) sanitize(e *envelope, raw []byte, head int) (w waiting, from jid.JID, why *refusal) {
	s := l.scanner(raw)
	if !s.Next() {
		return w, from, &refuseXML
	}
	from, ok := sender(s)
	if !ok {
		return w, from, &refuseAddress
	}
	c, why := scanChildren(s)
	switch {
	case why != nil:
		return w, from, why
	case e.name != "iq":
		work := len(raw) * max(c.count, 1)
		if c.count > maxChildren || work > maxWork*l.cfg.MaxBytes {
			return w, from, &refuseMany
		}
		return waiting{raw: bytes.Clone(raw), head: head, work: work}, from, nil
	case !e.request() || e.id == "" || c.count != 1 || c.text:
		return w, from, &refuseShape
	}
	// White space around the child is legal, yet more than mellium's mux can take.
	out := make([]byte, 0, len(raw))
	out = append(append(out, raw[:head]...), raw[c.begin:c.end]...)
	out = append(out, raw[bytes.LastIndex(raw, []byte("</")):]...)
	return waiting{raw: out, head: head, work: len(out)}, from, nil
}

// children is what a stanza holds.
type children struct {
	count      int
	text       bool // beside them
	begin, end int  // of the first
}

// scanChildren reads a stanza to its end.
func scanChildren(s *xmlscan.Scanner) (c children, why *refusal) {
	for s.Next() {
		switch {
		case s.Kind() == xmlscan.Start && s.Space() == stream.NS:
			return c, &refuseStream
		case s.Kind() == xmlscan.Text && s.Depth() == 1:
			c.text = c.text || len(bytes.TrimSpace(s.Text())) > 0
		case s.Kind() == xmlscan.Start && s.Depth() == 2:
			if c.count++; c.count == 1 {
				c.begin = s.TokenStart()
			}
		case s.Kind() == xmlscan.End && s.Depth() == 2 && c.count == 1:
			c.end = s.Offset()
		}
	}
	switch {
	case s.Err() != nil && errors.Is(s.Err(), xmlscan.ErrLimit):
		return c, &refuseDepth
	case s.Err() != nil:
		return c, &refuseXML
	}
	return c, nil
}

// maxAddress is the greatest length of an address in bytes (RFC 7622 §3.1); to find fault with longer ones takes time.
const maxAddress = 3*1023 + 2

// sender returns who the Start token says it is from, and whether mellium can read the addresses in it, in whatever
// namespace they are.
func sender(s *xmlscan.Scanner) (from jid.JID, ok bool) {
	for a := range s.Attrs() {
		if a.Local != "from" && a.Local != "to" || a.Value == "" {
			continue
		}
		if len(a.Value) > maxAddress {
			return jid.JID{}, false
		}
		addr, err := jid.Parse(a.Value)
		if err != nil {
			return jid.JID{}, false
		}
		if a.Local == "from" && a.Space == "" {
			from = addr
		}
	}
	return from, true
}

// refuse counts a stanza that is not let through, and lets those know that wait for it or for its answer.
func (l *link) refuse(e *envelope, why refusal) {
	l.s.counters.add(why.counter)
	l.s.log.drop(why.reason, e.from)
	switch {
	case e.reply():
		l.answer(e.id, e.from, result{err: fmt.Errorf("connect: reply from %q: %s: %w", printable(e.from, maxLogged), why.reason, why.reply)})
	case e.request() && e.id != "":
		// To repeat words of any length would break the limits of the own server, which then closes the stream.
		if b := l.errorReply(e, why); len(b) <= l.cfg.MaxSend {
			l.out.tryAdd(b)
		}
	}
}

// errorReply answers a request with the addresses as they were written: the server that relayed them can read them.
func (l *link) errorReply(e *envelope, why refusal) []byte {
	out := []byte("<iq type='error'")
	out = xmlscan.AppendAttr(out, "id", e.id)
	if e.from != "" {
		out = xmlscan.AppendAttr(out, "to", e.from)
	}
	switch {
	case l.from == "":
	case e.to != "":
		out = xmlscan.AppendAttr(out, "from", e.to)
	default:
		out = xmlscan.AppendAttr(out, "from", l.from)
	}
	return fmt.Appendf(out, "><error type='%s'><%s xmlns='%s'/></error></iq>", why.typ, why.condition, stanza.NSError)
}
