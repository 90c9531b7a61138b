package roundtrip

import (
	"bytes"
	"fmt"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// parse checks the outer part of a reply and positions its scanner on the payload.
// The payload's own bytes are read when it is decoded.
func parse(raw []byte, to, local jid.JID) (*Reply, error) {
	s := xmlscan.New(raw, xmlscan.Limits{})
	if !s.Next() || s.Local() != "iq" {
		return nil, malformed(to, s)
	}
	from, _ := s.Attr("from")
	if !SameSender(to, from, local) {
		return nil, fmt.Errorf("roundtrip: request to %q was answered by %q: %w", to, clip(from, maxAddress), ErrWrongFrom)
	}
	switch typ, _ := s.Attr("type"); stanza.IQType(typ) {
	case stanza.ResultIQ:
		ok, err := payload(s)
		if err != nil {
			return nil, malformed(to, s)
		}
		reply := &Reply{From: from, raw: raw}
		if ok {
			reply.payload = s
		}
		return reply, nil
	case stanza.ErrorIQ:
		return nil, errorReply(s, from, to)
	}
	return nil, malformed(to, s)
}

// payload advances from the iq to its child element and reports whether there is one.
// Text beside it is refused unless it is white space.
func payload(s *xmlscan.Scanner) (bool, error) {
	for s.Next() {
		switch s.Kind() {
		case xmlscan.Start:
			return true, nil
		case xmlscan.End:
			s.Next()
			return false, s.Err()
		case xmlscan.Text:
			if len(bytes.TrimSpace(s.Text())) > 0 {
				return false, ErrMalformed
			}
		}
	}
	return false, s.Err()
}

// errorReply decodes an IQ of type error; what it says beside the error element is the echoed request.
func errorReply(s *xmlscan.Scanner, from string, to jid.JID) error {
	e := &Error{From: from}
	if from == "" {
		e.From = to.String()
	}
	found := false
	for d := s.Depth(); s.Child(d); {
		// Its namespace is the stream's, which the bytes need not declare.
		if s.Local() != "error" || found {
			continue
		}
		found = true
		if err := parseError(s, e); err != nil {
			return malformed(to, s)
		}
	}
	if s.Err() != nil {
		return malformed(to, s)
	}
	if e.Stanza.Condition == "" {
		e.Stanza.Condition = stanza.UndefinedCondition
	}
	return e
}

func malformed(to jid.JID, s *xmlscan.Scanner) error {
	if s.Err() != nil {
		return fmt.Errorf("roundtrip: reply from %q: %w: %w", to, ErrMalformed, s.Err())
	}
	return fmt.Errorf("roundtrip: reply from %q: %w", to, ErrMalformed)
}

// maxAddress is the greatest length of an address in bytes (RFC 7622 §3.1).
const maxAddress = 3*1023 + 2

// SameSender reports whether a reply's from attribute is one that a request to the given address may get
// (RFC 6120 §8.1.2.1).
// Local is the session's own address, zero if it is not known.
//
// Only the account's own server may leave the attribute out or answer in the account's name.
func SameSender(to jid.JID, from string, local jid.JID) bool {
	none := to.Equal(jid.JID{})
	if from == "" {
		return none || to.Equal(local.Bare()) || to.Equal(local.Domain())
	}
	if !none && from == to.String() {
		return true
	}
	if len(from) > maxAddress {
		return false
	}
	addr, err := jid.Parse(from)
	if err != nil {
		return false
	}
	if none {
		return addr.Equal(local) || addr.Equal(local.Bare()) || addr.Equal(local.Domain())
	}
	return addr.Equal(to)
}
