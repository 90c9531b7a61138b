package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

// conversation is a bot with a network and a clock of its own.
type conversation struct {
	*Bot
	g   *graph.Graph
	now time.Time
}

func newConversation() *conversation {
	c := &conversation{now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
	c.g = graph.New(graph.Options{Now: func() time.Time { return c.now }})
	c.Bot = &Bot{Network: c.g, Now: func() time.Time { return c.now }}
	return c
}

// report is what a domain says: the names of peers, those with a "?" before them without a verdict.
func (c *conversation) report(domain string, unnamed int, peers ...string) {
	until := c.now.Add(time.Hour)
	r := graph.Report{Domain: xep.MustName(domain), At: c.now, Until: until, Unnamed: unnamed, Software: "Prosody", Version: "0.12\u202e"}
	for _, p := range peers {
		peer := graph.Peer{Until: until}
		if name, ok := strings.CutPrefix(p, "?"); ok {
			p, peer.Until = name, time.Time{}
		}
		peer.Name = xep.MustName(p)
		r.Peers = append(r.Peers, peer)
	}
	c.g.Apply(r)
}

func network() *conversation {
	c := newConversation()
	c.report("a.example", 0, "b.example")
	c.now = c.now.Add(24 * time.Minute)
	c.report("a.example", 0, "b.example")
	c.report("b.example", 2, "a.example", "c.example", "?shy.example")
	c.report("xn--bcher-kva.example", 0, "c.example")
	return c
}

var alice = Asker{Place: "alice@home.example", Site: "home.example"}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"help", "I know which XMPP servers"},
		{"HELP", "Only domains that agreed to it are named"},
		{"?", "neighbours DOMAIN"},
		{"stats", "4 named domains, 3 of them reporting. 3 links between them, 1 of these claimed by both ends. 3 links to domains that stay unnamed."},
		{"is a.example there?", "a.example is there and reports, 1 link to named domains. It calls its server: Prosody 0.12."},
		{"is A.Example. there?", "a.example is there and reports"},
		{"is c.example", "c.example is there: others report it, it does not report itself, 2 links to named domains."},
		{"is b.example there", "b.example is there and reports, 2 links to named domains, 3 to domains that stay unnamed."},
		{"is bücher.example there?", "bücher.example is there"},
		{"neighbours b.example", "b.example has 2 links to named domains: a.example, c.example; 3 links to domains that stay unnamed."},
		{"neighbors of bücher.example", "bücher.example has 1 link to named domains: c.example."},
		{"path a.example c.example", "a.example – b.example – c.example (2 links)"},
		{"way from a.example to bücher.example?", "a.example – b.example – c.example – bücher.example (3 links)"},
		{"path a.example a.example", "a.example (0 links)"},
		{"largest 1", "b.example (2 links)"},
		{"largest", "b.example (2 links), c.example (2 links), a.example (1 link), bücher.example (1 link)"},
		{"newest 2", "c.example (first seen 2026-01-02), bücher.example (first seen 2026-01-02)"},
		{"newest -3", "c.example (first seen 2026-01-02)"},
		{"stats\nhelp", "4 named domains"},

		{"is shy.example there?", unknownDomain},
		{"is nobody.example there?", unknownDomain},
		{"neighbours shy.example", unknownDomain},
		{"neighbours nobody.example", unknownDomain},
		{"path a.example shy.example", noPath},
		{"path a.example nobody.example", noPath},

		{"is user@a.example there?", notAName},
		{"is there", oneName},
		{"neighbours", oneName},
		{"neighbours a.example b.example", oneName},
		{"path a.example", twoNames},
		{"path a.example b.example c.example", twoNames},
		{"unwatch", "Give me the number"},
		{"unwatch x", "There is no such watch"},
		{"watches", "I watch nothing for this place."},
		{"", unknownCommand},
		{"\u202e\u200b", unknownCommand},
		{"open the doors", unknownCommand},
		{strings.Repeat("stats ", 1000), tooLong},
	} {
		t.Run(clip(c.said, 40), func(t *testing.T) {
			got := network().Answer(alice, c.said)
			require.Contains(t, got, c.want)
			require.NotContains(t, got, "shy")
		})
	}
}

func TestKnows(t *testing.T) {
	b := newConversation()
	for said, want := range map[string]bool{"stats": true, "is it raining": true, "weather": false, "": false, "tell me a joke": false} {
		require.Equal(t, want, b.Knows(said), said)
	}
	require.False(t, b.Knows(strings.Repeat("stats ", 1000)))
}

func TestNothingYet(t *testing.T) {
	for _, said := range []string{"stats", "newest", "largest"} {
		require.Equal(t, nothingYet, newConversation().Answer(alice, said))
	}
	c := newConversation()
	c.Source = "From map.example."
	require.True(t, strings.HasSuffix(c.Answer(alice, "help"), "\nFrom map.example."))
}

// An answer is short, however large the network is.
func TestAnswersAreShort(t *testing.T) {
	c := newConversation()
	var peers []string
	for i := range 500 {
		peers = append(peers, fmt.Sprintf("%s%d.example", strings.Repeat("a", 50), i))
	}
	c.report("hub.example", 0, peers...)
	require.Contains(t, c.Answer(alice, "neighbours hub.example"), "has 500 links to named domains: ")
	require.Contains(t, c.Answer(alice, "neighbours hub.example"), " and 490 more.")
	for i := range 30 {
		c.report(fmt.Sprintf("n%d.example", i), 0, fmt.Sprintf("n%d.example", i+1))
	}
	require.Equal(t, "30 links away from each other, which is too many to list.", c.Answer(alice, "path n0.example n30.example"))
	require.Less(t, len(c.Answer(alice, "largest 1000")), 1000)
}

func TestLimits(t *testing.T) {
	c := network()
	ask := func(n int, from Asker) (answers, refusals, silence int) {
		for range n {
			switch c.Answer(from, "stats") {
			case "":
				silence++
			case slowly:
				refusals++
			default:
				answers++
			}
		}
		return answers, refusals, silence
	}
	answers, refusals, silence := ask(20, alice)
	require.Equal(t, [3]int{5, 1, 14}, [3]int{answers, refusals, silence}, "one person")

	c.now = c.now.Add(6 * time.Second)
	answers, refusals, _ = ask(3, alice)
	require.Equal(t, [2]int{1, 1}, [2]int{answers, refusals}, "after a pause")

	answers = 0
	for i := range 50 {
		a, _, _ := ask(1, Asker{Place: fmt.Sprintf("%d@home.example", i), Site: "home.example"})
		answers += a
	}
	require.LessOrEqual(t, answers, 15, "all of one site")
	answers, _, _ = ask(1, Asker{Place: "bob@other.example", Site: "other.example"})
	require.Equal(t, 1, answers, "another site")
	c.now = c.now.Add(-time.Hour)
	answers, _, _ = ask(5, alice)
	require.Zero(t, answers, "a clock that was set back gives nothing")
}

func TestLimiterIsBounded(t *testing.T) {
	c := network()
	for i := range maxBuckets {
		c.limits.admit(Asker{Place: fmt.Sprint(i), Site: fmt.Sprint(i)}, c.now)
	}
	require.LessOrEqual(t, len(c.limits.buckets), maxBuckets)
	require.Empty(t, c.Answer(Asker{Place: "new", Site: "new"}, "stats"))
	c.now = c.now.Add(2 * time.Minute)
	require.NotEmpty(t, c.Answer(Asker{Place: "new", Site: "new"}, "stats"))
}

func TestWatches(t *testing.T) {
	c := network()
	ask := func(said string) string {
		c.now = c.now.Add(6 * time.Second)
		return c.Answer(alice, said)
	}
	require.Equal(t, "Watch 1: a.example is there now. I'll say so here when it leaves.", ask("tell me when a.example joins or leaves"))
	require.Equal(t, "Watch 2: I know nothing of that domain now. I'll say so here when it joins.", ask("watch shy.example"))
	require.Equal(t, "Watch 1: a.example is there now. I'll say so here when it leaves.", ask("watch a.example"), "twice")
	require.Equal(t, "1: a.example; 2: not there", ask("watches"))
	require.Empty(t, c.Notices())

	c.g.Consent(xep.MustName("shy.example"), c.now.Add(time.Hour))
	require.Equal(t, []Notice{{alice.Place, "Watch 2: shy.example has joined."}}, c.Notices())
	require.Empty(t, c.Notices())

	c.g.Forget(xep.MustName("shy.example"))
	c.now = c.now.Add(time.Minute)
	require.Empty(t, c.Notices(), "held back")
	c.now = c.now.Add(calm)
	require.Equal(t, []Notice{{alice.Place, "Watch 2: the domain is no longer there."}}, c.Notices())

	require.Equal(t, "Watch 2 has ended.", ask("unwatch 2"))
	require.Equal(t, "There is no such watch. Say: watches", ask("unwatch #2"))
	require.Equal(t, "There is no such watch. Say: watches", c.Answer(Asker{Place: "bob@home.example", Site: "home.example"}, "unwatch 1"), "another's")
	c.Leave(alice.Place)
	require.Equal(t, "I watch nothing for this place.", ask("watches"))
}

func TestWatchesAreBounded(t *testing.T) {
	c := network()
	for i := range MaxWatches + 1 {
		c.now = c.now.Add(6 * time.Second)
		answer := c.Answer(alice, fmt.Sprintf("watch n%d.example", i))
		require.Equal(t, i < MaxWatches, strings.HasPrefix(answer, "Watch "), answer)
	}
	for i := range maxPlaces {
		c.watches.add(fmt.Sprint(i), xep.MustName("a.example"), true, c.now)
	}
	require.Len(t, c.watches.of, maxPlaces)
	c.now = c.now.Add(watchLife)
	c.report("z.example", 0)
	c.Notices()
	require.Empty(t, c.watches.of, "they end some day")
}

// Where everything is lost, nobody is told that everybody has left.
func TestNoNetworkIsNoNews(t *testing.T) {
	c := network()
	c.Answer(alice, "watch a.example")
	c.now = c.now.Add(24 * time.Hour)
	require.Zero(t, c.g.Snapshot().Len())
	require.Empty(t, c.Notices())
}

func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := graph.New(graph.Options{})
		b := &Bot{Network: g}
		g.Apply(graph.Report{Domain: xep.MustName("a.example"), Until: time.Now().Add(3 * time.Hour)})
		b.Answer(alice, "watch b.example")
		ctx, cancel := context.WithCancel(t.Context())
		said := make(chan Notice, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Tell(ctx, func(n Notice) { said <- n })
		}()
		synctest.Wait()
		require.Empty(t, said)
		g.Apply(graph.Report{Domain: xep.MustName("b.example"), Until: time.Now().Add(5 * time.Minute)})
		require.Equal(t, "Watch 1: b.example has joined.", (<-said).Text)
		require.Equal(t, "Watch 1: the domain is no longer there.", (<-said).Text, "its verdict has ended, which is held back for a while")
		cancel()
		<-done
	})
}

// Whatever is said, the answer is one that can be shown, and holds nothing of what must not be named.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"help", "is shy.example there?", "path a.example \u202eb.example", "watch shy.example", "newest 99999999999999999999", "!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		c := network()
		for range 2 {
			got := c.Answer(alice, said)
			require.NotContains(t, got, "shy")
			require.Less(t, len(got), 2000)
			for _, r := range got {
				require.True(t, unicode.IsPrint(r) || r == '\n', "%q", got)
			}
		}
	})
}
