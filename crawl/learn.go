package crawl

import (
	"errors"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// conclude learns from a visit and decides when the next one is; all of it and the queueing of the events happen under one lock:
// the order of events is thereby the order of what was known, and a lost consent can't be undone by an older report.
func (r *run) conclude(c *call, res *Result) (after func()) {
	e, now := c.entry, r.clock.Now()
	c.at = now
	r.learn(c, res)
	unkept := errors.Is(res.Err, pubsub.ErrNotPersistent) && e.feed != nil && e.feed.live
	if unkept {
		res.Outcome, res.Err = OutcomeSubscribed, nil
	}
	r.visits[res.Outcome]++
	fetched := res.Outcome == OutcomeReport || res.Outcome == OutcomeSilent && withdrawn(res.Err)
	if fetched || unkept {
		e.polled = now
	}
	// An event that came while the visit was under way is newer than what it fetched.
	if !fetched || e.heard == c.heard {
		r.report(e, res, c.teller)
	}
	r.touch(e)
	return r.fate(e, res, c.teller)
}

// learn updates what is known of the domain itself, once for each visit.
func (r *run) learn(c *call, res *Result) {
	if c.learned {
		return
	}
	c.learned, c.res = true, res
	e, now := c.entry, r.clock.Now()
	before := e.until
	e.until = until(e, res, now)
	switch {
	case e.until.After(before):
		c.tell(Event{Kind: ConsentGiven})
	case e.until.IsZero() && !before.IsZero():
		e.reported = time.Time{}
		c.tell(Event{Kind: ConsentLost})
		poke(r.save)
	}
	if !res.Location.Answered {
		e.failures++
		if e.until.IsZero() {
			r.feeds.leave(e)
		}
		return
	}
	e.failures, e.gone, e.answered, e.visited = 0, false, now, true
	e.advertised, e.byDefault = res.Location.Advertised, res.Location.Default
	if e.until.IsZero() || res.Location.Node == "" {
		r.feeds.leave(e)
	} else {
		r.feeds.move(e, res.Location.Service, res.Location.Node)
	}
}

// until is when the domain's verdict ends after a visit.
// A checker that was made after the verdict, because the program was started again, can't know that a failure does not shorten it.
func until(e *entry, res *Result, now time.Time) time.Time {
	switch {
	case res.Verdict.Named(now):
		return res.Verdict.Until()
	case !res.Location.Answered && res.Verdict.Reason() != optin.Excluded && e.until.After(now):
		return e.until
	}
	return time.Time{}
}

// report takes in what the domain says, by a visit or an event.
func (r *run) report(e *entry, res *Result, t *teller) {
	switch {
	case res.Outcome == OutcomeReport:
		r.accept(e, res, t)
	case res.Outcome == OutcomeSilent && withdrawn(res.Err):
		r.withdraw(e, t.at, t)
	case res.Err != nil && res.Outcome != OutcomeUnnamed:
		r.failures[FailureOf(res.Err)]++
		t.tell(Event{Kind: VisitFailed, Err: res.Err})
	}
	// Another one begins each time, so that all names of a site without room get their turn.
	r.mentioning += 0x9e3779b9
	for i := range res.Neighbours {
		r.mention(res.Neighbours[(i+int(r.mentioning%uint64(len(res.Neighbours))))%len(res.Neighbours)], e.site, t.at)
	}
	if bad := r.judge(e, res); len(bad) > 0 {
		for _, q := range bad {
			r.quarantined[q.Reason]++
		}
		t.tell(Event{Kind: ReportQuarantined, Quarantined: bad})
	}
}

func (r *run) accept(e *entry, res *Result, t *teller) {
	for i, p := range res.Report.Peers {
		res.Report.Peers[i].Until = r.until(p.Name)
	}
	kind := ReportAccepted
	if e.stands() && e.hash == res.hash {
		kind = ReportUnchanged
	} else {
		r.keep(e, res.Report)
	}
	e.reported, e.hash = res.Report.At, res.hash
	r.touch(e)
	t.tell(Event{Kind: kind, Report: res.Report})
}

// withdraw takes in that there is no report any more.
func (r *run) withdraw(e *entry, now time.Time, t *teller) {
	if !e.stands() {
		return
	}
	e.reported = time.Time{}
	r.touch(e)
	t.tell(Event{Kind: ReportWithdrawn, Report: &graph.Report{Domain: e.name, At: now, Until: e.until}})
}

// withdrawn tells whether the answer says that there is no report, rather than that none could be had.
func withdrawn(err error) bool {
	return errors.Is(err, pubsub.ErrNoItem) || errors.Is(err, stanza.Error{Condition: stanza.ItemNotFound})
}

// mention puts a neighbour on the frontier that a report of a site names.
func (r *run) mention(n xep.Name, by *site, now time.Time) {
	if r.excluded(n) {
		return
	}
	if !r.holds(n) {
		r.elsewhere(n, by, now)
		return
	}
	if e, isNew := r.acquaint(n, by, now); e != nil {
		e.mentioned = now
		if isNew {
			r.touch(e)
		}
	}
}

// judge decides on claims about other domains, as far as their own visits have told.
// A claim about a domain whose own disco names this very node is no news: its own visit takes it in.
func (r *run) judge(e *entry, res *Result) []Quarantined {
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
		case other.feed == nil:
		case other.feed != e.feed:
			q.Reason = ReasonElsewhere
		default:
			continue
		}
		bad = append(bad, q)
	}
	return bad
}

// fate decides whether and when the domain is visited again; the returned function sees to it.
func (r *run) fate(e *entry, res *Result, t *teller) func() {
	now := t.at
	last := e.added
	if e.answered.After(last) {
		last = e.answered
	}
	silent := e.failures > 0 && now.Sub(last) >= r.giveUp
	forgotten := now.Sub(e.mentioned) > r.giveUp
	switch {
	case r.once:
		return func() { r.frontier.finish(e) }
	case e.seed:
	case silent:
		if !e.gone {
			e.gone = true
			t.tell(Event{Kind: DomainGone, Err: res.Err})
		}
		r.feeds.leave(e)
		if forgotten {
			return func() { r.drop(e) }
		}
		// Somebody still names it. To forget it would mean to begin anew with the next report.
		return func() { r.putBack(e, r.giveUp) }
	case e.until.IsZero() && forgotten:
		// Nobody names it any more and it does not ask to be named: there is no reason to ask it.
		return func() { r.drop(e) }
	}
	return func() { r.putBack(e, r.pause(e, res.Err)) }
}

func (r *run) putBack(e *entry, pause time.Duration) {
	r.frontier.put(e, r.clock.Now(), pause)
	if r.departing(e.name) {
		r.frontier.park(e)
	}
	r.touch(e)
}

// drop forgets a domain after its visit.
func (r *run) drop(e *entry) {
	r.feeds.leave(e)
	r.frontier.drop(e)
	r.forget(e)
}

// expel forgets a domain that was excluded since it became known, without asking it anything.
func (r *run) expel(c *call) (after func(), delivered <-chan struct{}) {
	e := c.entry
	if !e.until.IsZero() {
		e.until = time.Time{}
		c.tell(Event{Kind: ConsentLost})
	}
	return func() { r.drop(e) }, r.tell(c.events)
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
