package crawl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// crawlFor runs a crawler for some time, to its orderly end, and returns its events.
func crawlFor(t *testing.T, c *Crawler, g *graph.Graph, d time.Duration) (all []Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for ev := range c.Run(ctx) {
		ev.Apply(g)
		all = append(all, ev)
	}
	return all
}

func TestRestartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test", "quiet.test", "")
		n.report("b.test", "a.test")
		n.set("quiet.test", &fakeDomain{})
		n.report("c.test", "dead.test")
		store := new(MemoryStore)
		c, g := newCrawler(n, "a.test", "c.test")
		c.Store = store
		crawlFor(t, c, g, 10*time.Minute)
		require.NoError(t, c.Err())
		before := g.Snapshot()
		require.Equal(t, []string{"a.test", "b.test", "c.test"}, shown(g))
		asked := n.count("")

		pass(2 * time.Minute)
		again, g2 := newCrawler(n)
		again.Store = store
		evs := crawlFor(t, again, g2, time.Minute)
		require.Equal(t, asked, n.count(""), "nobody is due yet")
		require.Equal(t, before.Counts(), g2.Snapshot().Counts())
		require.Equal(t, []string{"a.test", "b.test", "c.test"}, shown(g2))
		for _, d := range []string{"a.test", "b.test", "c.test"} {
			require.Equal(t, []Kind{ConsentGiven, ReportUnchanged}, kindsOf(evs, d))
		}
		require.Empty(t, kindsOf(evs, "quiet.test"))

		evs = crawlFor(t, again, g2, 2*DefaultInterval)
		require.Greater(t, n.count(""), asked)
		require.NotContains(t, kindsOf(evs, "a.test"), ReportAccepted, "the payload is the one of before the restart")
		require.Equal(t, 5, knownTo(store))
	})
}

func knownTo(s *MemoryStore) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

// A restart must not name anybody whose verdict has ended meanwhile.
func TestRestartNamesNobodyWithoutVerdict(t *testing.T) {
	tests := map[string]func(n *fakeNet, s *MemoryStore, c *Crawler){
		"it has ended":    func(*fakeNet, *MemoryStore, *Crawler) { time.Sleep(3 * DefaultInterval) },
		"excluded since":  func(_ *fakeNet, _ *MemoryStore, c *Crawler) { c.Exclude = func(xep.Name) bool { return true } },
		"policy since":    func(n *fakeNet, _ *MemoryStore, c *Crawler) { c.Consent = excluding(n) },
		"shorter verdict": func(n *fakeNet, _ *MemoryStore, c *Crawler) { shortLived(n, c) },
		"the clock was set back": func(_ *fakeNet, s *MemoryStore, _ *Crawler) {
			s.edit(func(r *Record) { r.Answered, r.Until = r.Answered.Add(time.Hour), r.Until.Add(time.Hour) })
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test", "b.test")
				n.report("b.test", "a.test")
				c, g := newCrawler(n, "a.test")
				c.Store = new(MemoryStore)
				crawlFor(t, c, g, time.Minute)
				require.Len(t, shown(g), 2)

				n.set("a.test", &fakeDomain{silent: true})
				n.set("b.test", &fakeDomain{silent: true})
				again, g2 := newCrawler(n)
				again.Store = c.Store
				change(n, c.Store.(*MemoryStore), again)
				for rec, err := range c.Store.Load(t.Context()) {
					require.NoError(t, err)
					g2.Consent(rec.Domain, rec.Until)
					g2.Apply(*rec.Report)
				}
				evs := crawlFor(t, again, g2, 20*time.Minute)
				require.Empty(t, shown(g2))
				for _, ev := range evs {
					require.False(t, ev.Until.After(time.Now()))
				}
			})
		})
	}
}

func (m *MemoryStore) edit(f func(*Record)) {
	for name, r := range m.records {
		f(&r)
		m.records[name] = r
	}
}

func excluding(n *fakeNet) *optin.Checker {
	return &optin.Checker{Session: n, Policy: optin.Policy{Excluded: func(xep.Name) bool { return true }}}
}

// shortLived lets the operator shorten the lives of verdicts, and that time pass.
func shortLived(n *fakeNet, c *Crawler) {
	c.Consent = &optin.Checker{Session: n, NamedTTL: time.Minute}
}

// Events of visits come after all those of the store.
func TestRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		for i := range 3 * restoreBatch {
			n.report(fmt.Sprintf("d%d.test", i), fmt.Sprintf("d%d.test", i+1))
		}
		c, g := newCrawler(n, "d0.test")
		store := new(MemoryStore)
		c.Spacing, c.Store = -1, store
		require.NotNil(t, crawlFor(t, c, g, DefaultInterval/2)[0].Visit)
		c, _ = newCrawler(n)
		c.Spacing, c.Store = -1, store
		var kept, visits int
		ctx, cancel := context.WithTimeout(t.Context(), 2*DefaultInterval)
		defer cancel()
		for ev := range c.Run(ctx) {
			if ev.Visit == nil {
				kept++
				require.False(t, c.Stats().Restored)
				continue
			}
			visits++
			require.True(t, c.Stats().Restored)
		}
		require.Positive(t, visits)
		require.Positive(t, kept)
	})
}

// A failure after a restart neither prolongs a verdict nor shortens it.
func TestRestartAndThenSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test", "a.test")
		store := new(MemoryStore)
		c, g := newCrawler(n, "a.test")
		c.Store = store
		crawlFor(t, c, g, time.Minute)
		n.set("b.test", &fakeDomain{silent: true})
		again, g2 := newCrawler(n, "a.test")
		again.Store = store
		events := background(t, again, g2)
		pass(DefaultInterval + 10*time.Minute)
		require.Contains(t, kindsOf(events(), "b.test"), VisitFailed)
		require.Equal(t, []string{"a.test", "b.test"}, shown(g2))
		pass(DefaultInterval)
		events()
		require.Equal(t, []string{"a.test"}, shown(g2))
		require.Contains(t, kindsOf(events(), "b.test"), ConsentLost)
	})
}

// Subscriptions of before a restart are renewed, and the items that were published meanwhile fetched.
func TestRestartWithSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test")
		store := new(MemoryStore)
		c, g := listening(n, "a.test")
		c.Store, c.Farewell = store, -1
		crawlFor(t, c, g, time.Minute)
		require.Len(t, n.subscribed(), 2)
		n.report("b.test", "", "")
		again, g2 := listening(n, "a.test")
		again.Store = store
		background(t, again, g2)
		pass(reconnectSpread + time.Minute)
		require.Equal(t, 2, again.Stats().Subscribed)
		require.Equal(t, 2, g2.Snapshot().Counts().Unnamed)
		notify(t, again, "pubsub.b.test", item("serverinfo", block("b.test", "", "", "")))
		synctest.Wait()
		require.Equal(t, 3, g2.Snapshot().Counts().Unnamed)
	})
}

// What fails to be saved is saved later, and visits wait rather than pile up.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test")
		store := &flaky{err: errors.New("the disk is full")}
		c, g := newCrawler(n, "a.test")
		c.Store = store
		background(t, c, g)
		pass(time.Minute)
		require.ErrorIs(t, c.Stats().SaveErr, store.err)
		require.Equal(t, 2, c.Stats().Unsaved)
		require.Equal(t, []string{"a.test", "b.test"}, shown(g))
		store.fail(nil)
		pass(time.Minute)
		require.NoError(t, c.Stats().SaveErr)
		require.Zero(t, c.Stats().Unsaved)
		require.NotNil(t, store.records[xep.MustName("a.test")].Report)
	})
}

func TestStoreThatCantBeRead(t *testing.T) {
	n := newFakeNet()
	n.report("a.test")
	c, _ := newCrawler(n, "a.test")
	want := errors.New("not a database")
	c.Store = &flaky{loadErr: want}
	for range c.Run(t.Context()) {
		t.Fatal("an event")
	}
	require.ErrorIs(t, c.Err(), want)
	require.Zero(t, n.count(""))
}

// TestEndWhileLoading ends a run whose store gives up for that very reason.
func TestEndWhileLoading(t *testing.T) {
	c, _ := newCrawler(newFakeNet(), "a.test")
	c.Store = &flaky{loadErr: errors.New("interrupted")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range c.Run(ctx) {
		require.Fail(t, "an event")
	}
	require.NoError(t, c.Err())
}

func TestStoreForgetsWhoIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "dead.test", "quiet.test")
		n.set("quiet.test", &fakeDomain{})
		store := new(MemoryStore)
		c, g := newCrawler(n, "a.test")
		c.Store = store
		background(t, c, g)
		pass(time.Minute)
		require.Equal(t, 3, knownTo(store))
		n.report("a.test")
		pass(DefaultGiveUp + 2*maxBackoff)
		require.Equal(t, 1, knownTo(store))
	})
}

// flaky is a store that can fail.
type flaky struct {
	MemoryStore
	lock         sync.Mutex
	err, loadErr error
}

func (f *flaky) fail(err error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.err = err
}

func (f *flaky) Save(ctx context.Context, b Batch) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.err != nil {
		return f.err
	}
	return f.MemoryStore.Save(ctx, b)
}

func (f *flaky) Load(ctx context.Context) iter.Seq2[Record, error] {
	if f.loadErr != nil {
		return func(yield func(Record, error) bool) { yield(Record{}, f.loadErr) }
	}
	return f.MemoryStore.Load(ctx)
}

// A domain that reports still name is not begun anew with each of them once it was given up.
func TestGivenUpAndStillNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "dead.test")
		c, g := newCrawler(n, "a.test")
		events := background(t, c, g)
		pass(DefaultGiveUp + 2*maxBackoff)
		require.Contains(t, kindsOf(events(), "dead.test"), DomainGone)
		before := len(n.questions("dead.test"))
		pass(4 * DefaultGiveUp)
		require.LessOrEqual(t, len(n.questions("dead.test"))-before, 6)
		gone := slices.DeleteFunc(kindsOf(events(), "dead.test"), func(k Kind) bool { return k != DomainGone })
		require.Len(t, gone, 1, "it is told once")

		n.report("dead.test")
		pass(DefaultGiveUp)
		require.Contains(t, shown(g), "dead.test")
		events()
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		var seeds []string
		for i := range 400 {
			seeds = append(seeds, fmt.Sprintf("d%d.test", i))
			n.report(seeds[i])
		}
		c, g := newCrawler(n, seeds...)
		c.Rate, c.Concurrency, c.Interval = 10, 100, 24*time.Hour
		events := background(t, c, g)
		pass(time.Minute)
		events()
		require.InDelta(t, 600, n.count(""), 20)
		pass(time.Hour)
		require.NotContains(t, kindsOf(events(), "d399.test"), VisitFailed, "whom we made wait has not failed")
		require.Len(t, shown(g), 400)
	})
}

func TestFailuresByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		n.set("silent.test", &fakeDomain{silent: true})
		n.set("broken.test", &fakeDomain{fail: "internal-server-error"})
		n.set("uri.test", &fakeDomain{feature: true, uri: "nonsense"})
		n.set("nowhere.test", &fakeDomain{feature: true, host: "gone.test"})
		n.report("foreign.test")
		n.publish("pubsub.foreign.test serverinfo", block("a.test"))
		n.report("odd.test")
		n.publish("pubsub.odd.test serverinfo", "<domain/><oops")
		c, g := newCrawler(n, "a.test", "silent.test", "broken.test", "missing.test", "uri.test", "nowhere.test", "foreign.test", "odd.test")
		background(t, c, g)
		pass(20 * time.Minute)
		require.Equal(t, map[Failure]uint64{
			FailureTimeout: 1, FailureError: 1, FailureUnreachable: 1, FailureLocation: 2, FailureForeign: 1, FailureMalformed: 1,
		}, c.Stats().Failures)
		require.Equal(t, map[Reason]uint64{ReasonElsewhere: 1}, c.Stats().Quarantined)
	})
}

// A domain that is excluded while the crawl runs is neither asked nor named any more.
func TestExcludedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test", "a.test")
		var mu sync.Mutex
		excluded := false
		c, g := newCrawler(n, "a.test")
		c.Exclude = func(n xep.Name) bool {
			mu.Lock()
			defer mu.Unlock()
			return excluded && n.String() == "b.test"
		}
		events := background(t, c, g)
		pass(time.Minute)
		require.Equal(t, []string{"a.test", "b.test"}, shown(g))
		asked := len(n.questions("b.test"))
		mu.Lock()
		excluded = true
		mu.Unlock()
		pass(DefaultInterval + time.Minute)
		require.Equal(t, asked, len(n.questions("b.test")))
		require.Contains(t, kindsOf(events(), "b.test"), ConsentLost)
		require.Equal(t, []string{"a.test"}, shown(g))
		require.Equal(t, 1, c.Stats().Known)
	})
}

func TestDueIsKept(t *testing.T) {
	now := time.Unix(1e9, 0)
	f := newFrontier(100, 1)
	for i := range 10 {
		e, isNew := f.add(xep.MustName(fmt.Sprintf("d%d.test", i)), now.Add(time.Duration(i)*time.Minute))
		require.True(t, isNew)
		require.Equal(t, placeQueued, e.place)
	}
	require.Equal(t, 1, f.due(now))
	require.Equal(t, 3, f.due(now.Add(2*time.Minute)))
	later := f.entries[xep.MustName("d9.test")]
	f.hasten(later, now)
	require.Equal(t, 4, f.due(now.Add(2*time.Minute)))
	f.hasten(later, now)
	for _, want := range []string{"d0.test", "d1.test", "d2.test", "d9.test"} {
		e, _ := f.take(now.Add(2 * time.Minute))
		require.Equal(t, want, e.name.String())
	}
	e, wait := f.take(now.Add(2 * time.Minute))
	require.Nil(t, e)
	require.Equal(t, time.Minute, wait)
	require.Equal(t, 4, f.inFlight)
	f.drop(later)
	require.Len(t, f.entries, 9)
	require.False(t, f.idle())
}
