package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// dueAt is a record of a domain that is due some minutes after the start.
func dueAt(domain string, minutes int) crawl.Record {
	r := named(domain, at(600))
	r.Due = at(minutes)
	return r
}

// lease leases for ten minutes.
func (b *bed) lease(owner string, max int) []string {
	b.t.Helper()
	recs, err := b.Lease(b.t.Context(), owner, max, 10*time.Minute)
	require.NoError(b.t, err)
	return domains(recs)
}

func due(t *testing.T, b *bed) {
	require.Empty(t, b.lease("me", 5))
	b.save(dueAt("late.test", -1), dueAt("later.test", -2), dueAt("now.test", 0), dueAt("future.test", 1), dueAt("out.test", -9))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("out.test")}))
	recs, err := b.Lease(t.Context(), "me", 2, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []string{"later.test", "late.test"}, domains(recs))
	want := dueAt("later.test", -2)
	want.Report = nil
	require.Equal(t, want, recs[0])
	require.Equal(t, []string{"now.test"}, b.lease("me", 5))
	require.Empty(t, b.lease("other", 0))
	require.NoError(t, b.Readmit(t.Context(), xep.MustName("out.test")))
	require.Equal(t, []string{"out.test"}, b.lease("other", 5))
	_, err = b.Lease(t.Context(), "", 1, time.Minute)
	require.Error(t, err)
}

func leasesEnd(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0))
	require.Len(t, b.lease("dead", 1), 1)
	require.Empty(t, b.lease("alive", 1))
	b.set(at(10).Add(-time.Microsecond))
	require.Empty(t, b.lease("alive", 1))
	b.set(at(10))
	require.Len(t, b.lease("alive", 1), 1)
}

func renewal(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0), dueAt("b.test", 0), dueAt("c.test", 0))
	require.Len(t, b.lease("me", 2), 2)
	b.set(at(9))
	n, err := b.Renew(t.Context(), "me", 10*time.Minute)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	b.set(at(18))
	require.Len(t, b.lease("other", 3), 1)
	b.set(at(19))
	require.Len(t, b.lease("third", 1), 1)
	n, err = b.Renew(t.Context(), "me", 10*time.Minute)
	require.NoError(t, err)
	require.Equal(t, 1, n, "one was taken over, the other lives again")
	require.Empty(t, b.lease("fourth", 3))
}

func giveBack(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0), dueAt("b.test", 0))
	require.Len(t, b.lease("me", 2), 2)
	n, err := b.Renew(t.Context(), "me", 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Len(t, b.lease("other", 2), 2)
	n, err = b.Renew(t.Context(), "me", time.Hour)
	require.NoError(t, err)
	require.Zero(t, n)
}

func complete(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0), dueAt("b.test", 0), dueAt("gone.test", 0))
	require.Len(t, b.lease("me", 3), 3)
	done := dueAt("a.test", 30)
	done.Failures, done.Hash = 3, [32]byte{2}
	done.Report.Unnamed = 77
	lost, err := b.Complete(t.Context(), "me", store.Completion{
		Batch:     crawl.Batch{Records: []crawl.Record{done}, Gone: names("gone.test")},
		Mentioned: names("b.test", "new.test"),
	})
	require.NoError(t, err)
	require.Empty(t, lost)
	all := b.load()
	require.Len(t, all, 3)
	require.Equal(t, done, all["a.test"])
	require.Equal(t, []string{"new.test"}, b.lease("other", 9), "b.test is still leased")
	b.set(at(30))
	require.ElementsMatch(t, []string{"a.test", "b.test", "new.test"}, b.lease("other", 9))
}

func lost(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0), dueAt("b.test", 0), dueAt("c.test", 60))
	require.Len(t, b.lease("slow", 3), 2)
	b.set(at(20))
	taken := b.lease("quick", 1)
	require.Len(t, taken, 1)
	lost, err := b.Complete(t.Context(), "slow", store.Completion{Batch: crawl.Batch{
		Records: []crawl.Record{dueAt("a.test", 90), dueAt("b.test", 90)}, Gone: names("c.test", "nobody.test"),
	}})
	require.NoError(t, err)
	require.ElementsMatch(t, names(taken[0], "c.test", "nobody.test"), lost)
	all := b.load()
	require.Len(t, all, 3)
	for _, d := range []string{"a.test", "b.test"} {
		if d == taken[0] {
			require.Equal(t, at(0), all[d].Due, "somebody else's")
		} else {
			require.Equal(t, at(90), all[d].Due, "the lease has ended, but nobody took it")
		}
	}
	// A lease serves once.
	_, err = b.Complete(t.Context(), "quick", store.Completion{Batch: crawl.Batch{Records: []crawl.Record{dueAt(taken[0], 50)}}})
	require.NoError(t, err)
	lost, err = b.Complete(t.Context(), "quick", store.Completion{Batch: crawl.Batch{Records: []crawl.Record{dueAt(taken[0], 70)}}})
	require.NoError(t, err)
	require.Equal(t, names(taken[0]), lost)
	require.Equal(t, at(50), b.load()[taken[0]].Due)
}

func completeOrNot(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0))
	b.lease("me", 1)
	ctx, cancel := ended(t)
	defer cancel()
	_, err := b.Complete(ctx, "me", store.Completion{
		Batch: crawl.Batch{Records: []crawl.Record{dueAt("a.test", 60)}}, Mentioned: names("new.test"),
	})
	require.Error(t, err)
	require.Len(t, b.load(), 1)
	require.Equal(t, at(0), b.load()["a.test"].Due)
	require.Empty(t, b.lease("other", 1), "the lease stands")
}

func mentions(t *testing.T, b *bed) {
	b.save(dueAt("known.test", 60), dueAt("recent.test", 60))
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("out.test")}))
	mention := func(all ...string) {
		lost, err := b.Complete(t.Context(), "me", store.Completion{Mentioned: names(all...)})
		require.NoError(t, err)
		require.Empty(t, lost)
	}
	b.set(at(30))
	mention("recent.test", "out.test", "new.test", "new.test")
	b.set(start.Add(store.MentionPrecision + time.Minute))
	mention("known.test")
	all := b.load()
	require.Len(t, all, 3)
	require.Equal(t, start, all["recent.test"].Mentioned)
	require.Equal(t, b.now(), all["known.test"].Mentioned)
	require.NotNil(t, all["known.test"].Report)
	require.Equal(t, crawl.Record{Domain: xep.MustName("new.test"), Due: at(30), Added: at(30), Mentioned: at(30)}, all["new.test"])
}

// crawlers share the domains: each is handed out once.
func crawlers(t *testing.T, b *bed) {
	const domains, workers = 300, 6
	var all []crawl.Record
	for i := range domains {
		all = append(all, dueAt(fmt.Sprintf("d%d.test", i), -i%7))
	}
	b.save(all...)
	var mu sync.Mutex
	visits := make(map[string]int)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			owner := fmt.Sprint("worker", w)
			for {
				recs, err := b.Lease(t.Context(), owner, 7, time.Minute)
				if err != nil || len(recs) == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				done := store.Completion{Mentioned: names("d1.test", "d9.test", "d200.test")}
				mu.Lock()
				for i := range recs {
					visits[recs[i].Domain.String()]++
					recs[i].Due = at(60)
				}
				mu.Unlock()
				done.Records = recs
				if lost, err := b.Complete(t.Context(), owner, done); err != nil || len(lost) > 0 {
					t.Error(lost, err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, visits, domains)
	for d, n := range visits {
		require.Equal(t, 1, n, d)
	}
}

// alone is a crawler that saves without leases.
func alone(t *testing.T, b *bed) {
	b.save(dueAt("a.test", 0))
	require.Len(t, b.lease("me", 1), 1)
	b.save(dueAt("a.test", -5))
	require.Empty(t, b.lease("other", 1), "its lease is none of Save's business")
}

// unchanged tells a report by the hash of its payload.
func unchanged(t *testing.T, b *bed) {
	b.save(named("a.test", at(60), "b.test"))
	other := named("a.test", at(90))
	other.Reported = at(30)
	b.save(other)
	got := b.load()["a.test"]
	require.Equal(t, at(30), got.Reported)
	require.Equal(t, at(90), got.Until)
	require.Equal(t, []graph.Peer{{Name: xep.MustName("b.test"), Directions: graph.Out}}, got.Report.Peers, "the same hash is the same report")
	other.Hash = [32]byte{9}
	b.save(other)
	require.Empty(t, b.load()["a.test"].Report.Peers)

	none := named("none.test", at(60), "b.test")
	none.Hash = [32]byte{}
	b.save(none)
	none.Report = &graph.Report{Domain: none.Domain, At: at(1)}
	b.save(none)
	require.Empty(t, b.load()["none.test"].Report.Peers, "no hash tells nothing")
}

// anyBytes are in what strangers say about themselves, and must not make a batch fail for ever.
func anyBytes(t *testing.T, b *bed) {
	rec := named("a.test", at(60))
	rec.Node.Node = "\x00 \xff \u0001"
	rec.Report.Software, rec.Report.Version = "\x00\xff", "\x80"
	rec.Failures = 1 << 40
	b.save(rec)
	require.Equal(t, rec, b.load()["a.test"])
}
