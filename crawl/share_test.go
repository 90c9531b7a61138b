package crawl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/xep"
)

// fleet is some crawlers that share their domains.
type fleet struct {
	nets     []*fakeNet
	shares   []*fakeShare
	crawlers []*Crawler
	stops    []func()
}

// launch starts crawlers over one network of n domains in a ring, each of which names the next.
func launch(t *testing.T, db *fakeSharing, size, n int, change func(*Crawler)) *fleet {
	t.Helper()
	f := new(fleet)
	for range n {
		net := newFakeNet()
		for i := range size {
			net.report(fmt.Sprintf("d%d.test", i), fmt.Sprintf("d%d.test", (i+1)%size))
		}
		f.join(t, db, net, change)
	}
	return f
}

// join starts one more crawler over a network, of which d0.test is its seed unless that is changed.
func (f *fleet) join(t *testing.T, db *fakeSharing, net *fakeNet, change func(*Crawler)) {
	c, g := newCrawler(net, "d0.test")
	s := db.Join()
	c.Share, c.Lease = s, time.Minute
	change(c)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ev := range c.Run(ctx) {
			ev.Apply(g)
		}
	})
	f.nets, f.shares, f.crawlers = append(f.nets, net), append(f.shares, s), append(f.crawlers, c)
	f.stops = append(f.stops, func() { cancel(); wg.Wait() })
}

func (f *fleet) stop() {
	for _, s := range f.stops {
		s()
	}
}

// visits returns when a domain was asked about itself, by whomever.
func (f *fleet) visits(domain string) (all []time.Time) {
	for _, n := range f.nets {
		n.mu.Lock()
		for _, q := range n.asked {
			if q.host == domain && strings.Contains(q.payload, "disco#info") {
				all = append(all, q.at)
			}
		}
		n.mu.Unlock()
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func noSubscriptions(c *Crawler) { c.NoSubscriptions = true }

// apart is the least time between two visits of one domain of a fleet.
func (f *fleet) apart(size int) time.Duration {
	least := time.Duration(1 << 62)
	for i := range size {
		at := f.visits(fmt.Sprintf("d%d.test", i))
		for j := 1; j < len(at); j++ {
			least = min(least, at[j].Sub(at[j-1]))
		}
	}
	return least
}

func TestCrawlersShareTheFrontier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 60
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 3, noSubscriptions)
		pass(6 * time.Hour)
		f.stop()
		for i := range size {
			n := len(f.visits(fmt.Sprintf("d%d.test", i)))
			require.GreaterOrEqual(t, n, 8, "d%d.test", i)
			require.LessOrEqual(t, n, 15, "d%d.test", i)
		}
		require.GreaterOrEqual(t, f.apart(size), 24*time.Minute)
		for _, n := range f.nets {
			require.Greater(t, n.count("disco#info"), size, "each had its share")
		}
		require.Len(t, db.records.records, size)
		for p, o := range db.owner {
			require.Zero(t, o, "part %d was given back at the end", p)
		}
	})
}

// The others get at once what a crawler that ends was still loading.
func TestEndWhileLoadingParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := NewFakeSharing(time.Now)
		f := new(fleet)
		net := newFakeNet()
		net.report("d0.test")
		f.join(t, db, net, func(c *Crawler) { c.Share.(*fakeShare).slow = time.Second })
		synctest.Wait()
		require.NotContains(t, db.owners(), 0)
		f.stop()
		require.Zero(t, db.owners())
	})
}

func TestCrawlerThatDiesIsInheritedFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, noSubscriptions)
		pass(2 * time.Hour)
		// Who is cut off for good has died, as far as the others can tell; that it ends its visits is the next test's.
		require.Contains(t, db.owners(), f.shares[0].id)
		f.shares[0].sever(true)
		pass(DefaultLease)
		require.NotContains(t, db.owners(), f.shares[0].id)
		pass(3 * time.Hour)
		before := f.nets[1].count("disco#info")
		pass(time.Hour)
		require.GreaterOrEqual(t, f.nets[1].count("disco#info")-before, size)
		f.stop()
	})
}

// Cut off from the database, a crawler must have ended its visits before anybody else can begin them.
func TestPartitionedCrawlerStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, func(c *Crawler) { noSubscriptions(c); c.Interval = 2 * time.Minute })
		pass(30 * time.Minute)
		for range 5 {
			cutAt := time.Now()
			f.shares[0].sever(true)
			pass(10 * time.Minute)
			f.nets[0].mu.Lock()
			last := f.nets[0].asked[len(f.nets[0].asked)-1].at
			f.nets[0].mu.Unlock()
			require.Less(t, last.Sub(cutAt), time.Minute, "it asks nobody once its leases may have ended")
			f.shares[0].sever(false)
			pass(10 * time.Minute)
		}
		f.stop()
		// What was found in the last second before the cut could not be saved, and is asked again after the takeover.
		require.GreaterOrEqual(t, f.apart(size), 40*time.Second)
		require.Greater(t, f.nets[0].count("disco#info"), 100)
	})
}

// A part is given away only once everything of it is saved, that which another save is still on its way with, too.
func TestPartsMoveDuringASave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		change := func(c *Crawler) {
			noSubscriptions(c)
			c.Interval = 2 * time.Minute
			c.Share.(*fakeShare).slowSave = 1700 * time.Millisecond
		}
		f := launch(t, db, size, 1, change)
		for range 5 {
			pass(20 * time.Minute)
			f.join(t, db, f.nets[0], change)
			pass(20 * time.Minute)
			f.stops[1]()
			f.nets, f.shares, f.crawlers, f.stops = f.nets[:1], f.shares[:1], f.crawlers[:1], f.stops[:1]
		}
		f.stop()
		// What is asked when a crawler ends has no result, and is asked again after the takeover.
		require.GreaterOrEqual(t, f.apart(size), 40*time.Second)
	})
}

// What a crawler was given without hearing of it, and then has too much of, it must give back although it never had it.
func TestPartsThatNobodyHeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 60
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, noSubscriptions)
		pass(2 * time.Hour)
		f.shares[0].sever(true)
		f.shares[1].deafen(true)
		pass(10 * time.Minute)
		require.NotContains(t, db.owners(), f.shares[0].id)
		f.shares[0].sever(false)
		pass(time.Minute)
		f.shares[1].deafen(false)
		pass(time.Hour)
		back := time.Now()
		pass(time.Hour)
		f.stop()
		for i := range size {
			at := f.visits(fmt.Sprintf("d%d.test", i))
			require.True(t, at[len(at)-1].After(back), "d%d.test is visited on", i)
		}
		require.GreaterOrEqual(t, f.apart(size), 10*time.Minute, "what could not be saved before the cut is asked again by others")
	})
}

// A part counts as held only once all its domains are known: one that another report mentions meanwhile is not new, and not due.
func TestPartsAreHeldOnceTheyAreKnown(t *testing.T) {
	const size = 200
	db := NewFakeSharing(time.Now)
	s := db.Join()
	var b Batch
	for i := range size {
		b.Records = append(b.Records, Record{Domain: xep.MustName(fmt.Sprintf("d%d.test", i)), Due: time.Now().Add(time.Hour), Answered: time.Now()})
	}
	require.NoError(t, db.records.Save(t.Context(), b))
	c, _ := newCrawler(newFakeNet())
	c.Share = s
	r, err := c.newRun()
	require.NoError(t, err)
	loaded := 0
	r.exclude = func(n xep.Name) bool {
		require.NotContains(t, r.hold.parts, s.Part(n))
		loaded++
		return false
	}
	r.renew(t.Context())
	require.Equal(t, size, loaded)
	require.Len(t, r.hold.parts, fakeParts)
	require.Len(t, r.frontier.entries, size)
	require.Zero(t, r.frontier.due(time.Now()))
}

// A crawler whose leases end for lack of a database, and that gets them back because nobody else was there, does not ask again at once.
func TestLeasesEndAndLiveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 60
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 1, func(c *Crawler) { noSubscriptions(c); c.Interval = 10 * time.Minute })
		pass(time.Hour)
		for range 20 {
			f.shares[0].sever(true)
			pass(2 * time.Minute)
			f.shares[0].sever(false)
			pass(7 * time.Minute)
		}
		f.stop()
		require.GreaterOrEqual(t, f.apart(size), 8*time.Minute)
	})
}

// What is on its way to the store when the leases end may never arrive there.
func TestLeasesEndDuringASave(t *testing.T) {
	c, _ := newCrawler(newFakeNet())
	c.Share = NewFakeSharing(time.Now).Join()
	r, err := c.newRun()
	require.NoError(t, err)
	name, now := xep.MustName("d0.test"), time.Now()
	e, _ := r.frontier.add(name, now)
	e.visitedAt = now
	r.touch(e)
	_, end := r.unsaved()
	r.letGo(nil)
	end(errCut)
	require.Contains(t, r.hold.rested, name)
}

// What has arrived there is known to whoever gets the domain.
func TestLeasesEndAfterASave(t *testing.T) {
	c, _ := newCrawler(newFakeNet())
	c.Share = NewFakeSharing(time.Now).Join()
	r, err := c.newRun()
	require.NoError(t, err)
	e, _ := r.frontier.add(xep.MustName("d0.test"), time.Now())
	e.visitedAt = time.Now()
	r.touch(e)
	_, end := r.unsaved()
	end(nil)
	r.letGo(nil)
	require.Empty(t, r.hold.rested)
}

// Leases are renewed while domains are loaded, which takes longer than a lease lasts.
func TestLoadingTakesLongerThanALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 60
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, func(c *Crawler) {
			noSubscriptions(c)
			c.Share.(*fakeShare).slow = 1500 * time.Millisecond
		})
		pass(10 * time.Minute)
		before := db.owners()
		pass(2 * time.Hour)
		require.Equal(t, before, db.owners(), "nobody loses what he holds")
		f.stop()
		for i := range size {
			require.NotEmpty(t, f.visits(fmt.Sprintf("d%d.test", i)), "d%d.test", i)
		}
		require.GreaterOrEqual(t, f.apart(size), 20*time.Minute)
	})
}

// A subscription belongs to the crawler that holds the domain.
func TestSubscriptionsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		listening := func(c *Crawler) { c.Handle() }
		f := launch(t, db, size, 1, listening)
		pass(time.Hour)
		require.Len(t, f.nets[0].subscribed(), size)
		more := launch(t, db, size, 1, listening)
		pass(time.Hour)
		a, b := f.nets[0].subscribed(), more.nets[0].subscribed()
		require.Len(t, append(a, b...), size)
		require.NotEmpty(t, b)
		for _, n := range a {
			require.NotContains(t, b, n)
		}
		f.stop()
		pass(time.Hour)
		require.Len(t, more.nets[0].subscribed(), size, "the rest moves when the first one ends")
		more.stop()
	})
}

// Whatever moves to another crawler is subscribed to anew within five minutes, although its next visit would be due much later.
func TestSubscriptionsMoveSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, func(c *Crawler) { c.Handle(); c.Interval = 12 * time.Hour })
		pass(time.Hour)
		first, second := f.nets[0].subscribed(), f.nets[1].subscribed()
		require.Len(t, append(first, second...), size)
		require.NotEmpty(t, first)
		f.shares[0].sever(true)
		took := time.Minute + time.Minute/renewals
		pass(took + reconnectSpread + time.Minute)
		require.Len(t, f.nets[1].subscribed(), size)
		f.stop()
	})
}

// A hoster whose one service publishes for many domains is asked by all crawlers together no more often than by one.
func TestCrawlersShareTheSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, crawlers = 60, 3
		db := NewFakeSharing(time.Now)
		f := new(fleet)
		for range crawlers {
			n := newFakeNet()
			for i := range size {
				name, node := fmt.Sprintf("d%d.test", i), fmt.Sprintf("n%d", i)
				n.set(name, &fakeDomain{feature: true, uri: "xmpp:pubsub.hoster.test?;node=" + node})
				n.publish("pubsub.hoster.test "+node, block(name, fmt.Sprintf("d%d.test", (i+1)%size)))
			}
			f.join(t, db, n, func(c *Crawler) { c.NoSubscriptions, c.Interval = true, 3*time.Minute })
		}
		pass(time.Hour)
		settled := time.Now()
		pass(time.Hour)
		f.stop()
		var at []time.Time
		for _, n := range f.nets {
			at = append(at, slices.DeleteFunc(n.questions("pubsub.hoster.test"), settled.After)...)
		}
		slices.SortFunc(at, time.Time.Compare)
		require.Greater(t, len(at), 10*size)
		for i := crawlers; i < len(at); i++ {
			require.GreaterOrEqual(t, at[i].Sub(at[i-crawlers]), crawlers*DefaultSpacing)
		}
	})
}

func TestLookElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40
		db := NewFakeSharing(time.Now)
		f := launch(t, db, size, 2, noSubscriptions)
		pass(time.Hour)
		here, there := 0, 0
		for i := range size {
			for _, c := range f.crawlers {
				switch _, err := c.Look(t.Context(), fmt.Sprintf("d%d.test", i), nil); {
				case err == nil:
					here++
				default:
					require.ErrorIs(t, err, ErrElsewhere)
					there++
				}
			}
		}
		require.Equal(t, size, here)
		require.Equal(t, size, there)
		f.stop()
	})
}

// A domain that is called for is visited once, however often and in whatever order the crawler hears of that, and whatever time it is elsewhere.
func TestCalledFor(t *testing.T) {
	for _, ahead := range []time.Duration{0, 20 * time.Second, -20 * time.Second} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { calledFor(t, ahead) })
		})
	}
}

// calledFor has a database whose clock is ahead of that of the crawlers.
func calledFor(t *testing.T, ahead time.Duration) {
	db := NewFakeSharing(func() time.Time { return time.Now().Add(ahead) })
	f := launch(t, db, 3, 2, noSubscriptions)
	pass(time.Hour + time.Minute)
	before := map[string]int{}
	for i := range 3 {
		before[fmt.Sprintf("d%d.test", i)] = len(f.visits(fmt.Sprintf("d%d.test", i)))
	}
	db.call("d0.test")
	db.call("d1.test")
	for _, c := range f.crawlers {
		_, _ = c.Look(t.Context(), "d0.test", nil) // only one of them holds it
	}
	pass(5 * time.Minute)
	db.mu.Lock()
	db.news = append(db.news, db.news[len(db.news)-2:]...)
	db.mu.Unlock()
	pass(5 * time.Minute)
	for name, more := range map[string]int{"d0.test": 1, "d1.test": 1, "d2.test": 0} {
		require.Len(t, f.visits(name), before[name]+more, name)
	}
	pass(2 * time.Minute)
	db.call("d0.test")
	pass(2 * time.Minute)
	require.Len(t, f.visits("d0.test"), before["d0.test"]+2)
	f.stop()
}

func TestShareNeedsNoStore(t *testing.T) {
	c, _ := newCrawler(newFakeNet(), "a.test")
	c.Share, c.Store = NewFakeSharing(time.Now).Join(), new(MemoryStore)
	for range c.Run(t.Context()) {
		t.Fatal("it runs")
	}
	require.ErrorIs(t, c.Err(), errSharedOnce)
}
