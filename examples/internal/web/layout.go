package web

import (
	"cmp"
	"math"
	"slices"

	"github.com/xmppgraph/xmppgraph/graph"
)

// golden is the angle between neighbours on a sunflower: 2π·(1−1/φ).
const golden = 2.399963229728653

// maxRelaxed bounds the domains whose places are improved, as that takes time in the square of their number.
const maxRelaxed = 600

// sunflower is a simple layout: domains on a spiral, the largest in the middle, each with its unnamed peers in a disc round it,
// and then pulled towards their neighbours as far as the discs leave room.
// It is the same for the same snapshot.
type sunflower struct {
	x, y, r []float64
}

// places returns where domains are drawn.
func (s *Server) places(snap *graph.Snapshot) places { return newSunflower(snap) }

func newSunflower(snap *graph.Snapshot) *sunflower {
	n := snap.Len()
	s := &sunflower{x: make([]float64, n), y: make([]float64, n), r: make([]float64, n)}
	order := make([]int, n)
	for i := range order {
		order[i] = i
		s.r[i] = discRadius(snap.UnnamedAt(i))
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(len(snap.Neighbors(b))-len(snap.Neighbors(a)), snap.UnnamedAt(b)-snap.UnnamedAt(a), a-b)
	})
	area := 0.0
	for k, i := range order {
		a := s.r[i] * s.r[i]
		d := math.Sqrt(area+a/2) * 1.35
		area += a
		s.x[i], s.y[i] = d*math.Cos(float64(k)*golden), d*math.Sin(float64(k)*golden)
	}
	if n <= maxRelaxed {
		s.relax(snap)
	}
	return s
}

// discRadius is the radius of a disc of that many dots with a distance of about 1.8.
func discRadius(dots int) float64 { return math.Sqrt(float64(dots)+4) + 1.5 }

// Place implements places.
func (s *sunflower) Place(i int) (x, y, r float64) { return s.x[i], s.y[i], s.r[i] }

// Leaf implements places.
func (s *sunflower) Leaf(i, k int) (x, y float64) {
	d := math.Sqrt(float64(k) + 4)
	a := float64(k) * golden
	return s.x[i] + d*math.Cos(a), s.y[i] + d*math.Sin(a)
}

// relax pulls neighbours together and pushes overlapping discs apart, ever more gently.
func (s *sunflower) relax(snap *graph.Snapshot) {
	const rounds = 120
	for round := range rounds {
		pull := 0.06 * (1 - float64(round)/rounds)
		for a, b := range snap.Pairs() {
			dx, dy := s.x[b]-s.x[a], s.y[b]-s.y[a]
			// A domain with many links is held by all of them.
			wa, wb := pull/float64(len(snap.Neighbors(a))), pull/float64(len(snap.Neighbors(b)))
			s.x[a], s.y[a] = s.x[a]+dx*wa, s.y[a]+dy*wa
			s.x[b], s.y[b] = s.x[b]-dx*wb, s.y[b]-dy*wb
		}
		for range 3 {
			s.separate()
		}
	}
}

// separate moves every two discs that overlap half of what is missing, the smaller one further.
func (s *sunflower) separate() {
	for a := range s.x {
		for b := a + 1; b < len(s.x); b++ {
			dx, dy := s.x[b]-s.x[a], s.y[b]-s.y[a]
			need := s.r[a] + s.r[b] + 2
			d2 := dx*dx + dy*dy
			if d2 >= need*need {
				continue
			}
			d := math.Sqrt(d2)
			if d < 1e-6 {
				// Two in one spot part in a direction of their own.
				dx, dy, d = math.Cos(float64(a)), math.Sin(float64(a)), 1
			}
			push := (need - d) / 2
			share := s.r[b] / (s.r[a] + s.r[b])
			s.x[a], s.y[a] = s.x[a]-dx/d*push*share, s.y[a]-dy/d*push*share
			s.x[b], s.y[b] = s.x[b]+dx/d*push*(1-share), s.y[b]+dy/d*push*(1-share)
		}
	}
}
