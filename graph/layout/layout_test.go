package layout_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// network makes a snapshot with the shape of the real one: few hubs with many links and unnamed peers.
//
// The same numbers give the same reports, of which the first skip are left out.
func network(seed uint64, named, skip int) *graph.Snapshot {
	rnd := rand.New(rand.NewPCG(seed, 1))
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	until := start.Add(time.Hour)
	for i := range named {
		r := graph.Report{Domain: domain(i), Until: until}
		if rnd.IntN(5) < 2 {
			r.Unnamed = int(rnd.ExpFloat64() * 120)
			for range 26 {
				u := rnd.Float64()
				r.Peers = append(r.Peers, graph.Peer{Name: domain(int(u * u * float64(named) * 0.95)), Until: until})
			}
		}
		if i >= skip {
			g.Apply(r)
		}
	}
	return g.Snapshot()
}

func domain(i int) xep.Name { return xep.MustName(fmt.Sprintf("d%06d.example", i)) }

// drawing links numbers below n in pairs; unnamed gives the count of each.
func drawing(n int, unnamed func(i int) int, pairs ...[2]int) *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	until := start.Add(time.Hour)
	for i := range n {
		r := graph.Report{Domain: domain(i), Until: until, Unnamed: unnamed(i)}
		for _, p := range pairs {
			if p[0] == i {
				r.Peers = append(r.Peers, graph.Peer{Name: domain(p[1]), Until: until})
			}
		}
		g.Apply(r)
	}
	return g.Snapshot()
}

func compute(t testing.TB, s *graph.Snapshot, o layout.Options) *layout.Layout {
	t.Helper()
	l, err := layout.Compute(context.Background(), s, o)
	require.NoError(t, err)
	return l
}

func none(int) int { return 0 }

func star(n int) (pairs [][2]int) {
	for i := 1; i < n; i++ {
		pairs = append(pairs, [2]int{0, i})
	}
	return pairs
}

func shapes() map[string]*graph.Snapshot {
	var chain [][2]int
	for i := range 299 {
		chain = append(chain, [2]int{i, i + 1})
	}
	var couples [][2]int
	for i := 0; i < 200; i += 2 {
		couples = append(couples, [2]int{i, i + 1})
	}
	return map[string]*graph.Snapshot{
		"empty":     {},
		"one":       drawing(1, none),
		"one large": drawing(1, func(int) int { return 100_000 }),
		"pair":      drawing(2, none, [2]int{0, 1}),
		"three":     drawing(3, none, [2]int{0, 1}, [2]int{1, 2}),
		"alone":     drawing(300, none),
		"couples":   drawing(200, func(i int) int { return i % 7 }, couples...),
		"star":      drawing(400, none, star(400)...),
		"chain":     drawing(300, none, chain...),
		"giants":    drawing(30, func(i int) int { return i % 2 * 50_000 }, star(30)...),
		"real":      network(1, 112, 0),
		"real*5":    network(1, 560, 0),
	}
}

// TestPlaces checks what must hold whatever the network looks like.
func TestPlaces(t *testing.T) {
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			l := compute(t, s, layout.Options{})
			require.Equal(t, s.Len(), l.Len())
			requireApart(t, l)
			requireNear(t, l)
			require.Equal(t, l, compute(t, s, layout.Options{}), "the same input gives the same places")
			for i := range l.Len() {
				x, y, r := l.Place(i)
				fx, fy, fr, ok := l.Find(s.NameAt(i))
				require.True(t, ok)
				require.Equal(t, [3]float64{x, y, r}, [3]float64{fx, fy, fr})
				for k := range min(s.UnnamedAt(i), 50) {
					lx, ly := l.Leaf(i, k)
					require.Less(t, math.Hypot(lx-x, ly-y), r)
				}
			}
		})
	}
}

// requireApart finds discs that overlap, and places that are no numbers.
func requireApart(t *testing.T, l *layout.Layout) {
	t.Helper()
	for i := range l.Len() {
		x, y, r := l.Place(i)
		require.False(t, math.IsNaN(x+y+r) || math.IsInf(x+y+r, 0))
		for j := range i {
			X, Y, R := l.Place(j)
			if math.Hypot(x-X, y-Y) < r+R {
				require.Failf(t, "discs overlap", "%d and %d", i, j)
			}
		}
	}
}

// requireNear finds domains that fly off: all have to be in a rectangle that is not much larger than all the discs need.
func requireNear(t *testing.T, l *layout.Layout) {
	t.Helper()
	area := 0.0
	for i := range l.Len() {
		_, _, r := l.Place(i)
		area += 4 * (r + 15) * (r + 15)
	}
	x0, y0, x1, y1 := l.Bounds()
	require.LessOrEqual(t, (x1-x0)*(y1-y0), 40*area)
	require.LessOrEqual(t, math.Max(x1-x0, y1-y0), 12*math.Sqrt(area))
}

// TestWarmStart measures how far the domains move that stay.
func TestWarmStart(t *testing.T) {
	for name, test := range map[string]struct {
		before, after *graph.Snapshot
		most          float64 // of the width, on average
	}{
		"nothing new":        {network(1, 112, 0), network(1, 112, 0), 0.002},
		"two domains silent": {network(1, 112, 2), network(1, 112, 0), 0.01},
		"a tenth silent":     {network(1, 560, 56), network(1, 560, 0), 0.02},
		"other reports":      {network(1, 112, 0), network(2, 112, 0), 0.03},
	} {
		t.Run(name, func(t *testing.T) {
			old := compute(t, test.before, layout.Options{})
			l := compute(t, test.after, layout.Options{Previous: old})
			requireApart(t, l)
			requireNear(t, l)
			moved, stay := 0.0, 0
			for i := range l.Len() {
				x, y, _ := l.Place(i)
				if X, Y, _, ok := old.Find(test.after.NameAt(i)); ok {
					moved += math.Hypot(x-X, y-Y)
					stay++
				}
			}
			x0, _, x1, _ := old.Bounds()
			share := moved / float64(stay) / (x1 - x0)
			t.Logf("%d domains stay and move by %.2f %% of the width", stay, 100*share)
			require.Less(t, share, test.most)
		})
	}
}

// TestManyWarmStarts has a network change a little again and again: the picture may neither drift away nor blow up.
func TestManyWarmStarts(t *testing.T) {
	l := compute(t, network(1, 112, 0), layout.Options{})
	for i := range 40 {
		l = compute(t, network(1, 112, i%20), layout.Options{Previous: l, Seed: uint64(i)})
	}
	requireApart(t, l)
	requireNear(t, l)
	x0, y0, x1, y1 := l.Bounds()
	require.Less(t, math.Hypot(x0+x1, y0+y1)/2, (x1-x0)/2, "the middle is still about the origin")
}

func TestBadPrevious(t *testing.T) {
	s := network(1, 112, 0)
	// A layout of one heap: everything on the same spot is the worst start there is.
	heap := compute(t, drawing(1, none), layout.Options{})
	l := compute(t, s, layout.Options{Previous: heap})
	requireApart(t, l)
	huge := compute(t, drawing(112, func(i int) int { return i * 1000 }), layout.Options{})
	requireApart(t, compute(t, s, layout.Options{Previous: huge}))
}

func TestAspect(t *testing.T) {
	s := network(1, 300, 0)
	ratio := func(aspect float64) float64 {
		x0, y0, x1, y1 := compute(t, s, layout.Options{Aspect: aspect}).Bounds()
		return (x1 - x0) / (y1 - y0)
	}
	require.Greater(t, ratio(2), ratio(1))
	require.InDelta(t, ratio(0), ratio(math.NaN()), 0, "nonsense is the default")
}

func TestSeedTurnsThePicture(t *testing.T) {
	s := network(1, 112, 0)
	require.NotEqual(t, compute(t, s, layout.Options{Seed: 1}), compute(t, s, layout.Options{Seed: 2}))
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, s := range shapes() {
		_, err := layout.Compute(ctx, s, layout.Options{})
		require.ErrorIs(t, err, context.Canceled, name)
	}
}

// TestBudget settles for what there is when the time is up, but never with discs that overlap.
func TestBudget(t *testing.T) {
	requireApart(t, compute(t, network(1, 560, 0), layout.Options{Budget: 1}))
}

func BenchmarkCompute(b *testing.B) {
	for _, times := range []int{1, 10, 50} {
		s := network(1, 112*times, 0)
		s.Counts()
		cold := compute(b, s, layout.Options{})
		b.Run(fmt.Sprintf("cold/real*%d", times), func(b *testing.B) {
			for b.Loop() {
				compute(b, s, layout.Options{})
			}
		})
		b.Run(fmt.Sprintf("warm/real*%d", times), func(b *testing.B) {
			for b.Loop() {
				compute(b, s, layout.Options{Previous: cold})
			}
		})
	}
}

func TestForAView(t *testing.T) {
	s := network(1, 112, 0)
	l := compute(t, s, layout.Options{})
	v := s.View(graph.Focus(domain(0), 1))
	part, ok := l.For(v)
	require.True(t, ok)
	require.Equal(t, v.Len(), part.Len())
	for i := range v.Len() {
		x, y, r := part.Place(i)
		X, Y, R, _ := l.Find(v.NameAt(i))
		require.Equal(t, [3]float64{X, Y, R}, [3]float64{x, y, r})
	}
	_, ok = part.For(s)
	require.False(t, ok)
}
