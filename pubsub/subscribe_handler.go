package pubsub

import (
	"encoding/xml"
	"errors"
	"sync"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// Handle returns an option that registers a subscriber for the notifications of pubsub services.
func Handle(s *Subscriber) mux.Option {
	event, old := xml.Name{Space: NSEvent, Local: "event"}, xml.Name{Space: nsPubSub, Local: "pubsub"}
	return func(m *mux.ServeMux) {
		mux.Message(stanza.NormalMessage, event, s)(m)
		// The rest are functions so that the feature is listed once.
		for _, typ := range []stanza.MessageType{stanza.HeadlineMessage, stanza.ChatMessage, stanza.ErrorMessage} {
			mux.MessageFunc(typ, event, s.HandleMessage)(m)
		}
		mux.MessageFunc(stanza.NormalMessage, old, s.HandleMessage)(m)
		mux.MessageFunc(stanza.HeadlineMessage, old, s.HandleMessage)(m)
	}
}

// ForFeatures implements info.FeatureIter. The feature says that notifications are understood.
//
// It asks for none ("+notify", XEP-0163 §4): that would bring the events of every contact.
// It is not the feature of XEP-0485 either, by which a domain opts in.
func (s *Subscriber) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(info.Feature{Var: NSEvent})
}

// buffers hold messages while they are decoded.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// HandleMessage implements mux.MessageHandler: it takes the notification in, and returns without waiting for anything.
//
// It never returns an error, as that would end the session: what does not count is counted.
func (s *Subscriber) HandleMessage(msg stanza.Message, t xmlstream.TokenReadEncoder) error {
	defer func() {
		if recover() != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counters.Panics++
		}
	}()
	tok, err := t.Token()
	start, ok := tok.(xml.StartElement)
	if !ok || err != nil || !s.first(msg, start) {
		return nil
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	limit := s.maxEvent()
	raw, err := roundtrip.AppendReply((*buf)[:0], xmlstream.MultiReader(xmlstream.Token(start), t), limit)
	if err != nil {
		s.refuse(err)
		return nil
	}
	*buf = raw
	n, err := decodeNotice(raw)
	if err != nil {
		s.refuse(err)
		return nil
	}
	s.apply(addressOf(msg.From), n)
	return nil
}

// first reports whether a message is worth reading: it comes from a service that has a subscription, and was not here before.
//
// The mux calls once for every child that matches, each time with the whole message, so that a message made of thousands of
// notifications would otherwise cost their square.
// It is recognised by its attributes, which are its own as long as something refers to them.
func (s *Subscriber) first(msg stanza.Message, start xml.StartElement) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(start.Attr) > 0 {
		if s.seen == &start.Attr[0] {
			return false
		}
		s.seen = &start.Attr[0]
	}
	s.counters.Received++
	switch {
	case msg.Type == stanza.ErrorMessage:
		s.counters.Errors++
	case s.services[addressOf(msg.From)] == 0:
		s.counters.WrongService++
	default:
		return true
	}
	return false
}

// refuse counts a message that could not be read.
func (s *Subscriber) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(err, roundtrip.ErrTooLarge) {
		s.counters.TooLarge++
	} else {
		s.counters.Malformed++
	}
}
