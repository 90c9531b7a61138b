package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

func (b *bed) sweep(r store.Retention) store.Swept {
	b.t.Helper()
	s, err := b.Sweep(b.t.Context(), r)
	require.NoError(b.t, err)
	return s
}

// triangle observes three domains that are all linked.
func (b *bed) triangle() {
	b.t.Helper()
	b.may("a.test", "b.test", "c.test")
	b.observe(0, "a.test b.test c.test", "b.test c.test")
	b.observe(5, "a.test b.test c.test", "b.test c.test")
}

// withdrawn consent takes the name from history, and leaves the counts.
func withdrawn(t *testing.T, b *bed) {
	b.triangle()
	require.Equal(t, store.Swept{}, b.sweep(store.Retention{Lapsed: time.Hour}))
	b.save(unnamed("b.test"))
	require.Equal(t, names("a.test", "c.test"), shown(b.moment(0)))
	require.Equal(t, store.Swept{Names: 1, Intervals: 3}, b.sweep(store.Retention{Lapsed: time.Hour}))
	b.may("b.test")
	require.Empty(t, b.past("b.test").Seen, "who opts in again begins anew")
	m := b.moment(0)
	require.Equal(t, names("a.test", "c.test"), shown(m))
	require.Len(t, m.Links, 1)
	require.Equal(t, graph.Counts{Domains: 3, Reporting: 2, Links: 3}, m.Counts)
	require.Equal(t, store.Swept{}, b.sweep(store.Retention{}))
}

// lapsed verdicts may only mean that a domain was out of reach.
func lapsed(t *testing.T, b *bed) {
	b.triangle()
	b.save(named("b.test", at(10)))
	silent := named("c.test", at(10))
	b.save(silent)
	// A crawler that starts again after the end of the verdict does not know better.
	silent.Until = time.Time{}
	b.save(silent)
	b.set(at(30))
	keep := store.Retention{Lapsed: 30 * time.Minute}
	require.Equal(t, store.Swept{}, b.sweep(keep))
	require.Equal(t, names("a.test"), shown(b.moment(5)))
	b.save(named("c.test", at(60)))
	require.Equal(t, names("a.test", "c.test"), shown(b.moment(5)), "it has only been out of reach")
	b.set(at(41))
	require.Equal(t, store.Swept{Names: 1, Intervals: 3}, b.sweep(keep))
	b.set(at(60))
	require.Equal(t, store.Swept{Names: 1, Intervals: 2}, b.sweep(store.Retention{}), "nothing is kept unless asked for")
}

func sweptExclusion(t *testing.T, b *bed) {
	b.triangle()
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("b.test")}))
	require.Equal(t, store.Swept{Names: 1, Intervals: 3}, b.sweep(store.Retention{Lapsed: time.Hour}))
	require.NoError(t, b.Readmit(t.Context(), xep.MustName("b.test")))
	require.Empty(t, b.past("b.test").Seen)
}

func retention(t *testing.T, b *bed) {
	b.may("a.test", "b.test")
	b.observe(0, "a.test b.test")
	b.observe(5, "a.test")
	b.observe(10, "a.test b.test")
	require.Equal(t, store.Swept{}, b.sweep(store.Retention{History: 10 * time.Minute}))
	require.Equal(t, store.Swept{Intervals: 2, Counts: 1}, b.sweep(store.Retention{History: 7 * time.Minute}))
	require.Equal(t, []store.Interval{since(10, 10)}, b.past("b.test").Seen)
	require.Equal(t, []store.Interval{since(0, 10)}, b.past("a.test").Seen)
}

func purge(t *testing.T, b *bed) {
	b.triangle()
	a := named("a.test", at(60), "b.test", "c.test", "b.test")
	a.Hash = [32]byte{7}
	hosted := named("hosted.test", at(60))
	hosted.Node = xep.NodeURI{Service: jid.MustParse("b.test"), Node: xep.DefaultNode}
	hosted.Default, hosted.Subscribed = true, true
	b.save(a, hosted)
	got, err := b.Purge(t.Context(), xep.MustName("b.test"))
	require.NoError(t, err)
	require.Equal(t, store.Purged{Known: true, Reports: 1}, got)

	all := b.load()
	require.NotContains(t, all, "b.test")
	want := a
	report := *a.Report
	report.Peers, report.Unnamed = []graph.Peer{{Name: xep.MustName("c.test"), Directions: graph.Out}}, 3
	want.Report = &report
	require.Equal(t, want, all["a.test"])
	require.True(t, all["hosted.test"].Node.IsZero())
	require.False(t, all["hosted.test"].Subscribed)
	require.Equal(t, names("a.test", "c.test"), shown(b.moment(0)))
	require.Equal(t, 3, b.moment(0).Counts.Domains)

	b.may("b.test")
	require.Equal(t, &store.Past{}, b.past("b.test"))
	b.observe(10, "a.test b.test")
	require.Equal(t, []store.Interval{since(10, 10)}, b.past("b.test").Seen)
}

func purgeUnknown(t *testing.T, b *bed) {
	b.triangle()
	got, err := b.Purge(t.Context(), xep.MustName("nobody.test"))
	require.NoError(t, err)
	require.Equal(t, store.Purged{}, got)
	require.Len(t, b.load(), 3)
}

func purgeParts(t *testing.T, b *bed) {
	rec := named("a.test", at(60), "sub.b.test", "b.test.example", "xb.test")
	b.save(rec)
	got, err := b.Purge(t.Context(), xep.MustName("b.test"))
	require.NoError(t, err)
	require.Equal(t, store.Purged{}, got)
	require.Equal(t, rec, b.load()["a.test"])
}

func exclusions(t *testing.T, b *bed) {
	list := func() []store.Exclusion {
		all, err := b.Exclusions(t.Context())
		require.NoError(t, err)
		return all
	}
	require.Empty(t, list())
	z := store.Exclusion{Domain: xep.MustName("z.test"), Since: at(1), Reason: "asked by <admin>"}
	a := store.Exclusion{Domain: xep.MustName("a.test"), Since: at(2)}
	require.NoError(t, b.Exclude(t.Context(), z, a))
	require.Equal(t, []store.Exclusion{a, z}, list())
	a.Reason = "again"
	require.NoError(t, b.Exclude(t.Context(), a))
	b.Store = b.reopen()
	require.Equal(t, []store.Exclusion{a, z}, list())
	require.NoError(t, b.Readmit(t.Context(), names("z.test", "nobody.test")...))
	require.Equal(t, []store.Exclusion{a}, list())
	require.NoError(t, b.Exclude(t.Context()))
	require.NoError(t, b.Readmit(t.Context()))
}

func documents(t *testing.T, b *bed) {
	_, err := b.Cached(t.Context(), "providers")
	require.ErrorIs(t, err, store.ErrNotFound)
	want := store.Cached{Key: "providers", ETag: `W/"1"`, Fetched: at(1), Body: []byte("{\"\x00ü\"}")}
	require.NoError(t, b.Cache(t.Context(), want))
	require.NoError(t, b.Cache(t.Context(), store.Cached{Key: "empty"}))
	b.Store = b.reopen()
	got, err := b.Cached(t.Context(), "providers")
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = b.Cached(t.Context(), "empty")
	require.NoError(t, err)
	require.Empty(t, got.Body)
	want.Body, want.ETag = []byte("new"), ""
	require.NoError(t, b.Cache(t.Context(), want))
	got, err = b.Cached(t.Context(), "providers")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func ended(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// calls are all methods but those of crawl.Store.
func calls(ctx context.Context, s store.Store, now time.Time) map[string]error {
	out := make(map[string]error)
	for _, err := range s.Live(ctx) {
		out["Live"] = err
	}
	_, out["Moment"] = s.Moment(ctx, now)
	_, out["Past"] = s.Past(ctx, xep.MustName("a.test"))
	_, out["Series"] = s.Series(ctx, now, now, 1)
	out["Observe"] = s.Observe(ctx, snapshot(now, "a.test"))
	_, out["Sweep"] = s.Sweep(ctx, store.Retention{History: 1})
	_, out["Purge"] = s.Purge(ctx, xep.MustName("a.test"))
	out["Exclude"] = s.Exclude(ctx, store.Exclusion{Domain: xep.MustName("a.test")})
	out["Readmit"] = s.Readmit(ctx, xep.MustName("a.test"))
	_, out["Exclusions"] = s.Exclusions(ctx)
	_, out["Cached"] = s.Cached(ctx, "x")
	out["Note"] = s.Note(ctx, visit("a.test", 0))
	_, out["Visited"] = s.Visited(ctx, xep.MustName("a.test"))
	out["Cache"] = s.Cache(ctx, store.Cached{Key: "x"})
	return out
}

func contexts(t *testing.T, b *bed) {
	b.may("a.test")
	b.observe(0, "a.test")
	live, moment, all := b.live(), b.moment(0), b.load()
	ctx, cancel := ended(t)
	defer cancel()
	b.set(at(5))
	for name, err := range calls(ctx, b.Store, at(5)) {
		require.ErrorIs(t, err, context.Canceled, name)
	}
	require.Equal(t, live, b.live())
	require.Equal(t, moment, b.moment(0))
	require.Equal(t, all, b.load())
	require.Equal(t, at(0), b.moment(5).At)
}

func closed(t *testing.T, b *bed) {
	b.may("a.test")
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	for name, err := range calls(t.Context(), b.Store, at(5)) {
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrNotFound, name)
	}
	require.Error(t, b.Save(t.Context(), crawl.Batch{Records: []crawl.Record{unnamed("b.test")}}))
	b.Store = b.reopen()
	require.Len(t, b.load(), 1)
}

// together makes calls of all kinds at once: none fails, and the race detector has something to look at.
func together(t *testing.T, b *bed) {
	b.triangle()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5 {
				rec := named(fmt.Sprintf("w%d-%d.test", w, i), at(60), "a.test", "b.test")
				if err := b.Save(t.Context(), crawl.Batch{Records: []crawl.Record{rec}}); err != nil {
					t.Error("Save", err)
				}
				for name, err := range calls(t.Context(), b.Store, at(10+5*w+i)) {
					if err != nil && name != "Cached" && name != "Visited" && name != "Past" && name != "Moment" {
						t.Error(name, err)
					}
				}
				for _, err := range b.Load(t.Context()) {
					if err != nil {
						t.Error("Load", err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Contains(t, b.load(), "w3-4.test")
}

// readerAndWriter saves in the middle of loading.
func readerAndWriter(t *testing.T, b *bed) {
	b.may("a.test", "b.test", "c.test")
	n := 0
	for rec, err := range b.Load(t.Context()) {
		require.NoError(t, err)
		rec.Failures++
		b.save(rec)
		require.Len(t, b.live(), 3)
		n++
	}
	require.Equal(t, 3, n)
	for _, rec := range b.load() {
		require.Equal(t, 1, rec.Failures)
	}
}
