package graph

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultMaxAge is how long a report counts unless [Options] say otherwise.
// Publishers announce every five minutes, so that a silent one has missed dozens by then.
const DefaultMaxAge = 3 * time.Hour

// DefaultMaxPeers is the number of names that the graph takes from one report unless [Options] say otherwise.
// The largest public servers are connected to a few thousand domains.
const DefaultMaxPeers = 20_000

// mostUnnamed bounds what a report can claim without giving names, as exports may write a node for each.
const mostUnnamed = 1 << 20

// Options configure a [Graph]. The zero value is ready for use.
type Options struct {
	// MaxAge is the age at which a report, and a link that its reporter has dropped, vanishes; zero means [DefaultMaxAge].
	// It is rounded up to whole seconds.
	MaxAge time.Duration
	// MaxPeers is the number of named peers that are taken from one report; zero means [DefaultMaxPeers].
	// The others are counted as unnamed.
	MaxPeers int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Pulse is the shortest time between two versions that one call of [Graph.Watch] yields; zero means one second.
	Pulse time.Duration
	// Version is the one that counting begins after.
	// Versions that leave the process should begin at random, so that one of an earlier process or another one is not taken for one of this.
	Version uint64
}

// Graph is the network as its domains report it.
//
// Its methods may be called from any number of goroutines.
// Writers wait for each other; readers of a [Snapshot] wait for nobody.
type Graph struct {
	now    func() time.Time
	maxAge uint32
	pulse  time.Duration
	most   int

	cur   atomic.Pointer[Snapshot]
	dirty atomic.Bool

	mu      sync.Mutex
	table   *table
	chunks  []*chunk
	gen     uint64
	version uint64
	sweepAt uint32 // when to sweep next, or at how many names
	sweepOn uint32
	said    []said // is used again for each report
	changed chan struct{}
}

// New returns an empty graph.
func New(o Options) *Graph {
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.MaxPeers <= 0 {
		o.MaxPeers = DefaultMaxPeers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pulse <= 0 {
		o.Pulse = time.Second
	}
	age := (o.MaxAge + time.Second - 1) / time.Second
	g := &Graph{
		now:     o.Now,
		maxAge:  uint32(min(age, math.MaxUint32)),
		most:    o.MaxPeers,
		pulse:   o.Pulse,
		table:   newTable(),
		changed: make(chan struct{}),
		gen:     1,
		sweepOn: sweepFrom,
		version: o.Version,
	}
	g.dirty.Store(true)
	return g
}

// Apply takes in a report.
//
// The order in which reports arrive has no influence on the result:
// one that is older than the newest of its domain only adds to when links and domains were seen.
// Of one domain's reports of the same second, the one that is applied last counts as the newest.
// A report that is older than the graph's MaxAge, or has no domain, changes nothing.
func (g *Graph) Apply(r Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := seconds(g.now())
	at := now
	if !r.At.IsZero() {
		at = min(seconds(r.At), now)
	}
	if r.Domain.IsZero() || ends(at, g.maxAge) <= now {
		return
	}
	id, ok := g.intern(r.Domain)
	if !ok {
		return
	}
	g.witness(id, at, max(seconds(r.Until), 1))
	g.put(id, g.makeRecord(id, r, at), now)
	g.touch()
	if g.table.n >= g.sweepOn {
		g.sweep(now)
	}
}

// Consent records a verdict on a domain from another source than a report: it may be named until then.
//
// A time that has passed, such as the zero time, withdraws the name at once; a report that is older can't bring it back.
func (g *Graph) Consent(name xep.Name, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if name.IsZero() {
		return
	}
	if id, ok := g.intern(name); ok {
		g.decree(id, seconds(until))
		g.touch()
	}
}

// Forget drops what a domain reported and withdraws its name.
// Domains that report a connection to it count it as unnamed.
func (g *Graph) Forget(name xep.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, ok := g.table.find(name)
	if !ok {
		return
	}
	c := g.own(id)
	c.setRecord(id&(chunkSize-1), nil)
	c.facts[id&(chunkSize-1)].first = 0
	g.decree(id, 0)
	g.touch()
}

// Snapshot returns the network as of now.
//
// It is the previous snapshot where nothing has changed since.
// Taking one costs little, whatever the size of the network: what a reader asks of it is computed then, once.
func (g *Graph) Snapshot() *Snapshot {
	now := seconds(g.now())
	if s := g.cur.Load(); s != nil && !g.dirty.Load() && s.holds(now) {
		return s
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.cur.Load(); s != nil && !g.dirty.Load() && s.holds(now) {
		return s
	}
	if now >= g.sweepAt {
		g.sweep(now)
	}
	g.version++
	g.gen++
	s := &Snapshot{
		version: g.version,
		at:      now,
		raw: &store{
			names:  g.table.freeze(),
			chunks: slices.Clone(g.chunks),
			maxAge: g.maxAge,
		},
	}
	g.dirty.Store(false)
	g.cur.Store(s)
	return s
}

// touch marks a change and wakes who watches.
func (g *Graph) touch() {
	if !g.dirty.Swap(true) {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

func (g *Graph) intern(n xep.Name) (uint32, bool) {
	id, ok := g.table.intern(n)
	if ok && int(id>>chunkBits) >= len(g.chunks) {
		g.chunks = append(g.chunks, &chunk{owner: g.gen, facts: new([chunkSize]fact)})
	}
	return id, ok
}

// own returns the chunk of a domain, copied where a snapshot shares it.
func (g *Graph) own(id uint32) *chunk {
	c := g.chunks[id>>chunkBits]
	if c.owner != g.gen {
		c = c.clone(g.gen)
		g.chunks[id>>chunkBits] = c
	}
	return c
}

func (g *Graph) fact(id uint32) fact {
	return g.chunks[id>>chunkBits].facts[id&(chunkSize-1)]
}

func (g *Graph) setFact(id uint32, f fact) {
	g.own(id).facts[id&(chunkSize-1)] = f
}

// witness takes in that a domain was seen, and until when it may be named; zero is no evidence.
// The newer evidence wins, of two at the same time the one that allows less.
func (g *Graph) witness(id, at, until uint32) {
	f := g.fact(id)
	new := f
	if f.first == 0 || at < f.first {
		new.first = at
	}
	if until <= at && until > 0 {
		until = 1 // long past
	}
	if until > 0 && (at > f.asOf || at == f.asOf && until < f.until) {
		new.until, new.asOf = until, at
	}
	if new != f {
		g.setFact(id, new)
	}
}

// decree takes in a verdict of this moment, which replaces any other, even one of the same second.
func (g *Graph) decree(id, until uint32) {
	f := g.fact(id)
	f.until, f.asOf = until, seconds(g.now())
	if until <= f.asOf {
		f.until = 0
	}
	g.setFact(id, f)
}

// makeRecord takes a report apart; peers become claims in the order of their numbers.
func (g *Graph) makeRecord(id uint32, r Report, at uint32) *record {
	rec := &record{
		at:       at,
		unnamed:  uint32(min(max(r.Unnamed, 0), mostUnnamed)),
		software: noSoftware,
	}
	if r.Software != "" || r.Version != "" {
		rec.software = unique.Make(software{r.Software, r.Version})
	}
	if r.Users != nil {
		users := *r.Users
		rec.users = &users
	}
	g.said = g.said[:0]
	var found, first [ahead]uint32
	for peers := range slices.Chunk(r.Peers, ahead) {
		g.table.seek(peers, &found)
		g.sighted(found[:len(peers)], &first)
		for k := range peers {
			g.claim(rec, id, &peers[k], found[k], first[k], at)
		}
	}
	rec.claims = mergeClaims(g.said, at)
	return rec
}

// sighted finds when several domains, given by their numbers plus one, were first seen, with their cache misses at the same time as in [table.seek].
func (g *Graph) sighted(found []uint32, first *[ahead]uint32) {
	for k, f := range found {
		if f != 0 {
			first[k] = g.fact(f - 1).first
		}
	}
}

// claim adds what a record of a domain says on a peer, whose number plus one is known or zero.
// Where it is known, first is when the peer was first seen, or later if this record has told since.
func (g *Graph) claim(rec *record, id uint32, p *Peer, known, first, at uint32) {
	if p.Name.IsZero() || len(g.said) == g.most {
		rec.unnamed = min(rec.unnamed+1, mostUnnamed)
		return
	}
	peer, ok := known-1, known > 0
	if !ok {
		peer, ok = g.intern(p.Name)
	}
	if !ok || peer == id {
		return
	}
	g.said = append(g.said, said(peer<<3|uint32(p.Directions&allDirections)))
	until := seconds(p.Until)
	if until <= at {
		until = 0
	}
	if known > 0 && until == 0 && first > 0 && first <= at {
		// Nothing new, as nearly always.
		return
	}
	g.witness(peer, at, until)
}

// said is a claim while it waits to be sorted: the peer's number and the directions.
type said uint32

func (s said) peer() uint32           { return uint32(s) >> 3 }
func (s said) directions() Directions { return Directions(s) & allDirections }

// mergeClaims makes claims of what was said at one time, in the order of peers and one for each.
func mergeClaims(all []said, at uint32) []claim {
	slices.Sort(all)
	n := 0
	for i, s := range all {
		if i == 0 || s.peer() != all[i-1].peer() {
			n++
		}
	}
	out := make([]claim, 0, n)
	for _, s := range all {
		c := makeClaim(s.peer(), s.directions(), at)
		if k := len(out) - 1; k >= 0 && out[k].peer() == c.peer() {
			out[k].packed |= c.packed
			continue
		}
		out = append(out, c)
	}
	return out
}

// put stores a record beside what is known from earlier ones.
func (g *Graph) put(id uint32, r *record, now uint32) {
	c := g.own(id)
	old := c.record(id & (chunkSize - 1))
	if old != nil && ends(old.at, g.maxAge) > now {
		r = combine(old, r, g.most, func(last uint32) bool { return ends(last, g.maxAge) > now })
	}
	c.setRecord(id&(chunkSize-1), r)
}
