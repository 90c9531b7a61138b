package graph_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// drawing makes a snapshot of undirected links between the numbers below n.
func drawing(n int, pairs ...[2]int) *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	until := start.Add(time.Hour)
	for i := range n {
		r := graph.Report{Domain: numbered(i), Until: until}
		for _, p := range pairs {
			if p[0] == i {
				r.Peers = append(r.Peers, graph.Peer{Name: numbered(p[1]), Until: until})
			}
		}
		g.Apply(r)
	}
	return g.Snapshot()
}

func numbered(i int) xep.Name {
	s := strconv.Itoa(i)
	return name("d" + "0000000"[len(s):] + s + ".test")
}

func randomDrawing(rnd *rand.Rand) *graph.Snapshot {
	n := 1 + rnd.IntN(12)
	var pairs [][2]int
	for range rnd.IntN(20) {
		pairs = append(pairs, [2]int{rnd.IntN(n), rnd.IntN(n)})
	}
	return drawing(n, pairs...)
}

// without returns the number of components that are left when one link is taken away.
func componentsWithout(s *graph.Snapshot, without [2]int) int {
	root := make([]int, s.Len())
	for i := range root {
		root[i] = i
	}
	var find func(int) int
	find = func(i int) int {
		if root[i] != i {
			root[i] = find(root[i])
		}
		return root[i]
	}
	for i, j := range s.Pairs() {
		if [2]int{i, j} != without {
			root[find(i)] = find(j)
		}
	}
	n := 0
	for i := range root {
		if find(i) == i {
			n++
		}
	}
	return n
}

// slowCores takes domains away one by one, as the definition has it.
func slowCores(s *graph.Snapshot) []int {
	core := make([]int, s.Len())
	for k := 1; k <= s.Len(); k++ {
		in := make([]bool, s.Len())
		for i := range in {
			in[i] = true
		}
		for again := true; again; {
			again = false
			for i := range in {
				d := 0
				for _, j := range s.Neighbors(i) {
					if in[j] {
						d++
					}
				}
				if in[i] && d < k {
					in[i], again = false, true
				}
			}
		}
		for i := range in {
			if in[i] {
				core[i] = k
			}
		}
	}
	return core
}

// slowBetweenness counts shortest ways pair by pair.
func slowBetweenness(s *graph.Snapshot) []float64 {
	n := s.Len()
	dist, ways := make([][]int, n), make([][]float64, n)
	for i := range n {
		dist[i], ways[i] = slices.Repeat([]int{1000}, n), make([]float64, n)
		dist[i][i], ways[i][i] = 0, 1
		for d := range n {
			for j := range n {
				if dist[i][j] != d {
					continue
				}
				for _, k := range s.Neighbors(j) {
					if dist[i][k] > d+1 {
						dist[i][k], ways[i][k] = d+1, 0
					}
					if dist[i][k] == d+1 {
						ways[i][k] += ways[i][j]
					}
				}
			}
		}
	}
	sum := make([]float64, n)
	for v := range n {
		for i := range n {
			for j := range n {
				if i != v && j != v && i != j && dist[i][j] < 1000 && dist[i][v]+dist[v][j] == dist[i][j] {
					sum[v] += ways[i][v] * ways[v][j] / ways[i][j]
				}
			}
		}
		if n > 2 {
			sum[v] /= float64(n-1) * float64(n-2)
		}
	}
	return sum
}

// TestMeasuresAgainstTheirDefinitions compares with implementations that are slow and plain.
func TestMeasuresAgainstTheirDefinitions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		s := randomDrawing(rnd)
		require.Equal(t, slowCores(s), s.Cores())

		_, sizes := s.Components()
		whole := componentsWithout(s, [2]int{-1, -1})
		require.Len(t, sizes, whole)

		bridges := map[[2]int]bool{}
		for _, l := range s.Bridges() {
			bridges[[2]int{l.I, l.J}] = true
		}
		for i, j := range s.Pairs() {
			require.Equal(t, componentsWithout(s, [2]int{i, j}) > whole, bridges[[2]int{i, j}])
		}

		c, err := s.Betweenness(context.Background(), 0, 0)
		require.NoError(t, err)
		require.InDeltaSlice(t, slowBetweenness(s), c.Of, 1e-9)
		require.Equal(t, s.Len(), c.Sampled)
	}
}

func TestComponents(t *testing.T) {
	of, sizes := drawing(7, [2]int{0, 1}, [2]int{3, 4}, [2]int{4, 5}, [2]int{5, 6}).Components()
	require.Equal(t, []int{4, 2, 1}, sizes)
	require.Equal(t, []int{1, 1, 2, 0, 0, 0, 0}, of)
	of, sizes = (&graph.Snapshot{}).Components()
	require.Empty(t, of)
	require.Empty(t, sizes)
}

func TestPath(t *testing.T) {
	s := drawing(6, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 3}, [2]int{0, 4}, [2]int{4, 2})
	for test, want := range map[string]struct {
		a, b int
		path []int
	}{
		"along":     {0, 3, []int{0, 1, 2, 3}},
		"to itself": {2, 2, []int{2}},
		"no way":    {0, 5, nil},
		"not there": {0, 9, nil},
	} {
		t.Run(test, func(t *testing.T) {
			var path []xep.Name
			for _, i := range want.path {
				path = append(path, numbered(i))
			}
			require.Equal(t, path, s.Path(numbered(want.a), numbered(want.b)))
		})
	}
}

func TestBetweennessSampled(t *testing.T) {
	var pairs [][2]int
	for i := 1; i < 200; i++ {
		pairs = append(pairs, [2]int{0, i})
	}
	s := drawing(200, pairs...)
	c, err := s.Betweenness(context.Background(), 50, 1)
	require.NoError(t, err)
	require.Equal(t, 50, c.Sampled)
	require.InDelta(t, 1, c.Of[0], 0.05)
	again, _ := s.Betweenness(context.Background(), 50, 1)
	require.Equal(t, c, again)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.Betweenness(ctx, 50, 1)
	require.ErrorIs(t, err, context.Canceled)
}

// TestBridgesOfALongChain would overflow a stack if it were walked by recursion.
func TestBridgesOfALongChain(t *testing.T) {
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	const n = 20_000
	for i := range n {
		until := start.Add(time.Hour)
		g.Apply(graph.Report{Domain: numbered(i), Until: until, Peers: []graph.Peer{{Name: numbered(i + 1), Until: until}}})
	}
	require.Len(t, g.Snapshot().Bridges(), n)
}
