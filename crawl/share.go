package crawl

import (
	"context"
	"errors"
	"iter"
	"maps"
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
// Hold, Release and LoadParts are called one at a time; SaveHeld may be called meanwhile, also twice at once.
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
	// Crawlers is how many crawlers are alive, this one among them, 0 where that is not known.
	// So many share the spacing between questions to a host that serves several domains.
	Crawlers int
	// News are records of held parts that others have added or made due since the last call. It may repeat some.
	News []Record
}

// holding is what a run holds of a share. The run's lock protects it.
type holding struct {
	share Share // nil where nothing is shared
	lease time.Duration
	// parts are held, and those that are true are about to be released.
	parts map[int]bool
	// granted are the parts of the last holding, loaded or not. Only the goroutine that asks for holdings looks at them, and the end of the run.
	granted []int
	// until is when the run must not visit any more, by its own clock.
	until time.Time
	// tenure ends when the leases are lost; end ends it.
	tenure context.Context
	end    context.CancelFunc
	flying map[*entry]struct{}
	// mentioned are domains of others that the store does not know of yet, told those it was told of lately.
	mentioned map[xep.Name]struct{}
	told      map[xep.Name]time.Time
	// sites counts what was mentioned of each site lately, and by each, and sweep is how large it may grow before what is past is thrown away.
	sites map[string]*mentions
	sweep int
	seeds map[xep.Name]bool
	// rested is when domains may be asked again that were asked when the leases ended, of which the store knows nothing.
	rested map[xep.Name]time.Time
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
	h.rested = make(map[xep.Name]time.Time)
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

// elsewhere notes that a report of a site, nil for none, named a domain of another crawler. The caller holds the lock.
func (r *run) elsewhere(n xep.Name, by *site, now time.Time) {
	h := &r.hold
	if _, waits := h.mentioned[n]; waits || now.Before(h.told[n].Add(mentionAgain)) || len(h.mentioned) >= maxUnsaved {
		return
	}
	if r.frontier.perBringer >= 0 && by != nil && !h.spend("by "+by.name, now, r.frontier.perBringer) {
		r.crowded++
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
