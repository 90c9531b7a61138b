package crawl

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// keepHolding renews the leases until ctx ends, takes what it gets and gives away what others lack.
func (r *run) keepHolding(ctx context.Context) {
	for ctx.Err() == nil {
		if more := r.renew(ctx); more {
			continue
		}
		pause := r.hold.lease / renewals
		if left := r.leaseLeft(); left > 0 {
			pause = min(pause, left)
		}
		// Every save of every other crawler is a reason to wake, and holdings are handed out one at a time.
		gather := min(pause, saveSharedEvery)
		r.rest(ctx, gather, nil)
		r.rest(ctx, pause-gather, r.hold.share.Wake())
	}
}

// rest waits for d, or less if there is a reason to wake.
func (r *run) rest(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	c, stop := r.clock.After(d)
	defer stop()
	select {
	case <-c:
	case <-wake:
	case <-ctx.Done():
	}
}

func (r *run) leaseLeft() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hold.until.Sub(r.clock.Now())
}

// renew asks for the leases, and ends all visits where their time is over.
// It tells whether there is more to load than there was time for.
func (r *run) renew(ctx context.Context) (more bool) {
	patience := r.hold.lease / renewals
	if left := r.leaseLeft(); left > 0 {
		patience = min(patience, left)
	}
	asked := r.clock.Now()
	hctx, cancel := r.within(ctx, patience)
	// Whoever takes over looks only once in a renewal: so long before its time the lease ends in the database.
	got, err := r.hold.share.Hold(hctx, r.hold.lease-r.hold.lease/renewals)
	cancel()
	if err != nil {
		r.change(func() { r.saveErr = err })
		if r.leaseLeft() <= 0 {
			r.letGo(nil)
		}
		return false
	}
	unused, more := r.adopt(ctx, got, asked)
	r.depart(ctx, unused)
	return more
}

// within returns a context that ends after d by the run's clock.
func (r *run) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	c, stop := r.clock.After(d)
	go func() {
		defer stop()
		select {
		case <-c:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// adopt takes in what is held now: it lets go of what was lost and loads what is new.
// It returns the parts that are to be released and were never loaded, such as those of a holding of which only the answer was lost,
// and tells whether there is more to load.
func (r *run) adopt(ctx context.Context, got Holding, asked time.Time) (unused []int, more bool) {
	r.hold.granted = got.Parts
	now := make(map[int]bool, len(got.Parts))
	for _, p := range got.Parts {
		now[p] = true
	}
	r.mu.Lock()
	lost := make(map[int]bool)
	for p := range r.hold.parts {
		if !now[p] {
			lost[p] = true
		}
	}
	r.mu.Unlock()
	if len(lost) > 0 {
		r.letGo(lost)
	}
	r.pacer.divide(got.Crawlers)
	r.mu.Lock()
	r.saveErr = nil
	// A question that is on its way when the visits end needs a moment to arrive.
	r.hold.until = asked.Add(r.hold.lease - 2*r.hold.lease/renewals)
	if r.hold.end == nil {
		r.hold.tenure, r.hold.end = context.WithCancel(ctx)
	}
	busy := r.busy()
	for _, p := range got.Excess {
		if _, held := r.hold.parts[p]; held {
			r.hold.parts[p] = true
		} else if !busy[p] {
			unused = append(unused, p)
		}
	}
	gained := r.gained(got, busy)
	r.mu.Unlock()
	more = r.takeIn(ctx, gained)
	for _, rec := range got.News {
		r.hasten(rec)
	}
	r.change(func() {})
	return unused, more
}

// busy are the parts in which a visit has not ended. The caller holds the lock.
func (r *run) busy() map[int]bool {
	busy := make(map[int]bool)
	for e := range r.hold.flying {
		busy[r.hold.share.Part(e.name)] = true
	}
	return busy
}

// gained are the parts that are held and not yet loaded. One in which an old visit still ends has to wait. The caller holds the lock.
func (r *run) gained(got Holding, busy map[int]bool) (parts []int) {
	excess := make(map[int]bool)
	for _, p := range got.Excess {
		excess[p] = true
	}
	for _, p := range got.Parts {
		if _, held := r.hold.parts[p]; !held && !busy[p] && !excess[p] {
			parts = append(parts, p)
		}
	}
	return parts
}

// takeIn puts the domains of new parts on the frontier, and tells whether some are left for the next time:
// a million domains take longer to load than a lease may wait for its renewal.
func (r *run) takeIn(ctx context.Context, gained []int) (more bool) {
	began := r.clock.Now()
	for parts := range slices.Chunk(gained, loadAtATime) {
		if r.clock.Now().Sub(began) >= r.hold.lease/renewals {
			return true
		}
		if err := r.load(ctx, parts); err != nil {
			// They are still to be gained next time.
			r.change(func() { r.saveErr = err })
			return false
		}
	}
	return false
}

// load puts the domains of some parts on the frontier.
func (r *run) load(ctx context.Context, parts []int) error {
	ctx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	var all []Record
	for rec, err := range r.hold.share.LoadParts(ctx, parts...) {
		if err != nil {
			return err
		}
		all = append(all, rec)
	}
	// All at once: whoever is mentioned in a part that is held and is not known there counts as new, and is visited at once.
	r.change(func() {
		for _, rec := range all {
			r.receive(nil, rec)
		}
		for _, p := range parts {
			r.hold.parts[p] = false
		}
	})
	return nil
}

// hasten takes in that somebody else made a domain known or due.
func (r *run) hasten(rec Record) {
	r.mu.Lock()
	held := r.holds(rec.Domain)
	e, known := r.frontier.entries[rec.Domain]
	// A visit since, or less than a minute before, answers the call, whichever of the two came to be known here first:
	// the clock that the call has its time from may be another one.
	if held && known && rec.Due.Before(e.due) && e.visitedAt.Before(rec.Due.Add(-LookAgain)) {
		e.polled = time.Time{}
		r.frontier.hasten(e, rec.Due)
	}
	r.mu.Unlock()
	if held && !known {
		r.admit(nil, rec)
	}
}

// letGo forgets the domains of parts that are not held any more, nil for all, and ends their visits.
func (r *run) letGo(parts map[int]bool) {
	r.change(func() {
		if r.hold.end != nil {
			// A few visits of other parts end too, and are made again.
			r.hold.end()
			r.hold.tenure, r.hold.end = nil, nil
		}
		r.abandon(func(p int) bool { return parts == nil || parts[p] })
	})
}

// abandon forgets the domains of some parts. The caller holds the lock.
func (r *run) abandon(these func(part int) bool) {
	for _, e := range r.frontier.entries {
		if !these(r.hold.share.Part(e.name)) {
			continue
		}
		if _, flies := r.hold.flying[e]; flies || e.place == placeFlight {
			e.lost = true
		}
		r.remember(e)
		r.feeds.leave(e)
		r.frontier.remove(e)
	}
	for p := range r.hold.parts {
		if these(p) {
			delete(r.hold.parts, p)
		}
	}
}

// remember notes that a domain was asked, where the store does not know: should it come back, it is not asked again at once.
// What it said is lost. The caller holds the lock.
func (r *run) remember(e *entry) {
	if !e.dirty && !e.saving && !e.lost || e.visitedAt.IsZero() {
		return
	}
	if len(r.hold.rested) >= maxUnsaved {
		now := r.clock.Now()
		maps.DeleteFunc(r.hold.rested, func(_ xep.Name, at time.Time) bool { return !at.After(now) })
	}
	if len(r.hold.rested) < 2*maxUnsaved {
		r.hold.rested[e.name] = e.visitedAt.Add(r.interval - r.interval/jitterShare)
	}
}

// restUntil returns when a stored domain is to be visited, given when its record says so. The caller holds the lock.
func (r *run) restUntil(e *entry, due time.Time) time.Time {
	at, asked := r.hold.rested[e.name]
	delete(r.hold.rested, e.name)
	if !e.until.IsZero() && at.After(e.until) {
		at = e.until
	}
	if asked && at.After(due) {
		return at
	}
	return due
}

// depart releases the parts that others lack, once their last visit has ended and was saved, and those that were never used at once.
func (r *run) depart(ctx context.Context, unused []int) {
	ready := make(map[int]bool)
	r.change(func() {
		for p, away := range r.hold.parts {
			if away {
				ready[p] = true
			}
		}
		if len(ready) == 0 {
			return
		}
		for _, e := range r.frontier.entries {
			p := r.hold.share.Part(e.name)
			switch {
			case !r.hold.parts[p]:
			case e.place == placeFlight:
				delete(ready, p)
			default:
				r.frontier.park(e)
			}
		}
	})
	if len(ready) > 0 && r.saveNow(ctx) != nil {
		clear(ready)
	}
	r.change(func() {
		for _, e := range r.frontier.entries {
			// It may be on its way to the store with a save that began before: who takes the part over must not load it without.
			if e.dirty || e.saving {
				delete(ready, r.hold.share.Part(e.name))
			}
		}
		r.abandon(func(p int) bool { return ready[p] })
	})
	if len(ready)+len(unused) == 0 {
		return
	}
	r.quit(ctx)
	ctx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	// If that fails, the parts come back with the next holding, or end with their leases.
	_ = r.hold.share.Release(ctx, append(keys(ready), unused...)...)
}

func keys(m map[int]bool) (all []int) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// resign releases everything at the end of a run, what was granted and could not be loaded any more among it.
func (r *run) resign() {
	if r.hold.share == nil || len(r.hold.granted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSaveTime)
	defer cancel()
	// If that fails, the leases end by themselves.
	_ = r.hold.share.Release(ctx, r.hold.granted...)
}
