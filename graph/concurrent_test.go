package graph_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
)

// TestReadersAndWriters has writers, readers and watchers meet; the race detector does the rest.
func TestReadersAndWriters(t *testing.T) {
	g := graph.New(graph.Options{Pulse: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var writers, others sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for range 300 {
				f := federation{rnd, 200, 100, 5, 3}
				r := f.report(rnd.IntN(f.reporters), time.Now())
				g.Apply(r)
				if rnd.IntN(10) == 0 {
					g.Forget(numbered(rnd.IntN(200)))
				}
			}
		})
	}
	for range 2 {
		others.Go(func() {
			var version uint64
			for ctx.Err() == nil {
				s := g.Snapshot()
				if s.Version() < version {
					t.Error("versions go backwards")
				}
				version = s.Version()
				c, degrees := s.Counts(), 0
				for d := range s.View(graph.Mutual).Domains() {
					degrees += d.Degree
				}
				if degrees > 2*c.Links {
					t.Error("a view has more links than its snapshot")
				}
			}
		})
		others.Go(func() {
			state := &graph.Snapshot{}
			for c := range g.Watch(ctx) {
				next, err := state.Patch(c)
				if err != nil {
					t.Error(err)
					return
				}
				state = next
			}
		})
	}
	writers.Wait()
	cancel()
	others.Wait()
	require.NotPanics(t, func() { g.Snapshot().Counts() })
}
