package graph_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
)

// TestPatchGivesTheNewSnapshot compares snapshots at random distances, through every view.
func TestPatchGivesTheNewSnapshot(t *testing.T) {
	for seed := range uint64(30) {
		n := newNetwork(seed)
		old := n.g.Snapshot()
		for range 40 {
			for range 1 + n.rnd.IntN(6) {
				n.step()
			}
			now := n.g.Snapshot()
			for view, vs := range everyView() {
				a, b := old.View(vs...), now.View(vs...)
				c := graph.Diff(a, b)
				got, err := a.Patch(c)
				require.NoError(t, err)
				requireSame(t, b, got)
				require.Equal(t, b.Version(), got.Version())
				require.Equal(t, b.At(), got.At())
				require.Equal(t, b.IsCombined(), got.IsCombined())
				require.Empty(t, graph.Diff(got, b).Events, view)
			}
			old = now
		}
	}
}

func kinds(c graph.Changes) []string {
	out := []string{}
	for _, e := range c.Events {
		if e.Link.A.IsZero() {
			out = append(out, e.Kind.String()+" "+e.Domain.Name.String())
		} else {
			out = append(out, e.Kind.String()+" "+e.Link.A.String()+" "+e.Link.B.String())
		}
	}
	return out
}

func TestDiffIsMinimalAndOrdered(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "a.test", 0, "b.test", "c.test", "d.test"))
	g.Apply(report(c, "b.test", 0, "a.test"))
	one := g.Snapshot()
	require.Equal(t, []string{
		"joined a.test", "joined b.test", "joined c.test", "joined d.test",
		"linked a.test b.test", "linked a.test c.test", "linked a.test d.test",
	}, kinds(graph.Diff(nil, one)))

	c.advance(time.Minute)
	g.Apply(report(c, "a.test", 0, "b.test", "c.test", "d.test"))
	two := g.Snapshot()
	require.Equal(t, []string{"seen a.test", "seen b.test", "seen c.test", "seen d.test"}, kinds(graph.Diff(one, two)),
		"all verdicts were renewed, and no link has changed")

	c.advance(time.Minute)
	g.Consent(name("d.test"), time.Time{})
	again := report(c, "a.test", 0, "c.test", "e.test")
	for i := range again.Peers {
		again.Peers[i].Directions = graph.In
	}
	g.Apply(again)
	g.Apply(report(c, "b.test", 7))
	three := g.Snapshot()
	require.Equal(t, []string{
		"unlinked a.test b.test", "renounced d.test",
		"seen a.test", "changed b.test", "seen c.test", "joined e.test",
		"relinked a.test c.test", "linked a.test e.test",
	}, kinds(graph.Diff(two, three)))

	_, err := one.Patch(graph.Diff(two, three))
	require.ErrorIs(t, err, graph.ErrVersion)
}

func TestGrown(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "a.test", 1, "b.test"))
	old := g.Snapshot()
	c.advance(time.Minute)
	g.Apply(report(c, "a.test", 5, "c.test", "d.test"))
	grown := graph.Grown(old, g.Snapshot())
	require.Equal(t, 2, grown.Joined)
	require.Equal(t, 1, grown.Left)
	require.Equal(t, 2, grown.Linked)
	require.Equal(t, 1, grown.Unlinked)
	require.Equal(t, 4, grown.After.Unnamed-grown.Before.Unnamed)
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := graph.New(graph.Options{})
		now := &clock{time.Now()}
		g.Apply(report(now, "a.test", 0, "b.test"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var state *graph.Snapshot
		var got [][]string
		for c := range g.Watch(ctx, graph.WithoutUnnamed) {
			if state == nil {
				require.Zero(t, c.From)
				state = c.Snapshot
			} else {
				next, err := state.Patch(c)
				require.NoError(t, err)
				requireSame(t, c.Snapshot, next)
				state = next
			}
			got = append(got, kinds(c))
			switch len(got) {
			case 1:
				go func() {
					time.Sleep(time.Minute)
					g.Apply(report(&clock{time.Now()}, "z.test", 9))
					g.Apply(report(&clock{time.Now()}, "y.test", 9))
				}()
			case 2:
				// A slow loop: what happens meanwhile comes as one.
				g.Forget(name("y.test"))
				g.Apply(report(&clock{time.Now()}, "w.test", 0))
				g.Forget(name("w.test"))
				time.Sleep(10 * time.Minute)
			case 4:
				cancel()
			}
		}
		require.Equal(t, [][]string{
			{"joined a.test", "joined b.test", "linked a.test b.test"},
			{"joined y.test", "joined z.test"},
			{"renounced y.test"},
			{"renounced a.test", "renounced b.test"},
		}, got)
	})
}
