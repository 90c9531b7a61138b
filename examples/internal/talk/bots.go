package talk

import (
	"context"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/disco"
)

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
	info, err := disco.GetInfo(ctx, t.Session, who, "")
	bot := err == nil && info.Identity("client", "bot")
	t.persons.put(who.String(), bot, time.Now())
	return bot
}
