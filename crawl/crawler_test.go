package crawl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// newCrawler returns a crawler of a fake network, and a graph that its events are applied to.
func newCrawler(n *fakeNet, seeds ...string) (*Crawler, *graph.Graph) {
	return &Crawler{Session: n, Contact: "mailto:ops@example.org", Seeds: seeds}, graph.New(graph.Options{MaxAge: 30 * 24 * time.Hour})
}

// background runs a crawler in a synctest bubble; the returned function gives the events so far.
func background(t *testing.T, c *Crawler, g *graph.Graph) func() []Event {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var all []Event
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range c.Run(ctx) {
			ev.Apply(g)
			mu.Lock()
			all = append(all, ev)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return func() []Event {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func shown(g *graph.Graph) (ns []string) {
	for d := range g.Snapshot().Domains() {
		ns = append(ns, d.Name.String())
	}
	return ns
}

func kindsOf(evs []Event, domain string) (ks []Kind) {
	for _, ev := range evs {
		if ev.Domain.String() == domain {
			ks = append(ks, ev.Kind)
		}
	}
	return ks
}

func TestCrawlReachesWhomReportsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test", "quiet.test", "gone.test", "")
		n.report("b.test", "a.test", "c.test", "crawler.me.test")
		n.report("c.test", "b.test", "", "")
		n.report("island.test", "a.test")
		n.set("quiet.test", &fakeDomain{})
		c, g := newCrawler(n, "a.test")
		c.Once = true
		for ev := range c.Run(t.Context()) {
			ev.Apply(g)
		}
		require.NoError(t, c.Err())
		require.Equal(t, []string{"a.test", "b.test", "c.test"}, shown(g))
		counts := g.Snapshot().Counts()
		require.Equal(t, graph.Counts{Domains: 3, Reporting: 3, Links: 2, Mutual: 2, Unnamed: 5}, counts)
		require.Empty(t, n.questions("island.test"), "nobody names it")
		require.Empty(t, n.questions("crawler.me.test"), "that is us")
	})
}

func TestCrawlOfLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("victim.test", "friend.test")
		n.report("friend.test", "victim.test")
		n.set("shy.test", &fakeDomain{})
		// liar speaks for others on its own node, and names whom it isn't connected to.
		n.report("liar.test")
		n.publish("pubsub.liar.test serverinfo", block("liar.test", "victim.test")+
			block("victim.test", "liar.test", "evil.test")+block("shy.test", "liar.test"))
		// thief points at another's node.
		n.set("thief.test", &fakeDomain{feature: true, uri: "xmpp:pubsub.victim.test?;node=serverinfo"})
		c, g := newCrawler(n, "victim.test", "friend.test", "liar.test", "thief.test")
		events := background(t, c, g)
		pass(3 * DefaultInterval)
		evs := events()

		snap := g.Snapshot()
		_, ok := snap.Link(xep.MustName("victim.test"), xep.MustName("evil.test"))
		require.False(t, ok)
		link, ok := snap.Link(xep.MustName("liar.test"), xep.MustName("victim.test"))
		require.True(t, ok)
		require.Equal(t, graph.StateOneSided, link.State, "nobody confirms what the liar claims")
		require.NotContains(t, shown(g), "shy.test")
		require.Contains(t, kindsOf(evs, "thief.test"), VisitFailed)
		for l := range snap.Links() {
			require.NotEqual(t, "thief.test", l.A.String())
			require.NotEqual(t, "thief.test", l.B.String())
		}

		var last Event
		for _, ev := range evs {
			if ev.Kind == ReportQuarantined && ev.Domain.String() == "liar.test" {
				last = ev
			}
		}
		require.Equal(t, []Quarantined{
			{Domain: xep.MustName("victim.test"), Written: "victim.test", Reason: ReasonElsewhere},
			{Domain: xep.MustName("shy.test"), Written: "shy.test", Reason: ReasonNotAdvertised},
		}, last.Quarantined)
	})
}

// One node may serve all domains of a server: each gets its own part once its own disco points there.
func TestCrawlOfSeveralHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		const uri = "xmpp:pubsub.a.test?;node=serverinfo"
		n.set("a.test", &fakeDomain{feature: true, uri: uri})
		n.set("b.test", &fakeDomain{feature: true, uri: uri})
		n.publish("pubsub.a.test serverinfo", block("a.test", "")+block("b.test", "a.test", "", ""))
		c, g := newCrawler(n, "a.test")
		events := background(t, c, g)
		pass(3 * DefaultInterval)
		require.Equal(t, graph.Counts{Domains: 2, Reporting: 2, Links: 1, Unnamed: 3}, g.Snapshot().Counts())
		evs := events()
		require.NotContains(t, kindsOf(evs[len(evs)/2:], "a.test"), ReportQuarantined, "both point here")
	})
}

func TestRevocation(t *testing.T) {
	tests := map[string]func(*fakeNet){
		"the feature withdrawn": func(n *fakeNet) { n.set("b.test", &fakeDomain{}) },
		"no answer":             func(n *fakeNet) { n.set("b.test", &fakeDomain{silent: true}) },
		"errors":                func(n *fakeNet) { n.set("b.test", &fakeDomain{fail: "internal-server-error"}) },
	}
	for name, withdraw := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test", "b.test")
				n.report("b.test", "a.test", "")
				c, g := newCrawler(n, "a.test")
				const life = 2 * DefaultInterval
				c.Consent = &optin.Checker{Session: n, NamedTTL: life}
				events := background(t, c, g)
				pass(5*DefaultInterval + time.Minute)
				require.Equal(t, []string{"a.test", "b.test"}, shown(g))

				withdraw(n)
				for range 40 {
					pass(life / 40)
					events()
				}
				require.Equal(t, []string{"a.test"}, shown(g), "the name outlives the verdict")
				require.Equal(t, graph.Counts{Domains: 1, Reporting: 1, Unnamed: 1}, g.Snapshot().Counts())
				pass(time.Minute)
				require.Contains(t, kindsOf(events(), "b.test"), ConsentLost)

				n.report("b.test", "a.test", "")
				pass(maxBackoff)
				events()
				require.Equal(t, []string{"a.test", "b.test"}, shown(g), "it has come back")
			})
		})
	}
}

func TestUnchangedAndWithdrawnReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test", "")
		n.report("b.test")
		c, g := newCrawler(n, "a.test")
		events := background(t, c, g)
		pass(DefaultInterval + time.Minute)
		require.Equal(t, []Kind{ConsentGiven, ReportAccepted, ConsentGiven, ReportUnchanged}, kindsOf(events(), "a.test")[:4])

		n.publish("pubsub.a.test serverinfo", "")
		pass(DefaultInterval)
		require.Contains(t, kindsOf(events(), "a.test"), ReportWithdrawn)
		require.Zero(t, g.Snapshot().Counts().Unnamed)
		require.Zero(t, g.Snapshot().Counts().Links)
	})
}

func TestSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		// All share one service, as the customers of a hoster do.
		var seeds []string
		for i := range 12 {
			name := fmt.Sprintf("d%d.test", i)
			node := "serverinfo/" + name
			n.set(name, &fakeDomain{feature: true, uri: "xmpp:pubsub.host.test?;node=" + node})
			n.publish("pubsub.host.test "+node, block(name))
			seeds = append(seeds, name)
		}
		c, g := newCrawler(n, seeds...)
		c.Once = true
		reports := 0
		for ev := range c.Run(t.Context()) {
			ev.Apply(g)
			if ev.Kind == ReportAccepted {
				reports++
			}
		}
		require.Equal(t, 12, reports)
		at := n.questions("pubsub.host.test")
		slices.SortFunc(at, time.Time.Compare)
		require.GreaterOrEqual(t, len(at), 24)
		for i := range at[1:] {
			require.GreaterOrEqual(t, at[i+1].Sub(at[i]), DefaultSpacing)
		}
	})
}

func TestBackoffAndGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "dead.test")
		c, g := newCrawler(n, "a.test", "deadseed.test")
		events := background(t, c, g)
		pass(time.Minute)
		// Nobody names it any more, and it never answers.
		n.report("a.test")
		pass(DefaultGiveUp + 2*maxBackoff)
		evs := events()
		require.Contains(t, kindsOf(evs, "dead.test"), DomainGone)
		require.NotContains(t, kindsOf(evs, "deadseed.test"), DomainGone)

		at := n.questions("dead.test")
		require.Less(t, len(at), 20)
		longest := time.Duration(0)
		for i := range at[1:] {
			longest = max(longest, at[i+1].Sub(at[i]))
		}
		require.LessOrEqual(t, longest, maxBackoff+time.Minute)
		require.Greater(t, longest, maxBackoff/2)
	})
}

// Visits that began together drift apart.
func TestJitterSpreadsVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		var seeds []string
		for i := range 100 {
			name := fmt.Sprintf("d%d.test", i)
			n.report(name)
			seeds = append(seeds, name)
		}
		c, g := newCrawler(n, seeds...)
		background(t, c, g)
		pass(20 * DefaultInterval)
		since := time.Now().Add(-DefaultInterval)
		buckets := make(map[int]int)
		for _, s := range seeds {
			for _, at := range n.questions(s) {
				if at.After(since) {
					buckets[int(at.Sub(since)*10/DefaultInterval)]++
				}
			}
		}
		require.GreaterOrEqual(t, len(buckets), 9)
		for _, k := range buckets {
			require.Less(t, k, 60)
		}
	})
}

func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		n.report("new.test")
		c, g := newCrawler(n, "a.test")
		require.NoError(t, c.Submit("early.test"))
		c.Exclude = func(n xep.Name) bool { return n.String() == "excluded.test" }
		background(t, c, g)
		pass(time.Minute)
		require.Len(t, n.questions("early.test"), 1)
		require.NoError(t, c.Submit("new.test"))
		pass(time.Minute)
		require.Len(t, n.questions("pubsub.new.test"), 3)
		before := len(n.questions("a.test"))
		require.NoError(t, c.Submit("a.test"))
		pass(time.Minute)
		require.Greater(t, len(n.questions("a.test")), before)
		require.ErrorIs(t, c.Submit("excluded.test"), ErrExcluded)
		require.Error(t, c.Submit("no name"))
		require.Error(t, c.Submit("_unaddressable.test"))
		require.Equal(t, 3, c.Stats().Known)
	})
}

func TestExcludedAreNeverContacted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "no.test")
		n.report("no.test", "a.test")
		c, g := newCrawler(n, "a.test", "no.test")
		c.Exclude = func(n xep.Name) bool { return n.String() == "no.test" }
		background(t, c, g)
		pass(time.Hour)
		require.Empty(t, n.questions("no.test"))
		require.Equal(t, []string{"a.test"}, shown(g))
	})
}

// A lost session says nothing about the domains that were being asked.
func TestLostSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test")
		c, g := newCrawler(n, "a.test")
		events := background(t, c, g)
		pass(time.Minute)
		n.fail(roundtrip.ErrDisconnected)
		pass(DefaultInterval)
		n.fail(nil)
		pass(time.Hour)
		require.NotContains(t, kindsOf(events(), "a.test"), VisitFailed)
		require.NotContains(t, kindsOf(events(), "b.test"), ConsentLost)
		require.Equal(t, []string{"a.test", "b.test"}, shown(g))
	})
}

func TestRunNeedsItsFields(t *testing.T) {
	n := newFakeNet()
	tests := map[string]struct {
		c    *Crawler
		want error
	}{
		"no session": {&Crawler{Contact: "mailto:x@example.org"}, errNoSession},
		"no contact": {&Crawler{Session: n}, errNoContact},
		"bad seed":   {&Crawler{Session: n, Contact: "x", Seeds: []string{"no name"}}, nil},
		"bad self":   {&Crawler{Session: n, Contact: "x", Self: []string{"no name"}}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for range tc.c.Run(t.Context()) {
				t.Fatal("an event")
			}
			require.Error(t, tc.c.Err())
			if tc.want != nil {
				require.ErrorIs(t, tc.c.Err(), tc.want)
			}
		})
	}
}

func TestSecondRunIsRefused(t *testing.T) {
	n := newFakeNet()
	n.report("a.test")
	c, _ := newCrawler(n, "a.test")
	c.Spacing = -1
	for range c.Run(t.Context()) {
		for range c.Run(t.Context()) {
			t.Fatal("an event")
		}
		require.NoError(t, c.Err(), "the first run is fine")
		break
	}
	require.Equal(t, Stats{}, c.Stats())
}

// However slow the loop over the events, breaking it ends the run, and nothing is left behind.
func TestSlowLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		var seeds []string
		for i := range 500 {
			seeds = append(seeds, fmt.Sprintf("d%d.test", i))
			n.report(seeds[i])
		}
		c, _ := newCrawler(n, seeds...)
		c.Concurrency = 8
		seen := 0
		for range c.Run(t.Context()) {
			time.Sleep(time.Hour)
			if seen++; seen == 5 {
				break
			}
		}
		asked := map[string]bool{}
		for _, q := range n.asked {
			asked[q.host] = true
		}
		require.Less(t, len(asked), 60, "a slow loop must slow the crawl")
	})
}

func TestNotTheirFault(t *testing.T) {
	require.True(t, notTheirFault(fmt.Errorf("x: %w", roundtrip.ErrDisconnected)))
	require.True(t, notTheirFault(errBusy))
	require.False(t, notTheirFault(errors.New("x")))
	require.False(t, notTheirFault(nil))
}
