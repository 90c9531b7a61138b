package crawl

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// run is one run of a Crawler.
type run struct {
	session     Session
	consent     *optin.Checker
	exclude     func(xep.Name) bool
	onVisit     func(xep.Name, Account)
	self        map[xep.Name]bool
	sub         *pubsub.Subscriber // nil where there are no subscriptions
	store       Store              // nil where nothing is kept
	clock       Clock
	pacer       *pacer
	interval    time.Duration
	poll        time.Duration
	timeout     time.Duration
	giveUp      time.Duration
	patience    time.Duration
	concurrency int
	once        bool

	// wake tells the dispatcher that the frontier changed.
	wake chan struct{}
	// ready tells the loop over the events that there are some.
	ready chan struct{}
	// save tells the saver that there is something to save at once.
	save chan struct{}
	// urgent are entries that were taken to be visited ahead of all others, and over is closed when no visit will be made any more.
	urgent chan *entry
	over   chan struct{}

	mu          sync.Mutex
	hold        holding
	frontier    *frontier
	feeds       feeds
	outbox      []batch
	accounts    accounts
	visits      map[Outcome]uint64
	failures    map[Failure]uint64
	quarantined map[Reason]uint64
	pushes      uint64
	crowded     uint64
	// mentioning chooses which neighbour is taken in first.
	mentioning uint64

	// What the store does not know yet: entries, the reports of some of them, and those that were forgotten.
	dirty   []*entry
	saving  int // of what was dirty or gone is on its way to the store
	reports map[xep.Name]*graph.Report
	gone    []xep.Name
	saveErr error
	// restored tells that what the store had has been told.
	restored bool
}

// batch is the events of one visit, which waits until they are delivered.
type batch struct {
	events    []Event
	delivered chan struct{}
}

// tell queues events in the order of the calls. The caller holds the lock.
// The queue is bounded because whoever tells waits until the batch is delivered, and so are the visits at a time.
func (r *run) tell(events []Event) <-chan struct{} {
	b := batch{events: events, delivered: make(chan struct{})}
	r.outbox = append(r.outbox, b)
	poke(r.ready)
	return b.delivered
}

// deliver yields events until the dispatcher is done, ctx ends, or yield has had enough.
func (r *run) deliver(ctx context.Context, done <-chan struct{}, yield func(Event) bool) {
	for {
		r.mu.Lock()
		batches := r.outbox
		r.outbox = nil
		r.mu.Unlock()
		for _, b := range batches {
			for _, ev := range b.events {
				if ctx.Err() != nil || !yield(ev) {
					return
				}
			}
			close(b.delivered)
		}
		select {
		case <-r.ready:
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// work does everything that a run does in the background, and returns once all of it has ended.
func (r *run) work(ctx context.Context) error {
	defer close(r.over)
	if err := r.restore(ctx); err != nil {
		return err
	}
	var others sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	if r.sub != nil {
		others.Go(func() { r.listen(ctx) })
	}
	if r.store != nil {
		others.Go(func() { r.keepSaving(ctx) })
	}
	if r.hold.share != nil {
		others.Go(func() { r.keepHolding(ctx) })
	}
	others.Go(func() { r.attendUrgent(ctx) })
	r.dispatch(ctx)
	cancel()
	others.Wait()
	r.farewell()
	err := r.lastSave()
	r.resign()
	return err
}

// dispatch starts a visit for every entry that is due, and returns after all of them.
func (r *run) dispatch(ctx context.Context) {
	var visits sync.WaitGroup
	defer visits.Wait()
	slots := make(chan struct{}, r.concurrency)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		e := r.next(ctx)
		if e == nil {
			return
		}
		visits.Go(func() {
			defer func() { <-slots }()
			r.visit(ctx, e)
		})
	}
}

// next waits for an entry to be due, and returns nil at the end.
func (r *run) next(ctx context.Context) *entry {
	for ctx.Err() == nil {
		var e *entry
		wait := time.Duration(-1)
		r.mu.Lock()
		if now := r.clock.Now(); len(r.dirty) < maxUnsaved && !r.idleTenure(now) {
			e, wait = r.frontier.take(now)
		}
		if e != nil {
			r.hold.flying[e] = struct{}{}
		}
		idle := r.once && r.frontier.idle()
		r.mu.Unlock()
		if e != nil {
			return e
		}
		if idle {
			return nil
		}
		r.sleep(ctx, wait)
	}
	return nil
}

// sleep waits for d, or without end where d is negative, unless the frontier changes earlier.
func (r *run) sleep(ctx context.Context, d time.Duration) {
	var after <-chan time.Time
	if d >= 0 {
		c, stop := r.clock.After(d)
		defer stop()
		after = c
	}
	select {
	case <-after:
	case <-r.wake:
	case <-ctx.Done():
	}
}

// call is one visit of an entry.
type call struct {
	*teller
	// known is where the domain publishes, where a live subscription makes it needless to look closer.
	known *pubsub.Location
	// watch hears of every step.
	watch *watch
	// heard is the entry's when the visit began.
	heard uint32
	// learned tells that the run knows already what the domain's own answer says.
	learned bool
}

// visit reads a domain, has the events delivered, and puts the domain back.
// That order keeps a domain's next visit behind the events of its last one.
func (r *run) visit(ctx context.Context, e *entry) {
	c := r.begin(e)
	after := func() { r.putBack(e, min(r.interval, time.Minute)) }
	var delivered <-chan struct{}
	var res *Result
	switch {
	case c == nil:
		r.change(func() {
			r.account(e, nil)
			r.land(e)
		})
		return
	case r.excluded(e.name):
		r.change(func() { after, delivered = r.expel(c) })
	default:
		res = r.read(r.underLease(ctx), c)
		r.change(func() {
			if res != nil {
				after = r.conclude(c, res)
			}
			delivered = r.tell(c.events)
		})
	}
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	var a Account
	told := false
	r.change(func() {
		a, told = r.account(e, res)
		if r.land(e) {
			after()
		}
	})
	if told && r.onVisit != nil {
		r.onVisit(e.name, a)
	}
	r.quit(ctx)
}

// begin makes a visit, and returns nil where another crawler may have the domain by now.
func (r *run) begin(e *entry) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.lost {
		return nil
	}
	now := r.clock.Now()
	e.visitedAt = now
	if e.again.Before(now.Add(LookAgain)) {
		// What was asked for while the visit waited for its turn is this one, also by a clock that is ahead.
		e.again = time.Time{}
	}
	if e.watch == nil {
		// Whoever comes while the visit is under way wants to see it from its beginning.
		e.watch = new(watch)
	}
	c := &call{teller: &teller{at: now, entry: e}, heard: e.heard, watch: e.watch}
	if f := e.feed; f != nil && f.live && now.Before(e.polled.Add(r.poll)) {
		c.known = &pubsub.Location{Domain: e.name, Default: e.byDefault, Service: f.service, Node: f.node}
	}
	return c
}

// read visits a domain, and returns nil where that says nothing about the domain.
func (r *run) read(ctx context.Context, c *call) *Result {
	vctx, cancel := context.WithTimeout(withTurn(ctx, c.entry.name.String()), r.timeout)
	defer cancel()
	v := &Visitor{
		Session: r.session,
		Consent: r.consent,
		Self:    r.own,
		Now:     r.clock.Now,
		OnStep:  c.watch.step,
		known:   c.known,
		attend:  func(res *Result) (bool, error) { return r.attend(vctx, c, res) },
	}
	res := v.Visit(vctx, c.entry.name)
	if ctx.Err() != nil || notTheirFault(res.Err) {
		return nil
	}
	return res
}

// change changes the frontier and tells the dispatcher.
func (r *run) change(f func()) {
	r.mu.Lock()
	f()
	r.mu.Unlock()
	poke(r.wake)
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// notTheirFault tells whether a visit failed on our side, so that it says nothing about the domain.
func notTheirFault(err error) bool {
	return errors.Is(err, roundtrip.ErrDisconnected) || errors.Is(err, errBusy)
}

func (r *run) excluded(n xep.Name) bool {
	return r.self[n] || r.exclude != nil && r.exclude(n)
}

func (r *run) submit(name xep.Name) error {
	if r.excluded(name) {
		return ErrExcluded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer poke(r.wake)
	now := r.clock.Now()
	if !r.holds(name) {
		r.elsewhere(name, nil, now)
		return nil
	}
	e, isNew := r.invite(name, now)
	if e == nil {
		return errFull
	}
	e.mentioned = now
	r.touch(e)
	if !isNew {
		e.polled = time.Time{}
		r.frontier.hasten(e, now)
	}
	return nil
}

// teller collects the events of one visit.
type teller struct {
	at     time.Time
	entry  *entry
	res    *Result
	events []Event
}

func (t *teller) tell(ev Event) {
	ev.Domain, ev.At, ev.Until, ev.Visit = t.entry.name, t.at, t.entry.until, t.res
	t.events = append(t.events, ev)
}
