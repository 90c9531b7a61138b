package crawl

import (
	"context"
	"fmt"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// saveEvery is how long changes wait to be saved together. What a crash loses is at most that.
	saveEvery = 5 * time.Second
	// saveAtOnce is the number of changes that don't wait so long.
	saveAtOnce = 1000
	// maxUnsaved is the number of changes at which no visit begins before the store has caught up.
	maxUnsaved = 10_000
	// lastSaveTime bounds the last save of a run.
	lastSaveTime = 30 * time.Second
	// restoreBatch is how many records are told of at a time.
	restoreBatch = 256
)

// touch notes that the store does not know the latest of an entry. The caller holds the lock.
func (r *run) touch(e *entry) {
	if r.store == nil || e.dirty {
		return
	}
	e.dirty = true
	r.dirty = append(r.dirty, e)
	if len(r.dirty) == saveAtOnce {
		poke(r.save)
	}
}

// keep notes that the store does not know a report. The caller holds the lock.
func (r *run) keep(e *entry, report *graph.Report) {
	if r.store != nil {
		r.reports[e.name] = report
	}
}

// forget notes that the store may forget an entry. The caller holds the lock.
func (r *run) forget(e *entry) {
	if r.store != nil {
		delete(r.reports, e.name)
		r.gone = append(r.gone, e.name)
	}
}

// keepSaving saves now and then until ctx ends.
func (r *run) keepSaving(ctx context.Context) {
	for ctx.Err() == nil {
		c, stop := r.clock.After(r.saveEvery())
		select {
		case <-c:
		case <-r.save:
		case <-ctx.Done():
		}
		stop()
		// A failure is in the stats, and the next attempt has the same changes again.
		_ = r.saveNow(ctx)
	}
}

// lastSave saves what is left at the end of a run.
func (r *run) lastSave() error {
	if r.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSaveTime)
	defer cancel()
	if err := r.saveNow(ctx); err != nil {
		return fmt.Errorf("crawl: save: %w", err)
	}
	return nil
}

func (r *run) saveNow(ctx context.Context) error {
	b, end := r.unsaved()
	if len(b.Records)+len(b.Gone) == 0 && !r.mentions() {
		end(nil)
		return nil
	}
	err := r.store.Save(ctx, b)
	end(err)
	r.change(func() { r.saveErr = err })
	return err
}

// unsaved takes the changes. After an error, end puts them back where something newer has not replaced them.
func (r *run) unsaved() (b Batch, end func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dirty, reports, gone := r.dirty, r.reports, r.gone
	r.dirty, r.reports, r.gone = nil, make(map[xep.Name]*graph.Report), nil
	saving := len(dirty) + len(gone)
	r.saving += saving
	for _, e := range dirty {
		e.dirty, e.saving = false, true
		if r.frontier.entries[e.name] == e {
			b.Records = append(b.Records, record(e, reports[e.name]))
		}
	}
	for _, n := range gone {
		if _, again := r.frontier.entries[n]; !again {
			b.Gone = append(b.Gone, n)
		}
	}
	return b, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.saving -= saving
		for _, e := range dirty {
			e.saving = false
		}
		if err != nil {
			r.unsave(dirty, reports, gone)
		}
	}
}

// unsave puts changes back. The caller holds the lock.
func (r *run) unsave(dirty []*entry, reports map[xep.Name]*graph.Report, gone []xep.Name) {
	for _, e := range dirty {
		r.touch(e)
	}
	for name, report := range reports {
		if _, newer := r.reports[name]; !newer {
			r.reports[name] = report
		}
	}
	r.gone = append(r.gone, gone...)
}

func record(e *entry, report *graph.Report) Record {
	rec := Record{
		Domain: e.name, Due: e.due, Added: e.added, Answered: e.answered, Mentioned: e.mentioned,
		Failures: e.failures, GivenUp: e.gone, Advertised: e.advertised, Until: e.until, Default: e.byDefault,
	}
	if f := e.feed; f != nil {
		rec.Node = xep.NodeURI{Service: f.service, Node: f.node}
		rec.Subscribed = f.held
	}
	if e.stands() {
		rec.Reported, rec.Hash, rec.Report = e.reported, e.hash, report
	}
	return rec
}

// restore puts what the store has on the frontier and tells of it, before the first visit.
func (r *run) restore(ctx context.Context) error {
	if r.store != nil {
		if err := r.loadAll(ctx); err != nil || ctx.Err() != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.restored = true
	return nil
}

// loadAll is restore without the end. It fails with nothing when ctx ends, which was asked for.
func (r *run) loadAll(ctx context.Context) error {
	// While one batch is received, the next one is made; the memory of the one before is used again.
	events, before := make([]Event, 0, restoreBatch+2), make([]Event, 0, restoreBatch+2)
	told := r.tellAll(nil)
	for rec, err := range r.store.Load(ctx) {
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("crawl: load: %w", err)
		}
		if events = r.admit(events, rec); len(events) >= restoreBatch {
			if !await(ctx, told) {
				return nil
			}
			told = r.tellAll(events)
			clear(before)
			events, before = before[:0], events
		}
	}
	if await(ctx, told) {
		await(ctx, r.tellAll(events))
	}
	return nil
}

// tellAll is tell for a caller who does not hold the lock.
func (r *run) tellAll(events []Event) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tell(events)
}

// await returns whether done came before the end of ctx.
func await(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// admit makes an entry of a record, and appends events of what still stands.
func (r *run) admit(events []Event, rec Record) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.receive(events, rec)
}

// receive is admit for a caller who holds the lock.
func (r *run) receive(events []Event, rec Record) []Event {
	now := r.clock.Now()
	if r.excluded(rec.Domain) || !rec.Domain.Addressable() {
		r.gone = append(r.gone, rec.Domain)
		return lapse(events, rec, now)
	}
	e, known := r.frontier.entries[rec.Domain]
	if !known {
		if !r.settleIn(rec) {
			r.gone = append(r.gone, rec.Domain)
			return lapse(events, rec, now)
		}
		e = &entry{name: rec.Domain, due: now.Add(r.furthest())}
		if !r.frontier.insert(e) {
			return lapse(events, rec, now)
		}
	}
	e.added, e.answered, e.mentioned = rec.Added, rec.Answered, rec.Mentioned
	e.failures, e.gone, e.until = max(rec.Failures, 0), rec.GivenUp, r.restoredUntil(rec, now)
	e.seed = e.seed || r.hold.seeds[e.name]
	e.visited, e.advertised, e.byDefault = !rec.Answered.IsZero(), rec.Advertised, rec.Default
	r.frontier.rank(e)
	r.settle(e, rec, now)
	t := &teller{at: now, entry: e, events: events}
	if e.until.IsZero() {
		r.touch(e)
		return lapse(events, rec, now)
	}
	t.tell(Event{Kind: ConsentGiven})
	if r.hold.share != nil {
		// The report itself stays where it is.
		e.reported, e.hash = rec.Reported, rec.Hash
	} else if report := rec.Report; report != nil && !rec.Reported.IsZero() && report.Domain == e.name {
		e.reported, e.hash = rec.Reported, rec.Hash
		t.tell(Event{Kind: ReportUnchanged, Report: revive(report, e)})
	}
	return t.events
}

// lapse appends that a stored verdict does not stand, for those who have read the store, too, and believe it.
func lapse(events []Event, rec Record, now time.Time) []Event {
	if !rec.Until.After(now) {
		return events
	}
	return append(events, Event{Kind: ConsentLost, Domain: rec.Domain, At: now})
}

// settle decides when an entry that was stored is visited.
// Its due time stands, unless that is further ahead than any pause can be, which a clock that was wrong may have left behind.
func (r *run) settle(e *entry, rec Record, now time.Time) {
	at := r.restUntil(e, rec.Due)
	if most := now.Add(r.furthest()); at.After(most) {
		at = most
	}
	if rec.Node.Node != "" && !e.until.IsZero() {
		r.feeds.move(e, rec.Node.Service, rec.Node.Node)
		// What another crawler has subscribed to is not ours, and moves with the next visit.
		e.feed.held = e.feed.held || rec.Subscribed && r.hold.share == nil
		if soon := r.frontier.within(now, min(r.interval, reconnectSpread)); rec.Subscribed && soon.Before(at) {
			// What was published meanwhile was sent to nobody.
			at = soon
		}
	}
	r.frontier.hasten(e, at)
}

// furthest is the longest pause that there can be.
func (r *run) furthest() time.Duration { return max(r.interval, maxBackoff, r.giveUp) }

// restoredUntil is the end of a stored verdict, zero where it has ended or is none that could be made now:
// a clock that was set back or a life that was shortened prolongs nothing.
func (r *run) restoredUntil(rec Record, now time.Time) time.Time {
	life := r.consent.NamedTTL
	if life <= 0 {
		life = optin.DefaultNamedTTL
	}
	switch {
	case !rec.Until.After(now), rec.Answered.After(now), r.consent.Verdict(rec.Domain).Reason() == optin.Excluded:
		return time.Time{}
	case rec.Until.After(now.Add(life)):
		return now.Add(life)
	}
	return rec.Until
}

// revive brings a stored report up to date with the verdicts of now. Those of its peers come with events of their own.
func revive(report *graph.Report, e *entry) *graph.Report {
	report.At, report.Until = e.reported, e.until
	for i := range report.Peers {
		report.Peers[i].Until = time.Time{}
	}
	return report
}
