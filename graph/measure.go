package graph

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/xmppgraph/xmppgraph/xep"
)

// The measures are about named domains and current links only, and take every link as one that goes both ways.
//
// They are written here and not taken from a graph library, because each is short on the sorted adjacency,
// and a copy of the network in another library's maps would take ten times the memory.

// Components returns for each domain the number of its connected component.
// Components are numbered from zero by falling size, those of one size by their first domain; sizes holds how large they are.
func (s *Snapshot) Components() (of []int, sizes []int) {
	n := s.Len()
	of = make([]int, n)
	for i := range of {
		of[i] = -1
	}
	var queue []uint32
	for i := range n {
		if of[i] >= 0 {
			continue
		}
		c := len(sizes)
		of[i] = c
		queue = append(queue[:0], uint32(i))
		for k := 0; k < len(queue); k++ {
			for _, j := range s.Neighbors(int(queue[k])) {
				if of[j] < 0 {
					of[j] = c
					queue = append(queue, j)
				}
			}
		}
		sizes = append(sizes, len(queue))
	}
	rank := make([]int, len(sizes))
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return sizes[b] - sizes[a] })
	sorted := make([]int, len(sizes))
	for r, c := range order {
		rank[c], sorted[r] = r, sizes[c]
	}
	for i := range of {
		of[i] = rank[of[i]]
	}
	return of, sorted
}

// Path returns the domains on a shortest way between two, both included, or nil where there is none.
// Of several ways it is the one that comes first by the names from b on backwards. The distance is the length less one.
func (s *Snapshot) Path(a, b xep.Name) []xep.Name {
	i, ok := s.Index(a)
	j, ok2 := s.Index(b)
	if !ok || !ok2 {
		return nil
	}
	dist := s.adjacent().distances(uint32(i))
	if dist[j] < 0 {
		return nil
	}
	path := make([]xep.Name, dist[j]+1)
	for at := j; ; {
		path[dist[at]] = s.NameAt(at)
		if dist[at] == 0 {
			return path
		}
		for _, k := range s.Neighbors(at) {
			if dist[k] == dist[at]-1 {
				at = int(k)
				break
			}
		}
	}
}

// Cores returns the core number of each domain:
// the largest k for which it belongs to a set of domains of which each has k links to others in the set.
func (s *Snapshot) Cores() []int {
	n := s.Len()
	degree := make([]int, n)
	most := 0
	for i := range n {
		degree[i] = len(s.Neighbors(i))
		most = max(most, degree[i])
	}
	// Batagelj and Zaversnik: domains in buckets by the degree that is left, always taking one of the lowest.
	start := make([]int, most+2)
	for _, d := range degree {
		start[d+1]++
	}
	for d := range most + 1 {
		start[d+1] += start[d]
	}
	order, place := make([]int, n), make([]int, n)
	next := slices.Clone(start)
	for i, d := range degree {
		place[i] = next[d]
		order[next[d]] = i
		next[d]++
	}
	for k := range n {
		i := order[k]
		for _, j := range s.Neighbors(i) {
			if d := degree[j]; d > degree[i] {
				// Move j to the front of its bucket, and the front on by one.
				front := max(start[d], k+1)
				first := order[front]
				order[front], order[place[j]] = int(j), first
				place[first], place[j] = place[j], front
				start[d] = front + 1
				degree[j]--
			}
		}
	}
	return degree
}

// Centrality is the betweenness of each domain.
type Centrality struct {
	// Of is the share, from 0 to 1, of shortest ways between two other domains that lead through the domain.
	Of []float64
	// Sampled is the number of domains from which ways were followed; it is exact where that is all of them.
	Sampled int
}

// Betweenness computes how much each domain lies between others (Brandes 2001).
//
// It follows the shortest ways from at most so many domains, chosen by the seed, and scales up; zero or less means from all.
// Its time is the number of samples times that of links. It ends early, with the error of the context, when that is done.
func (s *Snapshot) Betweenness(ctx context.Context, samples int, seed uint64) (Centrality, error) {
	n := s.Len()
	c := Centrality{Of: make([]float64, n), Sampled: n}
	sources := make([]int, n)
	for i := range sources {
		sources[i] = i
	}
	if samples > 0 && samples < n {
		rnd := rand.New(rand.NewPCG(seed, seed))
		rnd.Shuffle(n, func(i, j int) { sources[i], sources[j] = sources[j], sources[i] })
		sources = sources[:samples]
		c.Sampled = samples
	}
	b := brandes{s: s, dist: make([]int32, n), ways: make([]float64, n), share: make([]float64, n), sum: c.Of}
	for _, i := range sources {
		if err := ctx.Err(); err != nil {
			return Centrality{}, err
		}
		b.from(uint32(i))
	}
	if n > 2 && c.Sampled > 0 {
		// Sums count each pair of others twice when all domains are sources.
		scale := float64(n) / float64(c.Sampled) / (float64(n-1) * float64(n-2))
		for i := range c.Of {
			c.Of[i] *= scale
		}
	}
	return c, nil
}

type brandes struct {
	s           *Snapshot
	dist        []int32
	ways, share []float64
	order       []uint32
	sum         []float64
}

func (b *brandes) from(source uint32) {
	for i := range b.dist {
		b.dist[i], b.ways[i], b.share[i] = -1, 0, 0
	}
	b.dist[source], b.ways[source] = 0, 1
	b.order = append(b.order[:0], source)
	for k := 0; k < len(b.order); k++ {
		i := b.order[k]
		for _, j := range b.s.Neighbors(int(i)) {
			if b.dist[j] < 0 {
				b.dist[j] = b.dist[i] + 1
				b.order = append(b.order, j)
			}
			if b.dist[j] == b.dist[i]+1 {
				b.ways[j] += b.ways[i]
			}
		}
	}
	for k := len(b.order) - 1; k > 0; k-- {
		i := b.order[k]
		for _, j := range b.s.Neighbors(int(i)) {
			if b.dist[j] == b.dist[i]-1 {
				b.share[j] += b.ways[j] / b.ways[i] * (1 + b.share[i])
			}
		}
		b.sum[i] += b.share[i]
	}
}

// Bridges returns the links without which a component would fall apart, in the order of their ends.
func (s *Snapshot) Bridges() []Link {
	a := s.adjacent()
	n := s.Len()
	seen, low := make([]uint32, n), make([]uint32, n)
	next := make([]uint32, n)
	var found []uint32
	var clock uint32
	type step struct{ at, via uint32 }
	for root := range n {
		if seen[root] != 0 {
			continue
		}
		clock++
		seen[root], low[root], next[root] = clock, clock, a.off[root]
		// A stack of our own: a chain of domains may be longer than what recursion bears.
		stack := []step{{uint32(root), absent}}
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			i := top.at
			if k := next[i]; k < a.off[i+1] {
				next[i]++
				j := a.to[k]
				switch {
				case a.via[k] == top.via:
				case seen[j] != 0:
					low[i] = min(low[i], seen[j])
				default:
					clock++
					seen[j], low[j], next[j] = clock, clock, a.off[j]
					stack = append(stack, step{j, a.via[k]})
				}
				continue
			}
			stack = stack[:len(stack)-1]
			if len(stack) > 0 {
				up := stack[len(stack)-1].at
				low[up] = min(low[up], low[i])
				if low[i] > seen[up] {
					found = append(found, top.via)
				}
			}
		}
	}
	slices.Sort(found)
	out := make([]Link, len(found))
	for i, k := range found {
		out[i] = s.dense().link(&s.dense().links[k])
	}
	return out
}

// Growth is the difference between the numbers of two snapshots.
type Growth struct {
	// Joined and Left are the domains that are only in the new or only in the old one.
	Joined, Left int
	// Linked and Unlinked are the links that are only in the new or only in the old one.
	Linked, Unlinked int
	// Before and After are the numbers of both.
	Before, After Counts
}

// Grown compares two snapshots. They need not be of the same graph.
func Grown(old, new *Snapshot) Growth {
	g := Growth{Before: old.Counts(), After: new.Counts()}
	m := match(old, new)
	stay := 0
	for _, j := range m.toNew {
		stay += btoi(j != absent)
	}
	g.Joined, g.Left = new.Len()-stay, old.Len()-stay
	both := 0
	for _, l := range old.dense().links {
		if a, b := m.toNew[l.a], m.toNew[l.b]; a != absent && b != absent {
			_, ok := slices.BinarySearchFunc(new.dense().links, link{a: a, b: b}, compareEnds)
			both += btoi(ok)
		}
	}
	g.Linked, g.Unlinked = len(new.dense().links)-both, len(old.dense().links)-both
	return g
}
