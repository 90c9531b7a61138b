package talk

import (
	"encoding/xml"
	"io"
	"slices"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
)

// message is what somebody says to the bot.
type message struct {
	from jid.JID
	room bool // from is an occupant's address
	typ  stanza.MessageType
	said string
}

// asker is who said it, as the bot counts people.
func (m message) asker() chat.Asker {
	place := m.from.Bare().String()
	if m.room {
		return chat.Asker{Place: place, Who: m.from.Resourcepart(), Site: place}
	}
	return chat.Asker{Place: place, Site: m.from.Domainpart()}
}

// wireMessage is a message as far as it matters.
type wireMessage struct {
	Type       stanza.MessageType `xml:"type,attr"`
	Body       []string           `xml:"jabber:client body"`
	Subject    *struct{}          `xml:"jabber:client subject"`
	Delay      *struct{}          `xml:"urn:xmpp:delay delay"`
	OldDelay   *struct{}          `xml:"jabber:x:delay x"`
	Correction *struct{}          `xml:"urn:xmpp:message-correct:0 replace"`
	MUC        *struct{}          `xml:"http://jabber.org/protocol/muc#user x"`
	Event      *struct{}          `xml:"http://jabber.org/protocol/pubsub#event event"`
	Error      *wireError         `xml:"jabber:client error"`
}

// wirePresence is a presence as far as it matters.
type wirePresence struct {
	Type stanza.PresenceType `xml:"type,attr"`
	MUC  struct {
		Status  []wireStatus `xml:"status"`
		Destroy *struct{}    `xml:"destroy"`
	} `xml:"http://jabber.org/protocol/muc#user x"`
	Error *wireError `xml:"jabber:client error"`
}

type wireStatus struct {
	Code string `xml:"code,attr"`
}

// has reports whether the room says any of these status codes.
func (p *wirePresence) has(codes ...string) bool {
	return slices.ContainsFunc(p.MUC.Status, func(s wireStatus) bool { return slices.Contains(codes, s.Code) })
}

type wireError struct {
	Children []struct{ XMLName xml.Name } `xml:",any"`
}

// condition is the defined condition of a stanza error, empty if there is none.
func (e *wireError) condition() stanza.Condition {
	if e == nil {
		return ""
	}
	for _, c := range e.Children {
		if c.XMLName.Space == stanza.NSError && c.XMLName.Local != "text" {
			return stanza.Condition(c.XMLName.Local)
		}
	}
	return ""
}

// Handler returns a handler that takes what is said and the presence of rooms, and leaves everything else to next.
func (t *Talker) Handler(next xmpp.Handler) xmpp.Handler {
	t.init()
	return xmpp.HandlerFunc(func(s xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		local := start.Name.Local
		if local != "message" && local != "presence" {
			return next.HandleXMPP(s, start)
		}
		tokens, err := xmlstream.ReadAll(s)
		if err != nil {
			return err
		}
		from, err := jid.Parse(attr(start, "from"))
		if err != nil {
			return nil
		}
		var m wireMessage
		var p wirePresence
		switch {
		case local == "presence" && decode(&p, start, tokens) == nil:
			t.presence(from, &p)
		case local == "message" && decode(&m, start, tokens) == nil && m.Event == nil:
			t.message(from, &m)
		case local == "message":
			return next.HandleXMPP(replay{s, &tokens}, start)
		}
		return nil
	})
}

// replay gives a handler the tokens that were read ahead of it.
type replay struct {
	xmlstream.TokenReadEncoder
	left *[]xml.Token
}

func (r replay) Token() (xml.Token, error) {
	if len(*r.left) == 0 {
		return nil, io.EOF
	}
	t := (*r.left)[0]
	*r.left = (*r.left)[1:]
	return t, nil
}

func decode(v any, start *xml.StartElement, rest []xml.Token) error {
	all := append([]xml.Token{start.Copy()}, rest...)
	return xml.NewTokenDecoder(replay{left: &all}).Decode(v)
}

func attr(start *xml.StartElement, local string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// unreachable are the answers of a server by which nobody will ever read what is sent to an address.
var unreachable = []stanza.Condition{stanza.Gone, stanza.ItemNotFound, stanza.Forbidden, stanza.NotAllowed}

// message takes what is said to the bot, and drops all else.
func (t *Talker) message(from jid.JID, m *wireMessage) {
	r := t.rooms[from.Bare().String()]
	switch {
	case m.Type == stanza.ErrorMessage:
		if r == nil && slices.Contains(unreachable, m.Error.condition()) {
			t.Bot.Leave(from.Bare().String())
		}
	case len(m.Body) == 0, m.Subject != nil, m.Delay != nil, m.OldDelay != nil, m.Correction != nil:
	case r != nil && m.Type == stanza.GroupChatMessage:
		nick := r.name()
		if said, ok := t.addressed(m.Body[0], nick); ok && from.Resourcepart() != "" && from.Resourcepart() != nick {
			t.enqueue(message{from: from, room: true, typ: m.Type, said: said})
		}
	case r != nil, m.MUC != nil, from.Localpart() == "", from.Bare().Equal(t.Address.Bare()):
		// Private conversations in a room, invitations, servers, and the bot's own account.
	case m.Type == stanza.ChatMessage, m.Type == stanza.NormalMessage, m.Type == "":
		t.enqueue(message{from: from, typ: m.Type, said: m.Body[0]})
	}
}
