package pubsub

import (
	"container/list"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// The defaults of a [Subscriber].
const (
	DefaultMaxSubscriptions = 100_000
	// DefaultMaxEventBytes is as much as Prosody lets a stanza have on its way between servers; ejabberd's payloads are smaller.
	DefaultMaxEventBytes    = 512 << 10
	DefaultMaxWaitingBytes  = 64 << 20
	DefaultRenewConcurrency = 8
)

// The reasons for which there is no subscription although the service refused nothing.
var (
	// ErrPending is a subscription that awaits the approval of the node's owner, whose error also is an [*Error] with the
	// condition [CondPendingSubscription].
	// The approval comes as an event of kind [SubscriptionChanged].
	ErrPending = errors.New("the subscription awaits the approval of the node's owner")
	// ErrTooManySubscriptions is one beyond the limit of the [Subscriber].
	ErrTooManySubscriptions = errors.New("too many subscriptions")
)

// Subscriber subscribes to nodes and receives their events (XEP-0060 §6 and §7).
//
// It is a handler for a session's mux; see [Handle].
// Session is required before the first subscription, all other fields have defaults, and none may change after the first use:
//
//	sub := new(pubsub.Subscriber)
//	s, err := connect.Component(ctx, connect.Config{…, Handler: mux.New(component.NSAccept, pubsub.Handle(sub))})
//	…
//	sub.Session = s
//	s.OnConnect(func(ctx context.Context) { _ = sub.Resubscribe(ctx) })
//	_, err = sub.Subscribe(ctx, service, node)
//	for e := range sub.Events(ctx) { … }
//
// An event counts only from the service and about the node of a live subscription; all others are counted and dropped.
// All methods are safe for concurrent use. It has no goroutines of its own that outlive a call.
type Subscriber struct {
	// Session carries the requests.
	Session Session
	// Addr is the address to subscribe, the session's own without a resource if zero.
	// A component may choose any address below its own.
	Addr jid.JID
	// Timeout bounds each request, 30 s if zero.
	Timeout time.Duration

	// MaxSubscriptions bounds the subscriptions that are kept, [DefaultMaxSubscriptions] if zero.
	MaxSubscriptions int
	// MaxEventBytes bounds one notification, [DefaultMaxEventBytes] if zero.
	MaxEventBytes int
	// MaxWaitingBytes bounds the payloads of all events that wait to be read, [DefaultMaxWaitingBytes] if zero.
	// Events beyond it come without their payload.
	MaxWaitingBytes int
	// RenewConcurrency bounds the requests in flight of [Subscriber.Resubscribe], [DefaultRenewConcurrency] if zero.
	RenewConcurrency int
	// Now is the clock, time.Now if nil.
	Now func() time.Time

	mu           sync.Mutex
	book         map[key]*subscription
	services     map[address]int // how many nodes of each are in the book
	busy         map[key]chan struct{}
	queue        list.List // of *subscription, those with events to be read
	waitingBytes int
	wake         chan struct{}
	counters     EventCounters
	seen         *xml.Attr // see first
}

func (s *Subscriber) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

func (s *Subscriber) maxEvent() int   { return orDefault(s.MaxEventBytes, DefaultMaxEventBytes) }
func (s *Subscriber) maxWaiting() int { return orDefault(s.MaxWaitingBytes, DefaultMaxWaitingBytes) }

// Subscribe subscribes to a node, or renews the subscription.
//
// It may be called again at any time, for example because a node that was deleted may have returned.
// The last item, where the service sends it, comes as an event like all others.
// If the owner has to approve the subscription, the error wraps [ErrPending] and the subscription is kept.
// After any other error a subscription that was new is forgotten; one that is being renewed stays in force if there was no
// answer, and ends if the service refused.
// Refusals are of type *[Error], with the remedy; the other errors are [ErrTooManySubscriptions] or say why there was no answer.
func (s *Subscriber) Subscribe(ctx context.Context, service jid.JID, node string) (Subscription, error) {
	k, t, err := s.target(service, node)
	if err != nil {
		return Subscription{}, err
	}
	if err := s.enter(ctx, k); err != nil {
		return Subscription{}, err
	}
	defer s.leave(k)
	if err := s.admit(k, t); err != nil {
		return Subscription{}, err
	}
	return s.ask(ctx, k, t, false)
}

// target checks what is to be subscribed to.
func (s *Subscriber) target(service jid.JID, node string) (key, target, error) {
	switch {
	case s.Session == nil:
		return key{}, target{}, errors.New("pubsub: a subscriber needs a session")
	case service.Equal(jid.JID{}):
		return key{}, target{}, errors.New("pubsub: no service")
	case node == "" || len(node) > maxNodeName:
		return key{}, target{}, fmt.Errorf("pubsub: a node's name has 1 to %d bytes, not %d", maxNodeName, len(node))
	}
	addr, err := s.addr()
	node = strings.Clone(node)
	return key{addressOf(service), node}, target{service: service, addr: addr, node: node}, err
}

// enter waits until nobody else asks about the node: of two answers the later one must be that to the later request.
func (s *Subscriber) enter(ctx context.Context, k key) error {
	for {
		s.mu.Lock()
		other, busy := s.busy[k]
		if !busy {
			if s.busy == nil {
				s.busy = make(map[key]chan struct{})
			}
			s.busy[k] = make(chan struct{})
		}
		s.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Subscriber) leave(k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.busy[k])
	delete(s.busy, k)
}

// admit enters the node into the book, if it is not there and there is room.
func (s *Subscriber) admit(k key, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book[k] != nil {
		return nil
	}
	if limit := orDefault(s.MaxSubscriptions, DefaultMaxSubscriptions); len(s.book) >= limit {
		return fmt.Errorf("%s %q on %s: %w: %d", OpSubscribe, t.node, t.service, ErrTooManySubscriptions, limit)
	}
	if s.book == nil {
		s.book, s.services = make(map[key]*subscription), make(map[address]int)
	}
	s.book[k] = &subscription{Subscription: Subscription{Service: t.service, Node: t.node, Addr: t.addr}, key: k}
	s.services[k.address]++
	return nil
}

// remove takes a node off the book. The caller holds the lock.
func (s *Subscriber) remove(sub *subscription) {
	s.drop(sub)
	delete(s.book, sub.key)
	if s.services[sub.key.address]--; s.services[sub.key.address] == 0 {
		delete(s.services, sub.key.address)
	}
}

// ask requests the subscription and brings the book up to date. A node that is not in it any more is left alone.
func (s *Subscriber) ask(ctx context.Context, k key, t target, tell bool) (Subscription, error) {
	s.mu.Lock()
	sub := s.book[k]
	if sub == nil {
		s.mu.Unlock()
		return Subscription{}, nil
	}
	sub.asking, sub.approved = true, false
	// Events may have been lost since the last answer.
	sub.item, sub.itemID = heldUnknown, ""
	oldID := sub.ID
	wasLive := sub.live()
	s.mu.Unlock()

	g, err := s.subscribe(ctx, t)
	result := s.settle(sub, g, err, tell)
	if err == nil && wasLive && oldID != "" && g.id != "" && g.id != oldID {
		s.endDouble(ctx, t, oldID)
	}
	if result.State == SubscriptionActive && errors.Is(err, ErrPending) {
		err = nil
	}
	return result, err
}

// settle enters the answer into the book.
func (s *Subscriber) settle(sub *subscription, g grant, err error, tell bool) Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	before := sub.State
	sub.asking, sub.Err = false, err
	switch {
	case err == nil || errors.Is(err, ErrPending) && sub.approved:
		sub.set(SubscriptionActive, now)
		sub.ID, sub.Confirmed, sub.Err = g.id, now, nil
	case errors.Is(err, &Error{PubSub: CondPendingSubscription}):
		sub.set(SubscriptionPending, now)
		sub.ID = g.id
	case errors.Is(err, &Error{}) && !IsTemporary(err):
		sub.set(SubscriptionNone, now)
	}
	if p := sub.early; p != nil && sub.live() {
		sub.early = nil
		s.release(p)
		s.publish(sub, p)
	}
	s.dropEarly(sub)
	if tell && sub.State != before {
		s.put(sub, laneState, &pending{Event: Event{Kind: SubscriptionChanged, At: now, Err: sub.Err}})
	}
	if !tell && sub.Confirmed.IsZero() && sub.State == SubscriptionNone {
		s.remove(sub)
	}
	return sub.Subscription
}

// endDouble ends the former subscription where the service has made a second one for the same node and address.
// It first makes sure that both exist, as a service might take an unknown id for any.
func (s *Subscriber) endDouble(ctx context.Context, t target, oldID string) {
	if ids, err := s.listed(ctx, t); err == nil && len(ids) > 1 && slices.Contains(ids, oldID) {
		// If that fails the only harm is that events come twice.
		_ = s.unsubscribe(ctx, t, oldID)
	}
}

// Unsubscribe ends a subscription and forgets it: from then on no event of the node counts, and those not yet read are gone.
//
// The service is told even of a subscription that is not known here, as one from before a restart may be.
// That there is none, or no such node, is no error.
// Other refusals are of type *[Error]; after an error the service may still send events.
func (s *Subscriber) Unsubscribe(ctx context.Context, service jid.JID, node string) error {
	k, t, err := s.target(service, node)
	if err != nil {
		return err
	}
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	defer s.leave(k)
	id := ""
	s.mu.Lock()
	if sub := s.book[k]; sub != nil {
		id, t.addr = sub.ID, sub.Addr
		s.remove(sub)
	}
	s.mu.Unlock()
	return s.end(ctx, t, id)
}

// end asks for the end of a subscription, and of all that we have to the node if the service can't tell which is meant.
func (s *Subscriber) end(ctx context.Context, t target, id string) error {
	err := ignoreNone(s.unsubscribe(ctx, t, id))
	if !errors.Is(err, &Error{PubSub: CondSubIDRequired}) && !errors.Is(err, &Error{PubSub: CondInvalidSubID}) {
		return err
	}
	ids, lerr := s.listed(ctx, t)
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	err = nil
	for _, id := range ids {
		err = errors.Join(err, ignoreNone(s.unsubscribe(ctx, t, id)))
	}
	return err
}

// ignoreNone drops the error of ending what does not exist.
func ignoreNone(err error) error {
	if errors.Is(err, &Error{PubSub: CondNotSubscribed}) || errors.Is(err, &Error{Condition: stanza.ItemNotFound}) {
		return nil
	}
	return err
}

// Subscriptions lists what was subscribed to and not unsubscribed from, in the order of services and nodes.
// Those that ended without our doing are among them: [Subscriber.Resubscribe] tries them again.
func (s *Subscriber) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	subs := make([]*subscription, 0, len(s.book))
	for _, sub := range s.book {
		subs = append(subs, sub)
	}
	slices.SortFunc(subs, func(a, b *subscription) int { return a.key.compare(b.key) })
	out := make([]Subscription, len(subs))
	for i, sub := range subs {
		out[i] = sub.Subscription
	}
	return out
}

// Subscription returns what is known of one subscription, and whether there is one.
func (s *Subscriber) Subscription(service jid.JID, node string) (Subscription, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.book[key{addressOf(service), node}]; sub != nil {
		return sub.Subscription, true
	}
	return Subscription{}, false
}

// Counters returns what the subscriber has counted so far.
func (s *Subscriber) Counters() EventCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters
}
