package graph

import (
	"slices"

	"github.com/xmppgraph/xmppgraph/xep"
)

type linkKey struct{ a, b xep.Name }

// patch gathers events by name, because indexes shift with every domain that comes or goes.
type patch struct {
	old     *dense
	gone    map[xep.Name]bool
	domains map[xep.Name]*Domain
	links   map[linkKey]*Link
	dropped map[linkKey]bool
}

func newPatch(d *dense) *patch {
	return &patch{old: d, gone: map[xep.Name]bool{}, domains: map[xep.Name]*Domain{}, links: map[linkKey]*Link{}, dropped: map[linkKey]bool{}}
}

func (p *patch) take(e *Event) {
	switch e.Kind {
	case Left, Renounced:
		p.gone[e.Domain.Name] = true
	case Joined, Changed, Seen:
		p.domains[e.Domain.Name] = &e.Domain
	case Unlinked, Faded, Linked, Relinked:
		k := linkKey{e.Link.A, e.Link.B}
		p.dropped[k] = true
		if !e.Link.First.IsZero() {
			p.links[k] = &e.Link
		}
	}
}

func (p *patch) build() dense {
	var d dense
	follows := p.nodes(&d)
	p.connect(&d)
	for j, last := range derived(&d) {
		if follows[j] {
			d.nodes[j].last = last
		}
	}
	return d
}

// nodes makes the new domains, and tells of which the last sighting follows from the links.
func (p *patch) nodes(d *dense) (follows []bool) {
	before := derived(p.old)
	type entry struct {
		node
		follows bool
	}
	var all []entry
	for i := range p.old.nodes {
		n := p.old.nodes[i]
		if p.gone[n.name] || p.domains[n.name] != nil {
			continue
		}
		all = append(all, entry{n, n.last == before[i]})
	}
	for _, n := range p.domains {
		all = append(all, entry{node: node{
			name: n.Name, rec: newRecord(n), first: seconds(n.First), last: seconds(n.Last), until: seconds(n.Until), unnamed: uint32(n.Unnamed),
		}})
	}
	slices.SortFunc(all, func(a, b entry) int { return a.name.Compare(b.name) })
	for _, e := range all {
		d.nodes = append(d.nodes, e.node)
		follows = append(follows, e.follows)
	}
	return follows
}

func (p *patch) connect(d *dense) {
	index := make(map[xep.Name]uint32, len(d.nodes))
	for i := range d.nodes {
		index[d.nodes[i].name] = uint32(i)
	}
	for _, some := range [...][]link{p.old.links, p.old.lapsed} {
		for _, l := range some {
			x, y := &p.old.nodes[l.a], &p.old.nodes[l.b]
			i, ok := index[x.name]
			j, ok2 := index[y.name]
			if !ok || !ok2 || p.dropped[linkKey{x.name, y.name}] {
				continue
			}
			d.add(link{a: i, b: j, byA: l.byA.follow(x, &d.nodes[i]), byB: l.byB.follow(y, &d.nodes[j])})
		}
	}
	for k, l := range p.links {
		i, ok := index[k.a]
		j, ok2 := index[k.b]
		if ok && ok2 {
			d.add(link{a: i, b: j, byA: l.ByA.side(), byB: l.ByB.side()})
		}
	}
	slices.SortFunc(d.links, compareEnds)
	slices.SortFunc(d.lapsed, compareEnds)
}

func (d *dense) add(l link) {
	if l.state() == StateLapsed {
		d.lapsed = append(d.lapsed, l)
	} else {
		d.links = append(d.links, l)
	}
}

func (c Claim) side() side {
	return side{first: seconds(c.First), last: seconds(c.Last), directions: c.Directions, gone: c.Lapsed}
}
