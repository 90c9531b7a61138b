package crawl

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

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
	self        map[xep.Name]bool
	clock       Clock
	pacer       *pacer
	interval    time.Duration
	timeout     time.Duration
	giveUp      time.Duration
	concurrency int
	once        bool

	// wake tells the dispatcher that the frontier changed.
	wake chan struct{}

	mu       sync.Mutex
	frontier *frontier
	visits   map[Outcome]uint64
	outbox   []batch

	// ready tells the loop over the events that there are some.
	ready chan struct{}
}

// batch is the events of one visit, which waits until they are delivered.
type batch struct {
	events    []Event
	delivered chan struct{}
}

// tell queues events in the order of the calls.
// The queue is bounded because a visit waits for its batch, and so are the visits at a time.
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
		r.mu.Lock()
		e, wait := r.frontier.take(r.clock.Now())
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

// visit reads a domain, has the events delivered, and puts the domain back.
// That order keeps a domain's next visit behind the events of its last one.
func (r *run) visit(ctx context.Context, e *entry) {
	res := r.read(ctx, e)
	after := func() { r.frontier.put(e, r.clock.Now(), min(r.interval, time.Minute)) }
	if res != nil {
		var delivered <-chan struct{}
		r.change(func() { after, delivered = r.conclude(e, res) })
		select {
		case <-delivered:
		case <-ctx.Done():
		}
	}
	r.change(after)
}

// read visits a domain, and returns nil where that says nothing about the domain.
func (r *run) read(ctx context.Context, e *entry) *Result {
	vctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	v := &Visitor{
		Session: r.pacer.paced(r.session),
		Consent: r.consent,
		Self:    func(n xep.Name) bool { return r.self[n] },
		Now:     r.clock.Now,
	}
	res := v.Visit(vctx, e.name)
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

// conclude learns from a visit and queues what there is to tell, all under one lock:
// the order of events is thereby the order of what was known, and a lost consent can't be undone by an older report.
func (r *run) conclude(e *entry, res *Result) (after func(), delivered <-chan struct{}) {
	r.visits[res.Outcome]++
	now := r.clock.Now()
	t := &teller{at: now, entry: e, res: res}
	r.learn(e, res, now, t)
	r.report(e, res, now, t)
	after = r.fate(e, res, now, t)
	return after, r.tell(t.events)
}

// learn updates what is known of the domain itself.
func (r *run) learn(e *entry, res *Result, now time.Time, t *teller) {
	before := e.until
	e.until = time.Time{}
	if res.Verdict.Named(now) {
		e.until = res.Verdict.Until()
	}
	switch {
	case e.until.After(before):
		t.tell(Event{Kind: ConsentGiven})
	case e.until.IsZero() && !before.IsZero():
		e.reported = false
		t.tell(Event{Kind: ConsentLost})
	}
	if res.Outcome == OutcomeUnreachable {
		e.failures++
		return
	}
	e.failures, e.answered, e.visited = 0, now, true
	e.advertised = res.Location.Advertised
	e.service, e.node = res.Location.Service, res.Location.Node
}

// report takes in what the domain says.
func (r *run) report(e *entry, res *Result, now time.Time, t *teller) {
	switch {
	case res.Outcome == OutcomeReport:
		for i, p := range res.Report.Peers {
			res.Report.Peers[i].Until = r.until(p.Name)
		}
		kind := ReportAccepted
		hash := sha256.Sum256(res.Item.Raw)
		if e.reported && e.hash == hash {
			kind = ReportUnchanged
		}
		e.reported, e.hash = true, hash
		t.tell(Event{Kind: kind, Report: res.Report})
	case res.Outcome == OutcomeSilent && e.reported && withdrawn(res.Err):
		e.reported = false
		t.tell(Event{Kind: ReportWithdrawn, Report: &graph.Report{Domain: e.name, At: now, Until: e.until}})
	case res.Err != nil && res.Outcome != OutcomeUnnamed && !withdrawn(res.Err):
		t.tell(Event{Kind: VisitFailed, Err: res.Err})
	}
	for _, n := range res.Neighbours {
		r.mention(n, now)
	}
	if bad := r.judge(res); len(bad) > 0 {
		t.tell(Event{Kind: ReportQuarantined, Quarantined: bad})
	}
}

// withdrawn tells whether the answer says that there is no report, rather than that none could be had.
func withdrawn(err error) bool {
	return errors.Is(err, pubsub.ErrNoItem) || errors.Is(err, stanza.Error{Condition: stanza.ItemNotFound})
}

// mention puts a neighbour on the frontier.
func (r *run) mention(n xep.Name, now time.Time) {
	if r.excluded(n) {
		return
	}
	if e, _ := r.frontier.add(n, now); e != nil {
		e.mentioned = now
	}
}

// judge decides on claims about other domains, as far as their own visits have told.
// A claim about a domain whose own disco names this very node is no news: its own visit takes it in.
func (r *run) judge(res *Result) []Quarantined {
	var bad []Quarantined
	for _, q := range res.Quarantined {
		other, known := r.frontier.entries[q.Domain]
		switch {
		case q.Reason != ReasonUnverified:
		case r.excluded(q.Domain):
			q.Reason = ReasonExcluded
		case !known || !other.visited:
		case !other.advertised:
			q.Reason = ReasonNotAdvertised
		case !sameNode(other.service, other.node, res.Location.Service, res.Location.Node):
			q.Reason = ReasonElsewhere
		default:
			continue
		}
		bad = append(bad, q)
	}
	return bad
}

// fate decides whether and when the domain is visited again; the returned function sees to it.
func (r *run) fate(e *entry, res *Result, now time.Time, t *teller) func() {
	last := e.added
	if e.answered.After(last) {
		last = e.answered
	}
	drop := func() { r.frontier.drop(e) }
	switch {
	case r.once:
		return r.frontier.finish
	case e.seed:
	case e.failures > 0 && now.Sub(last) >= r.giveUp:
		t.tell(Event{Kind: DomainGone, Err: res.Err})
		return drop
	case e.until.IsZero() && now.Sub(e.mentioned) > r.giveUp:
		// Nobody names it any more and it does not ask to be named: there is no reason to ask it.
		return drop
	}
	return func() { r.frontier.put(e, r.clock.Now(), r.pause(e, res.Err)) }
}

// pause is the most time until the next visit: the interval, doubled with every failure, and again for a host that asks for patience.
func (r *run) pause(e *entry, err error) time.Duration {
	d := r.interval
	for n := 1; n < e.failures && d < maxBackoff; n++ {
		d *= 2
	}
	var se stanza.Error
	if errors.As(err, &se) && (se.Type == stanza.Wait || se.Condition == stanza.PolicyViolation) {
		d *= 2
	}
	return max(r.interval, min(d, maxBackoff))
}

// until is when the verdict of a peer ends, zero if it has none.
func (r *run) until(n xep.Name) time.Time {
	if e, ok := r.frontier.entries[n]; ok && !r.excluded(n) {
		return e.until
	}
	return time.Time{}
}

func (r *run) excluded(n xep.Name) bool {
	return r.self[n] || r.exclude != nil && r.exclude(n)
}

func (r *run) submit(name xep.Name) error {
	if r.excluded(name) {
		return errExcluded
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer poke(r.wake)
	now := r.clock.Now()
	e, isNew := r.frontier.add(name, now)
	if e == nil {
		return errFull
	}
	e.mentioned = now
	if !isNew {
		r.frontier.hasten(e, now)
	}
	return nil
}

func (r *run) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Known: len(r.frontier.entries), InFlight: r.frontier.inFlight, Visits: make(map[Outcome]uint64)}
	now := r.clock.Now()
	for _, e := range r.frontier.queue {
		if !e.due.After(now) {
			s.Due++
		}
	}
	for o, n := range r.visits {
		s.Visits[o] = n
	}
	return s
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
