package graph

import (
	"cmp"
	"math"
	"slices"

	"github.com/xmppgraph/xmppgraph/xep"
)

// dense is what a snapshot shows: only what may be shown, sorted, and numbered without gaps.
type dense struct {
	nodes []node // by name
	links []link // by ends
	// lapsed has no part in the adjacency.
	lapsed []link // by ends
	// combined asks exports for one node per reporter in place of one per unnamed peer.
	combined bool
	// end is the first moment at which some of this is no longer true.
	end uint32
}

type node struct {
	name               xep.Name
	rec                *record // nil for a domain that is only named by others
	first, last, until uint32
	unnamed            uint32
}

type link struct {
	a, b     uint32 // a < b
	byA, byB side
}

// side is what one end says of a link; first is zero if it never said anything.
type side struct {
	first, last uint32
	directions  Directions
	gone        bool
}

func (s side) made() bool { return s.first != 0 && !s.gone }

func (s side) claim() Claim {
	return Claim{First: instant(s.first), Last: instant(s.last), Directions: s.directions, Lapsed: s.gone}
}

func (l *link) state() State {
	switch {
	case l.byA.made() && l.byB.made():
		return StateMutual
	case l.byA.made() || l.byB.made():
		return StateOneSided
	default:
		return StateLapsed
	}
}

func (l *link) first() uint32 {
	// Zero stands for never, so it wraps to the largest number to lose against any time.
	return min(l.byA.first-1, l.byB.first-1) + 1
}

func compareEnds(x, y link) int {
	return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
}

func (d *dense) link(l *link) Link {
	return Link{
		A: d.nodes[l.a].name, B: d.nodes[l.b].name,
		I: int(l.a), J: int(l.b),
		ByA: l.byA.claim(), ByB: l.byB.claim(),
		State: l.state(),
		First: instant(l.first()),
		Last:  instant(max(l.byA.last, l.byB.last)),
	}
}

func (n *node) domain() Domain {
	d := Domain{
		Name:    n.name,
		First:   instant(n.first),
		Last:    instant(n.last),
		Until:   instant(n.until),
		Unnamed: int(n.unnamed),
	}
	if n.rec != nil {
		s := n.rec.software.Value()
		d.Reporting, d.Reported = true, instant(n.rec.at)
		d.Software, d.Version, d.Users = s.name, s.version, n.rec.users
	}
	return d
}

// dense computes what the snapshot shows, once.
func (s *Snapshot) dense() *dense {
	s.once.Do(func() {
		if s.raw != nil {
			b := builder{store: s.raw, now: s.at}
			s.whole = b.build()
		}
		s.ready.Store(true)
	})
	return &s.whole
}

// absent marks a number without a place in the snapshot.
const absent = math.MaxUint32

// builder turns the raw state into what may be shown at one moment.
type builder struct {
	*store
	now   uint32
	index []uint32 // number → index
	ids   []uint32 // index → number
	dense
}

func (b *builder) build() dense {
	b.end = math.MaxUint32
	b.admit()
	b.fill()
	b.connect()
	return b.dense
}

// admit decides which domains are in the snapshot, and gives them their indexes.
func (b *builder) admit() {
	b.index = make([]uint32, b.names.n)
	for id := range b.index {
		b.index[id] = absent
	}
	n := 0
	mark := func(id uint32) {
		if b.index[id] == absent {
			b.index[id] = 0
			n++
		}
	}
	for id := range b.names.n {
		r := b.reporting(id, b.now)
		if r == nil {
			continue
		}
		mark(id)
		for _, c := range r.claims {
			if b.live(c.peer(), b.now) {
				mark(c.peer())
			}
		}
	}
	b.ids = make([]uint32, 0, n)
	for _, id := range b.names.sorted() {
		if b.index[id] != absent {
			b.index[id] = uint32(len(b.ids))
			b.ids = append(b.ids, id)
		}
	}
}

// fill makes the domains.
func (b *builder) fill() {
	b.nodes = make([]node, len(b.ids))
	claims := 0
	for i, id := range b.ids {
		f := b.fact(id)
		n := &b.nodes[i]
		n.name, n.first, n.until, n.rec = b.names.name(id), f.first, f.until, b.reporting(id, b.now)
		b.until(f.until)
		if n.rec != nil {
			claims += len(n.rec.claims)
			n.unnamed = n.rec.unnamed
			n.last = max(n.last, n.rec.at)
			b.until(ends(n.rec.at, b.maxAge))
		}
	}
	for i := range b.nodes {
		n := &b.nodes[i]
		if n.rec == nil {
			continue
		}
		for _, c := range n.rec.claims {
			if j := b.index[c.peer()]; j != absent {
				b.nodes[j].last = max(b.nodes[j].last, n.rec.at)
			} else {
				n.unnamed++
			}
		}
	}
	for i := range b.nodes {
		// Only a domain that was forgotten can be older than what is known of it.
		if n := &b.nodes[i]; n.first == 0 || n.first > n.last {
			n.first = n.last
		}
	}
	b.links = make([]link, 0, claims)
}

func (b *builder) until(end uint32) { b.end = min(b.end, end) }

// connect makes the links, each from the claim of the one end or from both.
func (b *builder) connect() {
	for i := range b.nodes {
		r := b.nodes[i].rec
		if r == nil {
			continue
		}
		for _, c := range r.claims {
			if j := b.index[c.peer()]; j != absent {
				b.connectOne(uint32(i), j, side{first: c.first, last: r.at, directions: c.directions()})
			}
		}
		for _, g := range r.left() {
			if j := b.index[g.peer()]; j != absent && b.fresh(g.last, b.now) {
				b.until(ends(g.last, b.maxAge))
				b.connectOne(uint32(i), j, side{first: g.first, last: g.last, directions: g.directions(), gone: true})
			}
		}
	}
	sortLinks(&b.links, len(b.nodes))
	slices.SortFunc(b.lapsed, compareEnds)
}

// connectOne adds the link from i to j unless it was or will be added from j to i.
func (b *builder) connectOne(i, j uint32, mine side) {
	theirs := b.side(j, b.ids[i])
	if theirs.first != 0 && i > j {
		return
	}
	l := link{a: i, b: j, byA: mine, byB: theirs}
	if i > j {
		l = link{a: j, b: i, byA: theirs, byB: mine}
	}
	if l.state() == StateLapsed {
		b.lapsed = append(b.lapsed, l)
	} else {
		b.links = append(b.links, l)
	}
}

// side returns what the domain at an index says about a peer.
func (b *builder) side(i, peer uint32) side {
	r := b.nodes[i].rec
	if r == nil {
		return side{}
	}
	if c, ok := r.find(peer); ok {
		return side{first: c.first, last: r.at, directions: c.directions()}
	}
	if g, ok := r.findGone(peer); ok && b.fresh(g.last, b.now) {
		return side{first: g.first, last: g.last, directions: g.directions(), gone: true}
	}
	return side{}
}

// sortLinks sorts by both ends: by the first in linear time, because links are many and ends are small numbers.
func sortLinks(links *[]link, nodes int) {
	off := make([]uint32, nodes+1)
	for i := range *links {
		off[(*links)[i].a+1]++
	}
	for i := range nodes {
		off[i+1] += off[i]
	}
	next := slices.Clone(off)
	out := make([]link, len(*links))
	for _, l := range *links {
		out[next[l.a]] = l
		next[l.a]++
	}
	for i := range nodes {
		slices.SortFunc(out[off[i]:off[i+1]], func(x, y link) int { return cmp.Compare(x.b, y.b) })
	}
	*links = out
}

// adjacency lists neighbours: those of i are to[off[i]:off[i+1]], reached by the links via.
type adjacency struct {
	off, to, via []uint32
}

func (s *Snapshot) adjacent() *adjacency {
	s.adjOnce.Do(func() {
		d := s.dense()
		s.adj = adjacencyOf(len(d.nodes), d.links)
	})
	return &s.adj
}

func adjacencyOf(nodes int, links []link) adjacency {
	a := adjacency{
		off: make([]uint32, nodes+1),
		to:  make([]uint32, 2*len(links)),
		via: make([]uint32, 2*len(links)),
	}
	for i := range links {
		a.off[links[i].a+1]++
		a.off[links[i].b+1]++
	}
	for i := range nodes {
		a.off[i+1] += a.off[i]
	}
	next := slices.Clone(a.off[:nodes])
	put := func(i, j, k uint32) {
		a.to[next[i]], a.via[next[i]] = j, k
		next[i]++
	}
	// Links come sorted by a and then b, so filling in the lower neighbours first leaves every list sorted.
	for k := range links {
		put(links[k].b, links[k].a, uint32(k))
	}
	for k := range links {
		put(links[k].a, links[k].b, uint32(k))
	}
	return a
}
