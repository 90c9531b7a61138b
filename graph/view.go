package graph

import (
	"math"
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/xep"
)

// View is a way to look at a snapshot. Views are values: keep them, pass them around, and combine them with [Snapshot.View].
//
// No view shows a name that its snapshot doesn't.
type View struct {
	name  string
	apply func(dense) dense
}

// String describes the view, the same for equal views.
func (v View) String() string { return v.name }

// Views without arguments.
var (
	// WithoutUnnamed leaves out unnamed peers.
	WithoutUnnamed = View{"without unnamed", withoutUnnamed}
	// Combined has exports write one node for all unnamed peers of a reporter. As counts they stay what they are.
	Combined = View{"combined", combined}
	// Mutual keeps the links that both ends claim, and the domains that report or have such a link.
	Mutual = View{"mutual", mutualOnly}
	// Reporting keeps the domains that report themselves, and the links between them.
	Reporting = View{"reporting", reportingOnly}
)

func combined(d dense) dense {
	d.combined = true
	return d
}

func mutualOnly(d dense) dense {
	return d.filter(nil, func(l *link) bool { return l.state() == StateMutual }).vouched()
}

func reportingOnly(d dense) dense {
	return d.filter(func(i int) bool { return d.nodes[i].rec != nil }, nil)
}

// View returns what is left of a snapshot after all the views, each applied to the result of the one before it.
//
// The result is independent of the graph, and has the version of the snapshot.
func (s *Snapshot) View(views ...View) *Snapshot {
	if len(views) == 0 {
		return s
	}
	d := *s.dense()
	for _, v := range views {
		if v.apply != nil {
			d = v.apply(d)
		}
	}
	v := newSnapshot(s.version, s.at, d)
	v.raw = s.raw // for why a name is missing, see [Diff]
	return v
}

// newSnapshot returns a snapshot that isn't computed from raw state.
func newSnapshot(version uint64, at uint32, d dense) *Snapshot {
	s := &Snapshot{version: version, at: at, whole: d}
	s.dense()
	return s
}

// Focus keeps the domains at most so many links away from one, and the links between them.
// Nothing is left where that domain isn't in the snapshot, or depth is negative.
func Focus(name xep.Name, depth int) View {
	return View{"focus " + name.String() + " " + itoa(depth), func(d dense) dense {
		start, ok := slices.BinarySearchFunc(d.nodes, name, func(n node, name xep.Name) int { return n.name.Compare(name) })
		near := make([]bool, len(d.nodes))
		if ok && depth >= 0 {
			a := adjacencyOf(len(d.nodes), d.links)
			for i, dist := range a.distances(uint32(start)) {
				near[i] = dist >= 0 && int(dist) <= depth
			}
		}
		return d.filter(func(i int) bool { return near[i] }, nil)
	}}
}

// Exclude leaves out domains. Those that report a connection to one of them count it as unnamed.
// A domain that only an excluded one names goes with it.
func Exclude(names ...xep.Name) View {
	out := make(map[xep.Name]bool, len(names))
	texts := make([]string, 0, len(names))
	for _, n := range names {
		out[n] = true
		texts = append(texts, n.String())
	}
	slices.Sort(texts)
	return View{"exclude " + strings.Join(slices.Compact(texts), ","), func(d dense) dense {
		excluded := make([]bool, len(d.nodes))
		for i := range d.nodes {
			excluded[i] = out[d.nodes[i].name]
		}
		if !slices.Contains(excluded, true) {
			return d
		}
		d.nodes = slices.Clone(d.nodes)
		for i := range d.links {
			l := &d.links[i]
			if excluded[l.b] && l.byA.made() {
				d.nodes[l.a].unnamed++
			}
			if excluded[l.a] && l.byB.made() {
				d.nodes[l.b].unnamed++
			}
		}
		return d.filter(func(i int) bool { return !excluded[i] }, nil).vouched()
	}}
}

func withoutUnnamed(d dense) dense {
	d.nodes = slices.Clone(d.nodes)
	for i := range d.nodes {
		d.nodes[i].unnamed = 0
	}
	return d
}

// vouched drops the domains that neither report nor have a link.
func (d dense) vouched() dense {
	linked := make([]bool, len(d.nodes))
	for _, l := range d.links {
		linked[l.a], linked[l.b] = true, true
	}
	return d.filter(func(i int) bool { return linked[i] || d.nodes[i].rec != nil }, nil)
}

// filter returns a copy with the nodes and links for which a function returns true; nil keeps all.
func (d dense) filter(keepNode func(i int) bool, keepLink func(*link) bool) dense {
	index := make([]uint32, len(d.nodes))
	out := dense{combined: d.combined, end: d.end, nodes: make([]node, 0, len(d.nodes))}
	for i := range d.nodes {
		index[i] = absent
		if keepNode == nil || keepNode(i) {
			index[i] = uint32(len(out.nodes))
			out.nodes = append(out.nodes, d.nodes[i])
		}
	}
	some := func(links []link) (kept []link) {
		for i := range links {
			l := links[i]
			if keepLink != nil && !keepLink(&l) {
				continue
			}
			if l.a, l.b = index[l.a], index[l.b]; l.a != absent && l.b != absent {
				kept = append(kept, l)
			}
		}
		return kept
	}
	out.links, out.lapsed = some(d.links), some(d.lapsed)
	return out
}

// distances returns the number of links from one domain to every other, -1 where there is no way.
func (a *adjacency) distances(from uint32) []int32 {
	dist := make([]int32, len(a.off)-1)
	for i := range dist {
		dist[i] = -1
	}
	dist[from] = 0
	for queue := []uint32{from}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, j := range a.to[a.off[i]:a.off[i+1]] {
			if dist[j] < 0 && dist[i] < math.MaxInt32 {
				dist[j] = dist[i] + 1
				queue = append(queue, j)
			}
		}
	}
	return dist
}
