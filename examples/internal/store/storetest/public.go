package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

func (b *bed) live() map[string]graph.Report {
	b.t.Helper()
	all := make(map[string]graph.Report)
	for r, err := range b.Live(b.t.Context()) {
		require.NoError(b.t, err)
		all[r.Domain.String()] = r
	}
	return all
}

func live(t *testing.T, b *bed) {
	silent := named("silent.test", at(60))
	silent.Reported = time.Time{}
	a := named("a.test", at(60), "b.test", "silent.test", "unnamed.test", "unknown.test")
	a.Reported = at(7)
	b.save(a, named("b.test", at(30), "a.test"), silent, unnamed("unnamed.test"))
	all := b.live()
	require.Len(t, all, 2)
	require.Equal(t, graph.Report{
		Domain: xep.MustName("a.test"), At: at(7), Until: at(60), Unnamed: 4, Software: "Prosody",
		Peers: []graph.Peer{
			{Name: xep.MustName("b.test"), Until: at(30), Directions: graph.Out},
			{Name: xep.MustName("silent.test"), Until: at(60), Directions: graph.Out},
		},
	}, all["a.test"])
	for range b.Live(t.Context()) {
		break
	}
	g := graph.New(graph.Options{Now: b.now})
	for _, r := range all {
		g.Apply(r)
	}
	require.Equal(t, 3, g.Snapshot().Len())
}

func standing(t *testing.T, b *bed) {
	silent := named("silent.test", at(60))
	silent.Reported = time.Time{}
	a := named("a.test", at(60), "b.test", "silent.test", "unnamed.test", "excluded.test")
	a.Reported = at(7)
	b.save(a, named("b.test", at(30), "a.test"), silent, unnamed("unnamed.test"), named("excluded.test", at(60), "a.test"), named("lapsed.test", at(5), "a.test"))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("excluded.test")}))
	b.set(at(10))
	all := make(map[string]store.Change)
	require.NoError(t, b.Standing(t.Context(), func(c store.Change) error {
		require.NotZero(t, c.ID)
		if c.ID = 0; c.Report != nil {
			r := *c.Report
			r.Peers = slices.Clone(r.Peers)
			c.Report = &r
		}
		all[c.Domain.String()] = c
		return nil
	}))
	peers := func(names ...string) (all []graph.Peer) {
		for _, n := range names {
			all = append(all, graph.Peer{Name: xep.MustName(n), Directions: graph.Out})
		}
		return all
	}
	require.Equal(t, map[string]store.Change{
		"a.test": {Domain: a.Domain, Until: at(60), Report: &graph.Report{
			Domain: a.Domain, At: at(7), Until: at(60), Unnamed: 2, Software: "Prosody", Peers: peers("b.test", "silent.test", "unnamed.test", "excluded.test"),
		}},
		"b.test": {Domain: xep.MustName("b.test"), Until: at(30), Report: &graph.Report{
			Domain: xep.MustName("b.test"), At: at(0), Until: at(30), Unnamed: 2, Software: "Prosody", Peers: peers("a.test"),
		}},
		"silent.test": {Domain: silent.Domain, Until: at(60)},
	}, all)

	stop := errors.New("stop")
	require.Equal(t, stop, b.Standing(t.Context(), func(store.Change) error { return stop }))
	g := graph.New(graph.Options{Now: b.now})
	require.NoError(t, store.Fill(t.Context(), b.Store, g, func(n xep.Name) bool { return n == silent.Domain }))
	require.Equal(t, 2, g.Snapshot().Len())

	g, asked := graph.New(graph.Options{Now: b.now}), make(map[xep.Name]bool)
	require.NoError(t, store.Fill(t.Context(), b.Store, g, func(n xep.Name) bool {
		again := asked[n]
		asked[n] = true
		return again
	}))
	require.True(t, g.Snapshot().IsEmpty(), "all were excluded while they were read")
}

func verdictEnds(t *testing.T, b *bed) {
	b.save(named("a.test", at(60), "b.test"), named("b.test", at(30), "a.test"))
	b.observe(0, "a.test b.test")
	b.set(at(30).Add(-time.Microsecond))
	require.Len(t, b.live(), 2)
	b.set(at(30))
	all := b.live()
	require.Len(t, all, 1)
	require.Empty(t, all["a.test"].Peers)
	_, err := b.Past(t.Context(), xep.MustName("b.test"))
	require.ErrorIs(t, err, store.ErrNotFound)
	past, err := b.Past(t.Context(), xep.MustName("a.test"))
	require.NoError(t, err)
	require.Len(t, past.Seen, 1)
	require.Empty(t, past.Links)
}

// nobody looks at all that the public side says for names that must not be there.
func nobody(t *testing.T, b *bed) {
	never, excluded, lapsed := unnamed("never.secret"), named("excluded.secret", at(60), "a.test"), named("lapsed.secret", at(10), "a.test")
	withdrew := named("withdrew.secret", at(60), "a.test")
	a := named("a.test", at(60), "never.secret", "excluded.secret", "lapsed.secret", "withdrew.secret", "unknown.secret", "b.test")
	b.save(never, excluded, lapsed, withdrew, a, named("b.test", at(60), "a.test", "lapsed.secret"))
	everyone := []string{
		"a.test b.test never.secret excluded.secret lapsed.secret withdrew.secret unknown.secret", "excluded.secret a.test",
		"lapsed.secret excluded.secret", "withdrew.secret lapsed.secret a.test", "never.secret lapsed.secret", "b.test lapsed.secret",
	}
	b.observe(0, everyone...)
	b.observe(5, everyone...)
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("excluded.secret"), Reason: "asked"}))
	require.NoError(t, b.Cache(t.Context(), store.Cached{Key: "providers", Body: []byte("unknown.secret")}))
	withdrew.Until, withdrew.Advertised, withdrew.Reported, withdrew.Report = time.Time{}, false, time.Time{}, nil
	b.save(withdrew)
	b.set(at(15))

	said := b.said()
	require.NotContains(t, said, "secret")
	require.Contains(t, said, "a.test")
	_, err := b.Sweep(t.Context(), store.Retention{Lapsed: time.Hour})
	require.NoError(t, err)
	require.Equal(t, said, b.said(), "a sweep removes only what was not shown")
}

// said is all that the public side says.
func (b *bed) said() string {
	b.t.Helper()
	all := []any{}
	reports := b.live()
	for _, d := range []string{"a.test", "b.test", "never.secret", "excluded.secret", "lapsed.secret", "withdrew.secret", "unknown.secret"} {
		p, err := b.Past(b.t.Context(), xep.MustName(d))
		all = append(all, reports[d], p, err)
		delete(reports, d)
	}
	require.Empty(b.t, reports)
	for _, minute := range []int{0, 5, 100} {
		m, err := b.Moment(b.t.Context(), at(minute))
		require.NoError(b.t, err)
		all = append(all, m)
	}
	s, err := b.Series(b.t.Context(), at(-1), at(100), 100)
	require.NoError(b.t, err)
	var out string
	for _, v := range append(all, s) {
		if p, ok := v.(*store.Past); ok && p != nil {
			v = *p
		}
		if m, ok := v.(*store.Moment); ok && m != nil {
			v = *m
		}
		out += fmt.Sprintf("%+v\n", v)
	}
	return out
}
