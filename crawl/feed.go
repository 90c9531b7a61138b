package crawl

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// refusedPause is how long a service that refused a subscription is not asked again.
	refusedPause = 24 * time.Hour
	// reconnectSpread is the time over which subscriptions are renewed after the session was lost.
	reconnectSpread = 5 * time.Minute
	// farewellsAtATime bounds the requests in flight when all subscriptions end.
	farewellsAtATime = 64
)

// feed is a node, and the domains whose own disco points there: several, where one node serves all domains of a server.
// What the node says is bound to them and nobody else.
type feed struct {
	service jid.JID
	node    string
	entries []*entry
	// live tells that events come: the subscription was confirmed, and nothing has happened since that may have ended it.
	live bool
	// held tells that the service may think we are subscribed.
	held bool
	// retry is when a refused subscription may be asked for again.
	retry time.Time
}

// feedKey identifies a node.
type feedKey struct{ service, node string }

func (f *feed) key() feedKey { return feedKey{f.service.String(), f.node} }

// feeds are the nodes that domains point at.
type feeds struct {
	byNode map[feedKey]*feed
	// live counts the live ones, left are those whose subscription nobody needs any more.
	live int
	left []*feed
}

// move makes an entry point at a node.
func (fs *feeds) move(e *entry, service jid.JID, node string) {
	if e.feed != nil && e.feed.node == node && e.feed.service.Equal(service) {
		return
	}
	fs.leave(e)
	k := feedKey{service.String(), node}
	f := fs.byNode[k]
	if f == nil {
		f = &feed{service: service, node: node}
		fs.byNode[k] = f
	}
	f.entries = append(f.entries, e)
	e.feed, e.polled = f, time.Time{}
}

// leave makes an entry point nowhere.
func (fs *feeds) leave(e *entry) {
	f := e.feed
	if f == nil {
		return
	}
	e.feed = nil
	f.entries = slices.DeleteFunc(f.entries, func(o *entry) bool { return o == e })
	if len(f.entries) > 0 {
		return
	}
	delete(fs.byNode, f.key())
	fs.set(f, false)
	if f.held {
		fs.left = append(fs.left, f)
	}
}

func (fs *feeds) set(f *feed, live bool) {
	switch {
	case live && !f.live:
		fs.live++
	case !live && f.live:
		fs.live--
	}
	f.live = live
}

// attend is what a visit does once it knows the domain's node: it decides whether to fetch the item.
// It subscribes before, so that nothing which is published meanwhile is missed.
func (r *run) attend(ctx context.Context, c *call, res *Result) (fetch bool, err error) {
	r.mu.Lock()
	r.learn(c, res)
	f, now := c.entry.feed, r.clock.Now()
	switch {
	case f == nil || r.sub == nil || !f.live && now.Before(f.retry):
		r.mu.Unlock()
		return true, nil
	case f.live && now.Before(c.entry.polled.Add(r.poll)):
		r.mu.Unlock()
		return false, nil
	}
	f.held = true
	r.mu.Unlock()
	before := r.lastEvent(f)
	if err := r.subscribe(ctx, f); err != nil {
		return false, err
	}
	// ejabberd sends the item to whoever subscribes.
	return r.lastEvent(f).Equal(before), nil
}

// lastEvent is when the subscriber last took in an event of a node.
func (r *run) lastEvent(f *feed) time.Time {
	s, _ := r.sub.Subscription(f.service, f.node)
	return s.LastEvent
}

// subscribe asks for the subscription, new or not.
// The error is that of a service which did not answer, and would not answer a fetch either.
func (r *run) subscribe(ctx context.Context, f *feed) error {
	_, err := r.sub.Subscribe(ctx, f.service, f.node)
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused *pubsub.Error
	switch {
	case err == nil:
		r.feeds.set(f, len(f.entries) > 0)
		return nil
	case notTheirFault(err):
		return err
	}
	r.feeds.set(f, false)
	if !errors.As(err, &refused) {
		if errors.Is(err, pubsub.ErrTooManySubscriptions) {
			r.failures[FailureSubscription]++
			err = nil
		}
		return err
	}
	if refused.Condition == stanza.ItemNotFound {
		// That there is no node is for the fetch to tell, and it may return at any time.
		f.held = false
		return nil
	}
	r.failures[FailureSubscription]++
	if !errors.Is(err, pubsub.ErrPending) && !pubsub.IsTemporary(err) {
		f.held, f.retry = false, r.clock.Now().Add(refusedPause)
	}
	return nil
}

// listen takes events in until ctx ends.
// One is told before the next is taken: what comes meanwhile waits in the subscriber, the latest of each node.
func (r *run) listen(ctx context.Context) {
	for ev := range r.sub.Events(ctx) {
		delivered := r.hear(ev)
		if delivered == nil {
			continue
		}
		select {
		case <-delivered:
		case <-ctx.Done():
		}
	}
}

// hear takes in one event for every domain that points at its node.
func (r *run) hear(ev pubsub.Event) (delivered <-chan struct{}) {
	defer poke(r.wake)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds.byNode[feedKey{ev.Service.String(), ev.Node}]
	if f == nil {
		return nil
	}
	now := r.clock.Now()
	var events []Event
	for _, e := range f.entries {
		t := &teller{at: now, entry: e}
		switch ev.Kind {
		case pubsub.ItemPublished:
			r.pushed(f, ev, t)
		case pubsub.ItemRetracted, pubsub.NodePurged, pubsub.NodeDeleted:
			e.heard++
			r.withdraw(e, now, t)
			r.soon(e, now)
		case pubsub.SubscriptionChanged:
			if ev.State != pubsub.SubscriptionActive {
				r.soon(e, now)
			}
		}
		events = append(events, t.events...)
	}
	switch {
	case ev.Kind == pubsub.SubscriptionChanged:
		r.feeds.set(f, ev.State == pubsub.SubscriptionActive)
	case ev.Kind == pubsub.NodeDeleted:
		r.feeds.set(f, false)
	}
	if len(events) == 0 {
		return nil
	}
	return r.tell(events)
}

// pushed takes in an item that came as an event.
func (r *run) pushed(f *feed, ev pubsub.Event, t *teller) {
	e := t.entry
	if !e.advertised || !e.until.After(t.at) || r.excluded(e.name) {
		return
	}
	if errors.Is(ev.Err, pubsub.ErrNoPayload) || errors.Is(ev.Err, pubsub.ErrOverflow) {
		r.soon(e, t.at)
		return
	}
	e.heard++
	e.polled = t.at
	r.pushes++
	v := &Visitor{Self: r.own, Now: r.clock.Now}
	t.res = &Result{
		Domain:  e.name,
		Start:   t.at,
		Outcome: OutcomeSilent,
		Location: &pubsub.Location{
			Domain: e.name, Answered: true, Advertised: true, Default: e.byDefault, Service: f.service, Node: f.node,
		},
	}
	t.res.Verdict = r.consent.Verdict(e.name)
	v.take(t.res, v.itemStep(StepEvent, t.res), ev.Item, ev.Err, e.until)
	t.res.End = t.at
	r.report(e, t.res, t)
}

// soon asks for a visit that fetches, though not so soon that a node could have itself visited without end.
func (r *run) soon(e *entry, now time.Time) {
	e.polled = time.Time{}
	at := e.visitedAt.Add(r.interval / 10)
	if e.place == placeFlight || at.Before(now) {
		at = now
	}
	if e.place == placeFlight {
		at = now.Add(r.interval / 10)
	}
	r.frontier.hasten(e, at)
}

// reconnected sees to it that all subscriptions are renewed: what was sent while there was no session is lost.
func (r *run) reconnected() {
	r.change(func() {
		now := r.clock.Now()
		for _, f := range r.feeds.byNode {
			r.feeds.set(f, false)
			for _, e := range f.entries {
				e.polled = time.Time{}
				r.frontier.hasten(e, r.frontier.within(now, min(r.interval, reconnectSpread)))
			}
		}
	})
}

// quit ends the subscriptions that nobody needs any more.
func (r *run) quit(ctx context.Context) {
	r.mu.Lock()
	left := r.feeds.left
	r.feeds.left = nil
	r.mu.Unlock()
	for _, f := range left {
		if r.sub == nil || r.needed(f) {
			continue
		}
		// If that fails, the service finds out when its events come back.
		_ = r.sub.Unsubscribe(ctx, f.service, f.node)
		r.needed(f)
	}
}

// needed tells whether a domain points at the node again, whose next visit then makes sure of the subscription.
func (r *run) needed(f *feed) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	again := r.feeds.byNode[f.key()]
	if again == nil {
		return false
	}
	r.feeds.set(again, false)
	return true
}

// farewell ends all subscriptions, as far as the time allows.
func (r *run) farewell() {
	if r.sub == nil || r.patience <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.patience)
	defer cancel()
	work := make(chan pubsub.Subscription)
	var wg sync.WaitGroup
	for range farewellsAtATime {
		wg.Go(func() {
			for s := range work {
				if r.sub.Unsubscribe(ctx, s.Service, s.Node) == nil {
					r.ended(s)
				}
			}
		})
	}
	for _, s := range r.sub.Subscriptions() {
		if ctx.Err() != nil {
			break
		}
		work <- s
	}
	close(work)
	wg.Wait()
}

func (r *run) ended(s pubsub.Subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds.byNode[feedKey{s.Service.String(), s.Node}]
	if f == nil {
		return
	}
	r.feeds.set(f, false)
	f.held = false
	for _, e := range f.entries {
		r.touch(e)
	}
}

// own tells which names are the crawler's.
func (r *run) own(n xep.Name) bool { return r.self[n] }
