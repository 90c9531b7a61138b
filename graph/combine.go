package graph

import (
	"cmp"
	"slices"
)

// combine merges two reports of one domain.
//
// The newer one says what is the case.
// The older one says since when, and what has ceased to be: fresh tells for how long that is remembered.
// Of two in the same second, b is the newer.
// Of what has ceased to be, at most so many are remembered: a reporter may name others each time.
func combine(a, b *record, most int, fresh func(last uint32) bool) *record {
	if a.at > b.at {
		a, b = b, a
	}
	out := *b
	out.claims = slices.Clone(b.claims)
	var left []gone
	add := func(g gone) {
		if i, ok := findClaim(out.claims, g.peer()); ok {
			out.claims[i].first = min(out.claims[i].first, g.first)
		} else if fresh(g.last) {
			left = append(left, g)
		}
	}
	for _, c := range a.claims {
		add(gone{c, a.at})
	}
	for _, g := range a.left() {
		add(g)
	}
	for _, g := range b.left() {
		add(g)
	}
	out.gone = mergeGone(left)
	if out.gone != nil && len(*out.gone) > most {
		kept := slices.Clone(*out.gone)
		slices.SortStableFunc(kept, func(x, y gone) int { return cmp.Compare(y.last, x.last) })
		out.gone = mergeGone(kept[:most])
	}
	return &out
}

func findClaim(cs []claim, peer uint32) (int, bool) {
	return slices.BinarySearchFunc(cs, peer, func(c claim, p uint32) int { return int(c.peer()) - int(p) })
}

// mergeGone sorts lapsed claims and keeps, of several on one peer, the first start and what was said last.
func mergeGone(all []gone) *[]gone {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(x, y gone) int {
		return cmp.Or(int(x.peer())-int(y.peer()), cmp.Compare(y.last, x.last), cmp.Compare(x.packed, y.packed))
	})
	out := all[:0]
	for _, g := range all {
		if n := len(out); n > 0 && out[n-1].peer() == g.peer() {
			out[n-1].first = min(out[n-1].first, g.first)
			continue
		}
		out = append(out, g)
	}
	out = slices.Clip(out)
	return &out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
