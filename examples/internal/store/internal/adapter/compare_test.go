package adapter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// openBook is a [Book] of what is open.
type openBook struct {
	domains []Domain
	links   []Link
	pieces  []int
	err     error
}

func (m *openBook) Domains(_ context.Context, to []Domain, after int64, n int) ([]Domain, error) {
	for _, d := range m.domains {
		if d.ID > after && n > 0 {
			to, n = append(to, d), n-1
		}
	}
	return to, m.err
}

func (m *openBook) Links(_ context.Context, to []Link, after Pair, n int) ([]Link, error) {
	for _, l := range m.links {
		if l.Pair.compare(after) > 0 && n > 0 {
			to, n = append(to, l), n-1
		}
	}
	return to, m.err
}

func (m *openBook) Write(_ context.Context, p *Piece) error {
	m.pieces = append(m.pieces, p.Len())
	for _, id := range p.End {
		m.domains = slices.DeleteFunc(m.domains, func(d Domain) bool { return d.ID == id })
	}
	for _, pair := range p.EndLinks {
		m.links = slices.DeleteFunc(m.links, func(l Link) bool { return l.Pair == pair })
	}
	m.domains, m.links = append(m.domains, p.Begin...), append(m.links, p.BeginLinks...)
	slices.SortFunc(m.domains, func(a, b Domain) int { return int(a.ID - b.ID) })
	slices.SortFunc(m.links, func(a, b Link) int { return a.Pair.compare(b.Pair) })
	return nil
}

// changing is a small network that is another one each time, and the ids of its domains: a few have none.
func changing(random *rand.Rand) (*graph.Snapshot, []int64) {
	const size = 12
	g := graph.New(graph.Options{Now: func() time.Time { return noon }})
	name := func(i int) xep.Name { return xep.MustName(fmt.Sprintf("d%02d.test", i)) }
	for i := range size {
		if random.IntN(3) == 0 {
			continue
		}
		r := graph.Report{Domain: name(i), At: noon, Until: noon.Add(time.Hour), Unnamed: random.IntN(8)}
		for range random.IntN(5) {
			r.Peers = append(r.Peers, graph.Peer{Name: name(random.IntN(size)), Until: r.Until})
		}
		g.Apply(r)
	}
	s := g.Snapshot()
	ids := make([]int64, s.Len())
	for i := range ids {
		if n := int64(s.NameAt(i).String()[2]) + 10*int64(s.NameAt(i).String()[1]); random.IntN(8) > 0 {
			// Another order than that of the names.
			ids[i] = n * 7919 % 104729
		}
	}
	return s, ids
}

// TestCompare requires that what is open after each observation is what was observed, in pieces of any size.
func TestCompare(t *testing.T) {
	random := rand.New(rand.NewPCG(485, 1))
	m := new(openBook)
	for n := range 300 {
		s, ids := changing(random)
		size := 1 + random.IntN(30)
		noted := make(map[int64]int)
		for _, d := range m.domains {
			noted[d.ID] = d.Unnamed
		}
		m.pieces = nil
		unwatched := n%10 == 9
		rest, err := Compare(InPieces(t.Context(), size, func() error { return nil }), m, s, ids, unwatched)
		require.NoError(t, err)
		require.NoError(t, m.Write(t.Context(), rest))
		for i, n := range m.pieces {
			require.LessOrEqual(t, n, size+1)
			require.True(t, i == len(m.pieces)-1 || n >= size, "no piece but the last is smaller than it must be")
		}
		want := make(map[int64]State)
		for i, id := range ids {
			st := State{!s.ReportingAt(i), s.UnnamedAt(i)}
			if before, ok := noted[id]; ok && !unwatched {
				st.Unnamed = store.Coarse(before, st.Unnamed)
			}
			if id != 0 {
				want[id] = st
			}
		}
		got := make(map[int64]State)
		for _, d := range m.domains {
			got[d.ID] = d.State
		}
		require.Equal(t, want, got)
		requireLinks(t, s, ids, m.links)
	}
}

func requireLinks(t *testing.T, s *graph.Snapshot, ids []int64, got []Link) {
	t.Helper()
	want := make(map[Pair]store.Claims)
	for l := range s.Links() {
		if a, b := ids[l.I], ids[l.J]; a != 0 && b != 0 {
			want[Pair{min(a, b), max(a, b)}] = store.ClaimsOf(l)
		}
	}
	all := make(map[Pair]store.Claims)
	for _, l := range got {
		all[l.Pair] = l.Claims
	}
	require.Equal(t, want, all)
	require.Len(t, got, len(want))
}

func TestCompareFails(t *testing.T) {
	s, ids := changing(rand.New(rand.NewPCG(485, 2)))
	failed := errors.New("no database")
	_, err := Compare(t.Context(), &openBook{err: failed}, s, ids, false)
	require.ErrorIs(t, err, failed)
}
