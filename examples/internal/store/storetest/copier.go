package storetest

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Populate puts something of everything into an empty store.
func Populate(t *testing.T, b store.Store, now graph.Options) {
	t.Helper()
	at := now.Now()
	var recs []crawl.Record
	g := graph.New(now)
	for i, name := range []string{"z.test", "a.test", "m.test"} {
		r := crawl.Record{
			Domain: xep.MustName(name), Due: at, Added: at, Answered: at, Advertised: true, Until: at.Add(1e12), Reported: at,
			Hash: [32]byte{byte(i)},
		}
		r.Report = &graph.Report{Domain: r.Domain, At: at, Until: r.Until, Unnamed: i, Peers: []graph.Peer{{Name: xep.MustName("a.test"), Until: r.Until}}}
		g.Apply(*r.Report)
		recs = append(recs, r)
	}
	recs = append(recs, crawl.Record{Domain: xep.MustName("quiet.test"), Due: at, Failures: 3})
	require.NoError(t, b.Save(t.Context(), crawl.Batch{Records: recs}))
	require.NoError(t, b.Observe(t.Context(), g.Snapshot()))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("out.test"), Since: at, Reason: "asked"}))
	require.NoError(t, b.Cache(t.Context(), store.Cached{Key: "k", ETag: "\"\x00\"", Fetched: at, Body: []byte{0, 255}}))
	require.NoError(t, b.Cache(t.Context(), store.Cached{Key: "empty", Fetched: at}))
}

// Rows are all rows of a store as text, sorted.
func Rows(t *testing.T, b store.Store) (all []string) {
	t.Helper()
	require.NoError(t, b.Dump(t.Context(), func(r store.Row) error {
		line, err := json.Marshal(append([]any{r.Table}, r.Values...))
		all = append(all, string(line))
		return err
	}))
	slices.Sort(all)
	return all
}

func rowsOf(t *testing.T, s store.Store) (rows []store.Row) {
	t.Helper()
	require.NoError(t, s.Dump(t.Context(), func(r store.Row) error {
		rows = append(rows, r)
		return nil
	}))
	return rows
}

func each(rows []store.Row, last error) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if last != nil {
			yield(store.Row{}, last)
		}
	}
}

func copies(t *testing.T, b *bed) {
	require.Empty(t, Rows(t, b.Store))
	Populate(t, b.Store, graph.Options{Now: b.now})
	rows, want := rowsOf(t, b.Store), Rows(t, b.Store)
	require.Greater(t, len(want), 12)
	other := b.another(t)
	failed := errors.New("the file is damaged")
	require.ErrorIs(t, other.Fill(t.Context(), each(rows, failed)), failed)
	require.Empty(t, Rows(t, other), "all or nothing")
	require.NoError(t, other.Fill(t.Context(), each(rows, nil)))
	require.Equal(t, want, Rows(t, other))
	require.ErrorIs(t, other.Fill(t.Context(), each(rows, nil)), store.ErrNotEmpty)
	past, err := other.Past(t.Context(), xep.MustName("z.test"))
	require.NoError(t, err)
	require.Len(t, past.Links, 1)
	stop := errors.New("enough")
	require.ErrorIs(t, other.Dump(t.Context(), func(store.Row) error { return stop }), stop)
}
