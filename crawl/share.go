package crawl

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// DefaultLease is how long a crawler that has died keeps its domains from the others.
	DefaultLease = time.Minute
	// renewals is how often a lease is renewed in its time.
	renewals = 6
	// saveSharedEvery is how long changes wait where others want to know of them.
	saveSharedEvery = time.Second
	// shareTime bounds each call that changes or reads the shared store: a network that swallows everything gives no error for minutes.
	shareTime = 30 * time.Second
	// loadAtATime is how many parts are loaded between two looks at the clock.
	loadAtATime = 16
	// mentionAgain is the least time between two notes that a domain of another crawler was mentioned.
	mentionAgain = 30 * time.Minute
)

// ErrElsewhere is a domain that another crawler holds.
var ErrElsewhere = errors.New("crawl: another crawler visits the domain")

var errSharedOnce = errors.New("crawl: a crawler that shares its domains has no store of its own and no single round")

// Share divides the domains of one store between crawlers. Each crawler has a value of its own.
//
// The domains fall into parts. A part is held by at most one crawler at a time, by a lease that ends by itself,
// so that the parts of a crawler that has died are taken over.
// A crawler that can't renew its leases ends its visits before the leases end: by its own clock it counts from before it asked.
//
// Hold, Release and LoadParts are called from one goroutine, SaveHeld from another one.
// Package crawl/storetest tests any implementation.
type Share interface {
	// Part returns the part that a domain falls into, which never changes and is the same for all crawlers.
	Part(domain xep.Name) int
	// Hold makes the leases of all that the crawler holds end no earlier than d from now,
	// takes parts that nobody holds up to a fair share, and says what is held then.
	// A lease that has ended lives again unless somebody else has taken the part since.
	Hold(ctx context.Context, d time.Duration) (Holding, error)
	// Release gives parts back before their leases end. Those that are not held are left alone.
	Release(ctx context.Context, parts ...int) error
	// LoadParts yields the records of the domains in parts, without their reports, in any order.
	// After an error it yields nothing more.
	LoadParts(ctx context.Context, parts ...int) iter.Seq2[Record, error]
	// SaveHeld saves a batch as a [Store] does, and makes mentioned domains known, due at once where they are new; all of it or nothing.
	// What is about domains in parts that the crawler does not hold is left out, and their names are returned.
	SaveHeld(ctx context.Context, b Batch, mentioned []xep.Name) (lost []xep.Name, err error)
	// Wake returns a channel that delivers when it is worth while to call Hold before its time. It may be nil.
	Wake() <-chan struct{}
}

// Holding is what a crawler holds.
type Holding struct {
	// Parts are all parts that are held, in any order.
	Parts []int
	// Excess are those of them that are to be released, because others have less than their share.
	Excess []int
	// News are records of held parts that others have added or made due since the last call. It may repeat some.
	News []Record
}

// holding is what a run holds of a share. The run's lock protects it.
type holding struct {
	share Share // nil where nothing is shared
	lease time.Duration
	// parts are held, and those that are true are about to be released.
	parts map[int]bool
	// until is when the run must not visit any more, by its own clock.
	until time.Time
	// tenure ends when the leases are lost; end ends it.
	tenure context.Context
	end    context.CancelFunc
	flying map[*entry]struct{}
	// mentioned are domains of others that the store does not know of yet, told those it was told of lately.
	mentioned map[xep.Name]struct{}
	told      map[xep.Name]time.Time
	// sites counts what was mentioned of each site lately, and sweep is how large it may grow before what is past is thrown away.
	sites map[string]*mentions
	sweep int
	seeds map[xep.Name]bool
}

// mentions are how many domains of one site were mentioned since then.
type mentions struct {
	since time.Time
	count int
}

func (h *holding) init(c *Crawler) {
	h.share, h.lease = c.Share, or(c.Lease, DefaultLease)
	h.parts, h.flying = make(map[int]bool), make(map[*entry]struct{})
	h.mentioned, h.told, h.seeds = make(map[xep.Name]struct{}), make(map[xep.Name]time.Time), make(map[xep.Name]bool)
	h.sites, h.sweep = make(map[string]*mentions), maxUnsaved
}

// holds tells whether the run may visit a domain. The caller holds the lock.
func (r *run) holds(n xep.Name) bool {
	if r.hold.share == nil {
		return true
	}
	away, held := r.hold.parts[r.hold.share.Part(n)]
	return held && !away && r.clock.Now().Before(r.hold.until)
}

// departing tells whether a domain is about to be released. The caller holds the lock.
func (r *run) departing(n xep.Name) bool {
	return r.hold.share != nil && r.hold.parts[r.hold.share.Part(n)]
}

// idleTenure tells that no visit may begin for lack of leases. The caller holds the lock.
//
// Nor does one begin while the database is out of reach: whoever takes over would have to make it again.
func (r *run) idleTenure(now time.Time) bool {
	return r.hold.share != nil && (r.saveErr != nil || !now.Before(r.hold.until))
}

// underLease returns a context that also ends when the leases are lost.
func (r *run) underLease(ctx context.Context) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hold.tenure != nil {
		return r.hold.tenure
	}
	return ctx
}

// elsewhere notes that a report named a domain of another crawler. The caller holds the lock.
func (r *run) elsewhere(n xep.Name, now time.Time) {
	h := &r.hold
	if _, waits := h.mentioned[n]; waits || now.Before(h.told[n].Add(mentionAgain)) || len(h.mentioned) >= maxUnsaved {
		return
	}
	if site := siteOf(n); r.frontier.perSite >= 0 && !h.spend(site, now, r.frontier.roomOf(site)) {
		r.crowded++
		return
	}
	h.mentioned[n] = struct{}{}
}

// spend tells whether one more domain of a site may be mentioned.
// The store makes a row of each that is new, so that no more may come at a time than whoever holds them has room for.
func (h *holding) spend(site string, now time.Time, most int) bool {
	m := h.sites[site]
	if m == nil || !now.Before(m.since.Add(mentionAgain)) {
		if len(h.sites) > h.sweep {
			maps.DeleteFunc(h.sites, func(_ string, m *mentions) bool { return !now.Before(m.since.Add(mentionAgain)) })
			h.sweep = max(maxUnsaved, 2*len(h.sites))
		}
		m = &mentions{since: now}
		h.sites[site] = m
	}
	m.count++
	return m.count <= most
}

// mentions tells whether there are domains of others to save.
func (r *run) mentions() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.hold.mentioned) > 0
}

// saveEvery is how long changes wait to be saved together.
func (r *run) saveEvery() time.Duration {
	if r.hold.share != nil {
		return saveSharedEvery
	}
	return saveEvery
}

// land ends a flight and tells whether the domain is still ours to decide on. The caller holds the lock.
func (r *run) land(e *entry) bool {
	delete(r.hold.flying, e)
	if e.lost {
		r.frontier.land(e)
	}
	return !e.lost
}

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
	got, err := r.hold.share.Hold(hctx, r.hold.lease)
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
	r.mu.Lock()
	r.saveErr = nil
	// A question that is on its way when the visits end needs a moment to arrive.
	r.hold.until = asked.Add(r.hold.lease - r.hold.lease/renewals)
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
	r.change(func() {
		for _, p := range parts {
			r.hold.parts[p] = false
		}
	})
	for _, rec := range all {
		r.admit(rec)
	}
	r.change(func() {})
	return nil
}

// hasten takes in that somebody else made a domain known or due.
func (r *run) hasten(rec Record) {
	r.mu.Lock()
	held := r.holds(rec.Domain)
	e, known := r.frontier.entries[rec.Domain]
	if held && known && rec.Due.Before(e.due) {
		e.polled = time.Time{}
		r.frontier.hasten(e, rec.Due)
	}
	r.mu.Unlock()
	if held && !known {
		r.admit(rec)
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
		r.feeds.leave(e)
		r.frontier.remove(e)
	}
	for p := range r.hold.parts {
		if these(p) {
			delete(r.hold.parts, p)
		}
	}
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
	if len(ready)+len(unused) == 0 {
		return
	}
	r.change(func() { r.abandon(func(p int) bool { return ready[p] }) })
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

// resign releases everything at the end of a run.
func (r *run) resign() {
	if r.hold.share == nil || len(r.hold.parts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSaveTime)
	defer cancel()
	// If that fails, the leases end by themselves.
	_ = r.hold.share.Release(ctx, keys(r.hold.parts)...)
}

// sharedStore is the [Store] of a run that shares its domains.
type sharedStore struct{ run *run }

// Load implements [Store]: what is held is not known yet.
func (s sharedStore) Load(context.Context) iter.Seq2[Record, error] {
	return func(func(Record, error) bool) {}
}

// Save implements [Store].
func (s sharedStore) Save(ctx context.Context, b Batch) error {
	r := s.run
	names := r.takeMentioned()
	ctx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	// That parts were lost is what the next holding says, too.
	_, err := r.hold.share.SaveHeld(ctx, b, names)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		for _, n := range names {
			r.hold.mentioned[n] = struct{}{}
		}
		return err
	}
	now := r.clock.Now()
	if len(r.hold.told) > 2*maxUnsaved {
		clear(r.hold.told)
	}
	for _, n := range names {
		r.hold.told[n] = now
	}
	return nil
}

func (r *run) takeMentioned() (names []xep.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := range r.hold.mentioned {
		names = append(names, n)
	}
	clear(r.hold.mentioned)
	return names
}
