package crawl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/xep"
)

func TestSiteOf(t *testing.T) {
	for name, want := range map[string]string{
		"a.example":           "a.example",
		"conference.a.test":   "a.test",
		"x.y.a.co.uk":         "a.co.uk",
		"alice.duckdns.org":   "alice.duckdns.org",
		"x.alice.duckdns.org": "alice.duckdns.org",
		"localhost":           "localhost",
		"co.uk":               "co.uk",
		"192.0.2.1":           "192.0.2.1",
		"[2001:db8::1]":       "[2001:db8::1]",
	} {
		require.Equal(t, want, siteOf(xep.MustName(name)), name)
	}
}

// evil is a network in which evil.test names as many domains below itself, none of which is there, and good.test names a few.
func evil(madeUp int) *fakeNet {
	n := newFakeNet()
	names := []string{"good.test", "own.evil.test"}
	for i := range madeUp {
		names = append(names, fmt.Sprintf("x%d.evil.test", i))
	}
	n.report("evil.test", names...)
	n.report("good.test", "evil.test", "better.test")
	n.report("better.test", "good.test")
	n.report("own.evil.test", "good.test")
	return n
}

// madeUp counts the questions to hosts below evil.test that were made up, since then, and how many of them were asked.
func (n *fakeNet) madeUp(since time.Time) (questions, hosts int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]bool)
	for _, q := range n.asked {
		if strings.HasPrefix(q.host, "x") && q.at.After(since) {
			questions++
			all[q.host] = true
		}
	}
	return questions, len(all)
}

// Whoever makes up thousands of names below his own domain gets no more visits than one site has room for, and holds up nobody.
func TestMadeUpNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hours, room = 12, 25 + 2
		n := evil(3000)
		c, g := newCrawler(n, "good.test")
		c.MaxUnconfirmed, c.NoSubscriptions = 25, true
		began := time.Now()
		require.NoError(t, c.Submit("own.evil.test"))
		background(t, c, g)
		for range hours {
			before := time.Now()
			pass(time.Hour)
			questions, _ := n.madeUp(before)
			require.LessOrEqual(t, questions, 3*room, "two intervals, and the beginning of a third")
			require.LessOrEqual(t, c.Stats().Known, 4+room)
		}
		_, hosts := n.madeUp(began)
		require.Greater(t, hosts, 5*room, "they take turns")
		for _, d := range []string{"good.test", "better.test", "evil.test", "own.evil.test"} {
			require.Contains(t, shown(g), d)
			at := n.questions(d)
			for i := 1; i < len(at); i++ {
				require.LessOrEqual(t, at[i].Sub(at[i-1]), DefaultInterval+time.Minute, d)
			}
		}
		require.Greater(t, c.Stats().Crowded, uint64(2900))
	})
}

// Whoever makes up domains of all owners fills a part of the frontier, so that there is room for those that others name.
func TestMadeUpDomains(t *testing.T) {
	for name, unbounded := range map[string]bool{"bounded": false, "not bounded": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const real = 200
				n := newFakeNet()
				invent := func(round int) {
					var names []string
					for i := range 600 {
						names = append(names, fmt.Sprintf("x%d-%d.test", round, i))
					}
					n.report("evil.test", names...)
				}
				var names []string
				for i := range real {
					names = append(names, fmt.Sprintf("real%d.test", i))
					n.report(names[i], "good.test")
				}
				n.report("good.test", names...)
				invent(0)
				c, g := newCrawler(n, "evil.test")
				c.MaxDomains, c.NoSubscriptions, c.Poll = leastPerBringer+real+2, true, DefaultInterval
				if unbounded {
					c.MaxUnconfirmed = -1
				}
				background(t, c, g)
				for round := range 6 {
					invent(round)
					pass(time.Hour)
				}
				err := c.Submit("good.test")
				if unbounded {
					require.ErrorIs(t, err, errFull, "the test would show nothing")
					return
				}
				require.NoError(t, err)
				require.Equal(t, leastPerBringer+2, c.Stats().Known)
				pass(time.Hour)
				require.Len(t, shown(g), real+2)
				require.Positive(t, c.Stats().Crowded)
			})
		})
	}
}

// A store that somebody else has filled with such names is emptied of what there is no room for.
func TestMadeUpNamesFromAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := evil(0)
		store := new(MemoryStore)
		var b Batch
		for i := range 500 {
			b.Records = append(b.Records, Record{Domain: xep.MustName(fmt.Sprintf("x%d.evil.test", i)), Added: time.Now(), Mentioned: time.Now()})
		}
		require.NoError(t, store.Save(t.Context(), b))
		c, g := newCrawler(n, "good.test", "own.evil.test")
		c.MaxUnconfirmed, c.NoSubscriptions, c.Store = 25, true, store
		background(t, c, g)
		pass(time.Hour)
		require.LessOrEqual(t, c.Stats().Known, 4+25+2)
		require.LessOrEqual(t, knownTo(store), 4+25+2)
	})
}

// Several crawlers tell each other of no more names of one site than there is room for.
func TestMadeUpNamesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const crawlers, room = 3, 25 + 2
		db := NewFakeSharing(time.Now)
		f := new(fleet)
		for range crawlers {
			f.join(t, db, evil(3000), func(c *Crawler) {
				c.Seeds, c.MaxUnconfirmed, c.NoSubscriptions = []string{"good.test", "own.evil.test"}, 25, true
			})
		}
		pass(6 * time.Hour)
		f.stop()
		require.LessOrEqual(t, len(db.records.records), 4+crawlers*room)
		for _, d := range []string{"good.test", "better.test", "evil.test", "own.evil.test"} {
			require.GreaterOrEqual(t, len(f.visits(d)), 12, d)
		}
	})
}

// A hoster's domains that do opt in make room for each other.
func TestLargeHosterIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const customers = 1000
		n := newFakeNet()
		var names []string
		for i := range customers {
			names = append(names, fmt.Sprintf("c%d.hoster.test", i))
			n.report(names[i], "hoster.test")
		}
		n.report("hoster.test", names...)
		c, g := newCrawler(n, "hoster.test")
		c.MaxUnconfirmed, c.NoSubscriptions = 25, true
		background(t, c, g)
		pass(10 * time.Hour)
		require.Len(t, shown(g), customers+1)
	})
}

// A domain that somebody submits is visited although its site is crowded.
func TestSubmitToACrowdedSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := evil(100)
		n.report("late.evil.test", "good.test")
		c, g := newCrawler(n, "good.test")
		c.MaxUnconfirmed, c.NoSubscriptions = 5, true
		background(t, c, g)
		pass(time.Hour)
		require.NoError(t, c.Submit("late.evil.test"))
		pass(time.Minute)
		require.Contains(t, shown(g), "late.evil.test")
		_, err := c.Look(t.Context(), "x99.evil.test", nil)
		require.NoError(t, err)
	})
}

// Names of which nothing was ever heard leave the others every second turn and some of the places.
func TestUnheardGiveWay(t *testing.T) {
	now := time.Now()
	f := newFrontier(100, 1)
	f.maxStrangers = 3
	for i := range 10 {
		f.add(xep.MustName(fmt.Sprintf("unheard%d.test", i)), now)
		e, _ := f.add(xep.MustName(fmt.Sprintf("heard%d.test", i)), now)
		e.answered = now
	}
	var order []string
	for e, _ := f.take(now); e != nil; e, _ = f.take(now) {
		word := "heard"
		if e.unheard() {
			word = "unheard"
		}
		order = append(order, word)
	}
	require.Equal(t, append(strings.Fields("unheard heard unheard heard unheard"), slices.Repeat([]string{"heard"}, 8)...), order)
	_, wait := f.take(now)
	require.Negative(t, wait, "the rest waits for a flight to end")
	require.Equal(t, 7, f.due(now))
	require.False(t, f.idle())
	for e := range flying(f) {
		f.put(e, now, time.Hour)
	}
	e, _ := f.take(now)
	require.NotNil(t, e)
	require.True(t, e.unheard())
}

func flying(f *frontier) func(func(*entry) bool) {
	return func(yield func(*entry) bool) {
		for _, e := range f.entries {
			if e.place == placeFlight && !yield(e) {
				return
			}
		}
	}
}

// Whatever happens to entries, each is counted once with its site, and on the right side.
func TestSitesAreCounted(t *testing.T) {
	now := time.Now()
	f := newFrontier(1000, 1)
	f.perSite = 5
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		name := xep.MustName(fmt.Sprintf("d%d.s%d.test", rng.IntN(40), rng.IntN(5)))
		now = now.Add(time.Duration(rng.IntN(60)) * time.Second)
		switch e, known := f.entries[name]; {
		case !known:
			if instead, ok := f.vacancy(name, now, 10*time.Minute); ok {
				if instead != nil {
					require.True(t, instead.answered.IsZero() || !instead.confirmed)
					f.remove(instead)
				}
				e, _ := f.add(name, now)
				f.bring(e, f.sites[fmt.Sprintf("s%d.test", rng.IntN(5))])
			}
		case e.place != placeFlight && rng.IntN(4) == 0:
			f.remove(e)
		case e.place == placeFlight:
			e.until, e.visitedAt = time.Time{}, now
			if rng.IntN(2) == 0 {
				e.until, e.answered = now.Add(time.Hour), now
			}
			f.put(e, now, time.Minute)
		default:
			f.take(now)
		}
		requireCounted(t, f)
	}
	for _, e := range f.entries {
		f.remove(e)
	}
	require.Empty(t, f.sites)
}

func requireCounted(t *testing.T, f *frontier) {
	t.Helper()
	confirmed, others, brought := make(map[string]int), make(map[string]int), make(map[*site]int)
	for _, e := range f.entries {
		if e.bringer != nil {
			require.False(t, e.confirmed)
			brought[e.bringer]++
		}
		if e.confirmed {
			confirmed[siteOf(e.name)]++
		} else {
			others[siteOf(e.name)]++
		}
	}
	for name, s := range f.sites {
		require.Equal(t, confirmed[name], s.confirmed)
		require.Equal(t, others[name], s.others)
		require.Equal(t, brought[s], s.brought)
		listed := 0
		for e := s.first; e != nil; e = e.next {
			listed++
			require.Same(t, s, e.site)
		}
		require.Equal(t, s.others, listed)
	}
}
