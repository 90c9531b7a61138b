package optout

import (
	"encoding/xml"
	"strings"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// maxMessage bounds a message in bytes that is read.
const maxMessage = 64 << 10

// Handle returns an option that takes messages of one person to another: those of type chat, and those of none.
func Handle(s *Service) mux.Option {
	s.init()
	return func(m *mux.ServeMux) {
		mux.Message(stanza.ChatMessage, xml.Name{Local: "body"}, s)(m)
		mux.Message(stanza.NormalMessage, xml.Name{Local: "body"}, s)(m)
	}
}

// HandleMessage implements mux.MessageHandler: it takes a message in and returns without waiting for anything.
// What can't be read, or is too much at a time, is left unanswered.
func (s *Service) HandleMessage(msg stanza.Message, t xmlstream.TokenReadEncoder) error {
	tok, err := t.Token()
	start, ok := tok.(xml.StartElement)
	if err != nil || !ok || msg.From.Equal(jid.JID{}) || s.again(start) {
		return nil
	}
	raw, err := roundtrip.AppendReply(nil, xmlstream.MultiReader(xmlstream.Token(start), t), maxMessage)
	if err != nil {
		return nil
	}
	text, thread, ok := read(raw)
	if !ok {
		return nil
	}
	select {
	case s.queue <- message{msg.From, msg.To, thread, parse(text)}:
	default:
	}
	return nil
}

// again reports whether the message was here before: the mux calls for every body, each time with the whole message.
// It is recognised by its attributes, which are its own as long as something refers to them.
// The session calls handlers one at a time.
func (s *Service) again(start xml.StartElement) bool {
	if len(start.Attr) == 0 {
		return false
	}
	if s.seen == &start.Attr[0] {
		return true
	}
	s.seen = &start.Attr[0]
	return false
}

// read returns the text and the thread of a message.
//
// It is not ok if the message did not come from a person: a chat room passes invitations on in its own name, with
// whatever text the inviter put into them, and a room may well be among the contact addresses of a domain.
func read(raw []byte) (text, thread string, ok bool) {
	s := xmlscan.New(raw, xmlscan.Limits{})
	if !s.Next() {
		return "", "", false
	}
	ns := s.Space()
	for d := s.Depth(); s.Child(d); {
		switch {
		case room(s.Space()):
			return "", "", false
		case s.Space() != ns:
		case s.Local() == "body" && !ok:
			t, err := s.InnerText(maxText)
			if err != nil {
				return "", "", false
			}
			text, ok = t, true
		case s.Local() == "thread":
			if t, err := s.InnerText(256); err == nil {
				thread = t
			}
		}
	}
	return text, thread, ok && s.Err() == nil
}

// room tells the namespaces that only messages from and about chat rooms have: those of XEP-0045, XEP-0249 and XEP-0369.
func room(ns string) bool {
	return strings.HasPrefix(ns, "http://jabber.org/protocol/muc") || ns == "jabber:x:conference" || strings.HasPrefix(ns, "urn:xmpp:mix:")
}
