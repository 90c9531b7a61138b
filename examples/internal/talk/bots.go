package talk

import (
	"context"
	"encoding/xml"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

const nsDiscoInfo = "http://jabber.org/protocol/disco#info"

// Two bots that answer each other never stop, so each asker is asked once what it is (XEP-0030, identity client/bot).
const (
	botTimeout = 5 * time.Second
	botMemory  = 10 * time.Minute
	maxPersons = 1000
)

// persons remembers who is a bot. Its zero value knows nobody.
type persons struct {
	mu    sync.Mutex
	known map[string]person
}

type person struct {
	bot   bool
	until time.Time
}

func (p *persons) get(addr string, now time.Time) (bot, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.known[addr]
	return one.bot, ok && now.Before(one.until)
}

func (p *persons) put(addr string, bot bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxPersons || p.known == nil {
		p.known = map[string]person{}
	}
	p.known[addr] = person{bot, now.Add(botMemory)}
}

// isBot asks who has said something what it is. Who does not say that it is a bot is taken for a person.
func (t *Talker) isBot(ctx context.Context, who jid.JID) bool {
	if bot, ok := t.persons.get(who.String(), time.Now()); ok {
		return bot
	}
	ctx, cancel := context.WithTimeout(ctx, botTimeout)
	defer cancel()
	var info struct {
		Identities []struct {
			Category string `xml:"category,attr"`
			Type     string `xml:"type,attr"`
		} `xml:"http://jabber.org/protocol/disco#info identity"`
	}
	err := t.ask(ctx, stanza.IQ{Type: stanza.GetIQ, To: who}, xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: nsDiscoInfo, Local: "query"}}), &info)
	bot := false
	for _, i := range info.Identities {
		bot = bot || err == nil && i.Category == "client" && i.Type == "bot"
	}
	t.persons.put(who.String(), bot, time.Now())
	return bot
}

// ask sends a request and reads the child of its result into v, which may be nil. An error reply is a stanza.Error.
func (t *Talker) ask(ctx context.Context, iq stanza.IQ, payload xml.TokenReader, v any) error {
	reply, err := t.Session.SendIQElement(ctx, payload, iq)
	if err != nil {
		return err
	}
	defer reply.Close()
	var got struct {
		Type  stanza.IQType `xml:"type,attr"`
		Error *wireError    `xml:"jabber:client error"`
		Inner xmlInner      `xml:",any"`
	}
	got.Inner.v = v
	if err := xml.NewTokenDecoder(reply).Decode(&got); err != nil {
		return err
	}
	if got.Type == stanza.ErrorIQ {
		return stanza.Error{Condition: got.Error.condition()}
	}
	return nil
}

// xmlInner decodes an element into whatever it is given.
type xmlInner struct{ v any }

func (x *xmlInner) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if x.v == nil {
		return d.Skip()
	}
	return d.DecodeElement(x.v, &start)
}
