package graph

import "slices"

// sweep drops what can't come back into a snapshot, so that memory follows the network and withdrawn names don't linger.
//
// It looks at everything, so it runs a few times per MaxAge only, and when names have doubled since:
// a domain that reports other names each time shall not fill the memory with them.
//
// What it drops is in no snapshot anyway, so that it may run at any time.
func (g *Graph) sweep(now uint32) {
	g.sweepAt = ends(now, max(g.maxAge/4, 1))
	used := make([]bool, g.table.n)
	var kept uint32
	mark := func(id uint32) {
		if !used[id] {
			used[id] = true
			kept++
		}
	}
	for id := range g.table.n {
		c := g.chunks[id>>chunkBits]
		r := c.record(id & (chunkSize - 1))
		if r != nil && ends(r.at, g.maxAge) <= now {
			g.own(id).setRecord(id&(chunkSize-1), nil)
			r = nil
		}
		if f := g.fact(id); r != nil || f.until > now || f.asOf > 0 && ends(f.asOf, g.maxAge) > now {
			// A withdrawal is remembered for as long as a report from before it could still be applied.
			mark(id)
		}
		if r == nil {
			continue
		}
		for _, c := range r.claims {
			mark(c.peer())
		}
		for _, l := range r.left() {
			mark(l.peer())
		}
	}
	g.sweepOn = sweepFrom + 2*kept
	if garbage := g.table.n - kept; garbage > 0 && garbage >= g.table.n/8 {
		g.compact(used)
	}
}

// sweepFrom is the number of names below which memory doesn't matter.
const sweepFrom = 1 << 16

// compact numbers the names that are in use anew. Snapshots keep the old numbers, and the old chunks that go with them.
func (g *Graph) compact(used []bool) {
	old, oldChunks := g.table, g.chunks
	g.table, g.chunks = newTable(), nil
	number := make([]uint32, len(used))
	for id, u := range used {
		if u {
			number[id], _ = g.intern(old.name(uint32(id)))
			g.setFact(number[id], oldChunks[id>>chunkBits].facts[id&(chunkSize-1)])
		}
	}
	for id, u := range used {
		if r := oldChunks[id>>chunkBits].record(uint32(id & (chunkSize - 1))); u && r != nil {
			g.own(number[id]).setRecord(number[id]&(chunkSize-1), r.renumber(number))
		}
	}
}

func (r *record) renumber(number []uint32) *record {
	out := *r
	out.claims = make([]claim, len(r.claims))
	for i, c := range r.claims {
		out.claims[i] = makeClaim(number[c.peer()], c.directions(), c.first)
	}
	slices.SortFunc(out.claims, func(a, b claim) int { return int(a.peer()) - int(b.peer()) })
	var left []gone
	for _, l := range r.left() {
		left = append(left, gone{makeClaim(number[l.peer()], l.directions(), l.first), l.last})
	}
	out.gone = mergeGone(left)
	return &out
}
