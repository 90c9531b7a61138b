package edition

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Defaults of the [Options].
const (
	// DefaultPulse is the shortest time between two editions.
	// It leaves time for a change that comes right after another to reach a thousand who listen well within a second.
	DefaultPulse = 300 * time.Millisecond
	// DefaultKeep is how many editions are remembered.
	DefaultKeep = 256
	// DefaultBudget is the time that one layout may take: a page that is late is worse than one that is a little less tidy.
	DefaultBudget = 500 * time.Millisecond
)

const (
	// share is the part of the time that may go into editions and their layouts: after one that took long, the next edition waits longer.
	share = 10
	// large is the number of domains and links from which nobody waits for a new edition as long as the present one is true:
	// making one takes some 0.3 s then.
	large = 500_000
	// maxHeld bounds the domains and links of all editions that are remembered, each of which takes some 50 bytes.
	maxHeld = 4 << 20
)

// Options configure a [Press]. The zero value works.
type Options struct {
	// Exclude tells which domains vanish from every edition; those that report a connection to one of them count it as unnamed.
	// Nil means none. After its answers have changed, call [Press.Refresh].
	Exclude func(xep.Name) bool
	// Pulse is the shortest time between two editions, 0 means [DefaultPulse], below 0 none.
	// Where a layout takes longer than a tenth of that, it is ten times as long as the layout; with half a million domains and links
	// what else an edition takes counts as well, and it is handed out only once it is ready.
	// A name that is withdrawn may be in an edition for that long after; one whose verdict ends by itself is not.
	Pulse time.Duration
	// Keep is how many editions are remembered, the present one included. 0 means [DefaultKeep].
	Keep int
	// Budget bounds the time of one layout. 0 means [DefaultBudget].
	Budget time.Duration
	// Now is the clock, nil means time.Now.
	Now func() time.Time
}

// Press hands out editions of one graph. Its methods may be called from any number of goroutines.
type Press struct {
	graph *graph.Graph
	o     Options
	epoch string

	cur atomic.Pointer[Edition]
	// refreshed counts when somebody had to vanish. An edition from before the last time is not for anybody any more.
	refreshed atomic.Uint64

	large  int          // see there
	making sync.Mutex   // while an edition is being made
	made   atomic.Int64 // how long the present one took, if it is large

	mu     sync.Mutex
	recent []*Edition // by rising version, the present one last

	// drawing serialises layouts, each of which starts from the last.
	drawing sync.Mutex
	last    *layout.Layout
	drawn   *graph.Snapshot // what that is of
	took    atomic.Int64    // how long the last layout took
}

// New returns a press for g.
func New(g *graph.Graph, o Options) *Press {
	if o.Pulse == 0 {
		o.Pulse = DefaultPulse
	}
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Press{graph: g, o: o, epoch: rand.Text()[:12], large: large}
}

// Epoch is a random name of this press. Versions start anew with each process, so that they mean something within an epoch only.
func (p *Press) Epoch() string { return p.epoch }

// Current returns the present edition.
//
// It costs next to nothing while the graph doesn't change.
// While it does, there is a new edition at most once a pulse, or less often where layouts take long.
func (p *Press) Current() *Edition {
	e, now := p.cur.Load(), p.o.Now()
	if p.fresh(e, now) {
		return e
	}
	if e != nil && !p.stale(e) && p.graph.Snapshot() == e.base {
		return e
	}
	if p.stands(e, now) && e.held >= p.large {
		if p.making.TryLock() {
			// It ends by itself, and holds nothing that anybody has to close.
			go func() {
				defer p.making.Unlock()
				p.next(now)
			}()
		}
		return e
	}
	p.making.Lock()
	defer p.making.Unlock()
	return p.next(now)
}

// next returns a new edition, unless somebody has made one meanwhile.
func (p *Press) next(now time.Time) *Edition {
	if e := p.cur.Load(); p.fresh(e, now) {
		return e
	}
	return p.take(now)
}

// IsEmpty reports whether the graph has nothing to show, without making an edition.
func (p *Press) IsEmpty() bool { return p.graph.Snapshot().IsEmpty() }

// fresh reports whether an edition is still true and too young to be followed by another.
func (p *Press) fresh(e *Edition, now time.Time) bool {
	if !p.stands(e, now) {
		return false
	}
	return p.o.Pulse > 0 && now.Sub(e.taken) < max(p.o.Pulse, share*time.Duration(p.took.Load()+p.made.Load()))
}

// stands reports whether there is an edition with nobody in it who must not be shown.
func (p *Press) stands(e *Edition, now time.Time) bool {
	return e != nil && now.Before(e.until) && !p.stale(e)
}

// stale reports whether somebody had to vanish since an edition was begun.
func (p *Press) stale(e *Edition) bool { return e.refreshed.Load() != p.refreshed.Load() }

// take makes an edition of the graph's newest snapshot.
func (p *Press) take(now time.Time) *Edition {
	began, refreshed := time.Now(), p.refreshed.Load()
	base := p.graph.Snapshot()
	before := p.cur.Load()
	if before != nil && before.base == base {
		before.refreshed.Store(refreshed)
		return before
	}
	snap := base.View(p.hidden(base)...)
	e := &Edition{press: p, base: base, snap: snap, taken: now, until: snap.Until(), docs: make(map[string]*lazy)}
	e.refreshed.Store(refreshed)
	e.held = e.size()
	p.made.Store(0)
	if e.held >= p.large {
		p.made.Store(int64(time.Since(began)))
	}
	p.remember(e)
	p.cur.Store(e)
	if before != nil {
		before.forget()
	}
	return e
}

// hidden returns the view that leaves out who is excluded.
func (p *Press) hidden(s *graph.Snapshot) []graph.View {
	names := p.excluded(s)
	if len(names) == 0 {
		return nil
	}
	return []graph.View{graph.Exclude(names...)}
}

func (p *Press) excluded(s *graph.Snapshot) (names []xep.Name) {
	if p.o.Exclude == nil {
		return nil
	}
	for i := range s.Len() {
		if n := s.NameAt(i); p.o.Exclude(n) {
			names = append(names, n)
		}
	}
	return names
}

// remember keeps an edition among the recent ones, as far as there is room.
func (p *Press) remember(e *Edition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent = append(p.recent, e)
	held := 0
	for i := len(p.recent) - 1; i >= 0; i-- {
		n := len(p.recent) - i
		held += p.recent[i].held
		if n > 1 && (held > maxHeld || n > p.o.Keep) {
			p.recent = append([]*Edition(nil), p.recent[i+1:]...)
			return
		}
	}
}

// Refresh makes sure that those who are excluded by now are in no edition from now on, and that the graph forgets them.
func (p *Press) Refresh() {
	for _, n := range p.excluded(p.graph.Snapshot()) {
		p.graph.Forget(n)
	}
	p.refreshed.Add(1)
}

// Past returns an edition of another time's snapshot, laid out from the present one. It is not remembered.
func (p *Press) Past(s *graph.Snapshot) *Edition {
	return &Edition{press: p, base: s, snap: s.View(p.hidden(s)...), past: true, docs: make(map[string]*lazy)}
}

// Version returns the edition of a version, if it is remembered.
func (p *Press) Version(v uint64) (*Edition, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.recent {
		if e.snap.Version() == v {
			return e, true
		}
	}
	return nil, false
}
