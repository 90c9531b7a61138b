package graph_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// FuzzGraph takes bytes for the life of a graph, and checks after each step that no name is shown longer than allowed,
// and that differences lead from one snapshot to the next.
func FuzzGraph(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add([]byte("\x03\x00\x05\x01\x02\x03\x01\x00\x02\x02\x00\x60"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 400 {
			return
		}
		next := func() (v byte) {
			if len(b) > 0 {
				v, b = b[0], b[1:]
			}
			return v
		}
		c := &clock{start}
		g := graph.New(graph.Options{Now: c.now, MaxPeers: 3})
		allowed := map[xep.Name]time.Time{}
		pick := func() xep.Name {
			return name([]string{"a.example", "muc.a.example", "b.example", "c.example", "d.example"}[next()%5])
		}
		until := func(n xep.Name) time.Time {
			u := c.in(time.Duration(next()%8) * 20 * time.Minute)
			if u.After(allowed[n]) {
				allowed[n] = u
			}
			return u
		}
		old := g.Snapshot()
		for len(b) > 0 {
			switch n := pick(); next() % 6 {
			case 0:
				delete(allowed, n)
				g.Consent(n, until(n))
			case 1:
				delete(allowed, n)
				g.Forget(n)
			case 2:
				c.advance(time.Duration(next()) * time.Minute)
			default:
				r := graph.Report{Domain: n, Until: until(n), At: c.in(-time.Duration(next()%4) * time.Minute), Unnamed: int(next() % 4)}
				for range next() % 5 {
					p := pick()
					r.Peers = append(r.Peers, graph.Peer{Name: p, Until: until(p), Directions: graph.Directions(next())})
				}
				g.Apply(r)
			}
			now := g.Snapshot()
			for d := range now.View(graph.Fold()).Domains() {
				require.True(t, allowed[d.Name].After(c.t), d.Name)
			}
			got, err := old.Patch(graph.Diff(old, now))
			require.NoError(t, err)
			requireSame(t, now, got)
			old = now
		}
	})
}
