package talk

import (
	"context"
	"encoding/xml"
	"errors"
	"slices"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// The namespace of XEP-0045, and what is sent beside presence: the ping of XEP-0199, and the configuration that changes nothing.
const (
	nsMUC  = "http://jabber.org/protocol/muc"
	ping   = "<ping xmlns='urn:xmpp:ping'/>"
	accept = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
)

const (
	joinTimeout = time.Minute
	firstPause  = 10 * time.Second
	longPause   = 10 * time.Minute
	// selfPing is how often the bot asks whether it is still in a room (XEP-0410): a room may lose an occupant without a word.
	selfPing = 10 * time.Minute
	// maxNicks is how many names are tried in a row.
	maxNicks = 4
)

// kind is what can happen to the bot in a room.
type kind uint8

const (
	connected kind = iota + 1 // the session is new, and the room knows nothing of it
	joined
	refused
	left
)

type event struct {
	kind kind
	// fresh tells that the bot has made the room by joining it.
	fresh bool
	// final tells that coming back would be impolite or in vain.
	final bool
	cond  stanza.Condition
}

// room is one room.
type room struct {
	addr   jid.JID
	events chan event

	mu   sync.Mutex
	nick string
}

func (r *room) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nick
}

func (r *room) rename(nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nick = nick
}

// tell passes an event on. Events of which there are too many say nothing new.
func (r *room) tell(e event) {
	select {
	case r.events <- e:
	default:
	}
}

// final are the answers by which a room does not want the bot.
var final = []stanza.Condition{
	stanza.NotAuthorized, stanza.Forbidden, stanza.RegistrationRequired, stanza.NotAllowed, stanza.JIDMalformed,
}

// The status codes of XEP-0045 §15.6.
const (
	statusSelf   = "110"
	statusNew    = "201"
	statusRename = "303"
	statusError  = "333"
)

// farewells are the codes by which the room has sent the bot away: ban, kick, and the ends of its membership.
var farewells = []string{"301", "307", "321", "322"}

// presence follows what becomes of the bot in its rooms.
func (t *Talker) presence(from jid.JID, p *wirePresence) {
	r := t.rooms[from.Bare().String()]
	if r == nil {
		return
	}
	own := p.has(statusSelf) || from.Resourcepart() == r.name()
	switch {
	case p.Type == stanza.ErrorPresence:
		cond := p.Error.condition()
		r.tell(event{kind: refused, final: slices.Contains(final, cond), cond: cond})
	case !own, p.Type == stanza.UnavailablePresence && p.has(statusRename):
		// Of a new name the presence that follows tells.
	case p.Type == stanza.UnavailablePresence:
		r.tell(event{kind: left, final: p.MUC.Destroy != nil || p.has(farewells...) && !p.has(statusError)})
	case p.Type == "" && p.has(statusSelf):
		r.rename(from.Resourcepart())
		r.tell(event{kind: joined, fresh: p.has(statusNew)})
	}
}

// stay keeps the bot in a room until ctx ends or the room does not want it.
func (t *Talker) stay(ctx context.Context, r *room) {
	select {
	case <-r.events: // that the session is there, and has sent its first presence
	case <-ctx.Done():
		return
	}
	for pause := firstPause; ctx.Err() == nil; {
		e := t.join(ctx, r)
		if e.kind == joined {
			pause = firstPause
			e = t.dwell(ctx, r, e.fresh)
		}
		switch {
		case e.final:
			t.Logger.Warn("the room does not want the bot: not coming back", "room", r.addr, "condition", e.cond)
			return
		}
		r.rename(t.Nick)
		if e.kind == connected {
			continue
		}
		if e := r.wait(ctx, pause); e.kind != connected {
			pause = min(2*pause, longPause)
		}
	}
}

// wait returns the next event, or the zero event after a while.
func (r *room) wait(ctx context.Context, d time.Duration) event {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case e := <-r.events:
		return e
	case <-timer.C:
	case <-ctx.Done():
	}
	return event{}
}

// join enters the room, under another name where somebody else has the bot's.
func (t *Talker) join(ctx context.Context, r *room) event {
	r.drain()
	for range maxNicks {
		if err := t.sendPresence(ctx, r, "", joinPayload()); err != nil {
			return event{}
		}
		e := r.wait(ctx, joinTimeout)
		if e.kind != refused || e.cond != stanza.Conflict {
			return e
		}
		r.rename(r.name() + "_")
	}
	return event{kind: refused, cond: stanza.Conflict}
}

// drain forgets what happened before.
func (r *room) drain() {
	for {
		select {
		case <-r.events:
		default:
			return
		}
	}
}

// dwell stays in the room until something happens that ends that.
func (t *Talker) dwell(ctx context.Context, r *room, fresh bool) event {
	t.Logger.Info("joined", "room", r.addr, "nick", r.name())
	if fresh {
		// Until its owner has configured it, a new room lets nobody else in (XEP-0045 §10.1.2).
		t.unlock(ctx, r)
	}
	for {
		e := r.wait(ctx, selfPing)
		switch {
		case ctx.Err() != nil:
			t.leave(ctx, r)
			return event{}
		case e.kind == 0 && t.lost(ctx, r):
			return event{kind: left}
		case e.kind == left, e.kind == connected:
			return e
		}
	}
}

// joinPayload asks for no history: what was said before is not meant for the bot.
func joinPayload() xml.TokenReader {
	return xmlstream.Wrap(
		xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "history"}, Attr: []xml.Attr{{Name: xml.Name{Local: "maxchars"}, Value: "0"}}}),
		xml.StartElement{Name: xml.Name{Space: nsMUC, Local: "x"}})
}

func (t *Talker) sendPresence(ctx context.Context, r *room, typ stanza.PresenceType, payload xml.TokenReader) error {
	to, err := r.addr.WithResource(r.name())
	if err != nil {
		return err
	}
	return t.Session.Send(ctx, stanza.Presence{To: to, Type: typ}.Wrap(payload))
}

// leave says goodbye, for which ctx may have ended already.
func (t *Talker) leave(ctx context.Context, r *room) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = t.sendPresence(ctx, r, stanza.UnavailablePresence, nil)
}

// lost asks whether the bot is still in the room (XEP-0410 §3): only one answer says that it is not.
func (t *Talker) lost(ctx context.Context, r *room) bool {
	to, err := r.addr.WithResource(r.name())
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = roundtrip.Do(ctx, t.Session, roundtrip.Request{To: to, Payload: []byte(ping)})
	return errors.Is(err, stanza.Error{Condition: stanza.NotAcceptable})
}

// unlock accepts a new room's configuration as it is.
func (t *Talker) unlock(ctx context.Context, r *room) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := roundtrip.Do(ctx, t.Session, roundtrip.Request{Type: stanza.SetIQ, To: r.addr, Payload: []byte(accept)})
	if err != nil && ctx.Err() == nil {
		t.Logger.Warn("cannot configure the new room", "room", r.addr, "err", err)
	}
}
