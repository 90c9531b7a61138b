// Package talk carries what people say in direct chats and in rooms (XEP-0045) to a bot, and its answers back.
//
// In a room it hears only what is addressed to it, "nick: …" or "!…", and says nothing in private conversations there, in
// which nobody's real address is known.
// It ignores what was said before it came (XEP-0203), subjects, errors, corrections, its own words, and those of other bots.
package talk

import (
	"context"
	"encoding/xml"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
)

// Session is what is needed of a session. That of package connect has it.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
	Send(ctx context.Context, r xml.TokenReader) error
	OnConnect(f func(ctx context.Context))
}

// Talker is one account in its direct chats and rooms.
//
// Session, Address, Bot and, for rooms, Nick are required. The fields must not change once Handler was called, but for Session,
// which may be set as late as before Run.
type Talker struct {
	// Address is the account's own.
	Address jid.JID

	// Session carries the words.
	Session Session
	// Bot answers them.
	Bot *chat.Bot
	// Rooms are the bare addresses of the rooms to be in.
	Rooms []jid.JID
	// Nick is the bot's name there. Where somebody else has it, underscores are added.
	Nick string
	// Logger gets what happens to the rooms, nobody's words and no addresses of persons; nil means slog.Default().
	Logger *slog.Logger

	once    sync.Once
	rooms   map[string]*room
	queues  []chan message
	seed    maphash.Seed
	persons persons
}

// The bounds on what may wait for an answer: beyond them messages are dropped.
const (
	workers  = 8
	backlog  = 32
	patience = 30 * time.Second // for the sending of an answer
)

func (t *Talker) init() {
	t.once.Do(func() {
		t.rooms, t.seed = map[string]*room{}, maphash.MakeSeed()
		if t.Logger == nil {
			t.Logger = slog.Default()
		}
		for _, addr := range t.Rooms {
			addr = addr.Bare()
			t.rooms[addr.String()] = &room{addr: addr, nick: t.Nick, events: make(chan event, 16)}
		}
		for range workers {
			t.queues = append(t.queues, make(chan message, backlog))
		}
	})
}

// Run answers and tells what is watched, until ctx ends; then it leaves the rooms.
// It may be called once, and the session is used by it alone for presence.
func (t *Talker) Run(ctx context.Context) {
	t.init()
	var parts sync.WaitGroup
	defer parts.Wait()
	for _, q := range t.queues {
		parts.Go(func() { t.work(ctx, q) })
	}
	for _, r := range t.rooms {
		parts.Go(func() { t.stay(ctx, r) })
	}
	parts.Go(func() { t.Bot.Tell(ctx, func(n chat.Notice) { t.say(ctx, n) }) })
	t.Session.OnConnect(func(connection context.Context) {
		if ctx.Err() != nil {
			return
		}
		// Without it a server hands out neither messages to the bare address nor the events of subscriptions.
		if err := t.Session.Send(connection, stanza.Presence{}.Wrap(nil)); err != nil {
			t.Logger.Warn("cannot send presence", "err", err)
		}
		for _, r := range t.rooms {
			r.tell(event{kind: connected})
		}
	})
	<-ctx.Done()
}

// work answers messages one after the other.
func (t *Talker) work(ctx context.Context, q <-chan message) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-q:
			t.answer(ctx, m)
		}
	}
}

// enqueue never waits, since all other stanzas of the session do meanwhile.
// What one sender says stays in its order.
func (t *Talker) enqueue(m message) {
	select {
	case t.queues[maphash.String(t.seed, m.from.String())%workers] <- m:
	default:
	}
}

// answer answers one message that is meant for the bot.
func (t *Talker) answer(ctx context.Context, m message) {
	text := t.Bot.Answer(m.asker(), m.said)
	if text == "" || t.isBot(ctx, m.from) {
		return
	}
	if m.room {
		t.send(ctx, stanza.Message{To: m.from.Bare(), Type: stanza.GroupChatMessage}, chat.Nick(m.from.Resourcepart())+": "+text)
		return
	}
	t.send(ctx, stanza.Message{To: m.from, Type: m.typ}, text)
}

// say says something unasked.
func (t *Talker) say(ctx context.Context, n chat.Notice) {
	to, err := jid.Parse(n.Place)
	if err != nil {
		return
	}
	typ := stanza.ChatMessage
	if _, ok := t.rooms[n.Place]; ok {
		typ = stanza.GroupChatMessage
	}
	t.send(ctx, stanza.Message{To: to, Type: typ}, n.Text)
}

func (t *Talker) send(ctx context.Context, m stanza.Message, text string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData(text)), xml.StartElement{Name: xml.Name{Local: "body"}})
	if err := t.Session.Send(ctx, m.Wrap(body)); err != nil && ctx.Err() == nil {
		t.Logger.Warn("cannot answer", "err", err)
	}
}

// addressed returns what is said to the bot in a room, and whether it is to the bot at all.
func (t *Talker) addressed(said, nick string) (string, bool) {
	said = strings.TrimSpace(said)
	if rest, ok := strings.CutPrefix(said, "!"); ok {
		// Other bots listen to exclamation marks as well.
		return rest, t.Bot.Knows(rest)
	}
	said = strings.TrimPrefix(said, "@")
	if len(said) <= len(nick) || !strings.EqualFold(said[:len(nick)], nick) {
		return "", false
	}
	rest := said[len(nick):]
	if rest[0] != ':' && rest[0] != ',' {
		// Who only speaks about the bot wants no answer.
		return "", false
	}
	return strings.TrimSpace(rest[1:]), true
}
