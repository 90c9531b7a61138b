package connect

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
)

// text makes a stanza that says what it is; size is what it is to count for.
func text(name string, size int) waiting {
	if pad := size - stanzaCost - len(name); pad > 0 {
		name += strings.Repeat(" ", pad)
	}
	return waiting{raw: []byte(name), work: len(name)}
}

func label(raw []byte) string { return strings.TrimRight(string(raw), " ") }

// takeAll returns what waits, in the order in which the handler would get it.
func takeAll(q *inbox) (names []string) {
	for b, ok := q.take(); ok; b, ok = q.take() {
		names = append(names, label(b))
	}
	return names
}

func TestOwnServer(t *testing.T) {
	for _, c := range []struct {
		name, local, from string
		component, own    bool
	}{
		{"no sender", "me@example.org/r", "", false, true},
		{"the account", "me@example.org/r", "me@example.org", false, true},
		{"the server", "me@example.org/r", "example.org", false, true},
		{"another account", "me@example.org/r", "you@example.org", false, false},
		{"another host of the server", "me@example.org/r", "pubsub.example.org", false, false},
		{"the component itself", "crawl.example.org", "crawl.example.org", true, true},
		{"the component's server", "crawl.example.org", "example.org", true, true},
		{"an account there", "crawl.example.org", "you@example.org", true, false},
		{"the domain above a client's", "me@example.co.uk/r", "co.uk", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := testLink(t, nsClient)
			l.own = ownServer(jid.MustParse(c.local), c.component)
			var from jid.JID
			if c.from != "" {
				from = jid.MustParse(c.from)
			}
			require.Equal(t, c.own, l.domainOf(from) == "")
		})
	}
}

func TestTurns(t *testing.T) {
	q := newInbox(32<<20, 0)
	for i := range 3 {
		for _, d := range []string{"a.example", "x.b.example", "y.b.example", "c.example"} {
			require.Len(t, q.offer(d, text(fmt.Sprint(d, i), quantum)), 0)
		}
	}
	require.Equal(t, strings.Fields(`
		a.example0 x.b.example0 c.example0
		a.example1 y.b.example0 c.example1
		a.example2 x.b.example1 c.example2
		y.b.example1 x.b.example2 y.b.example2`), takeAll(q))
	require.Empty(t, q.flows)
	require.Equal(t, flow{}, q.root)
}

// TestSmallShareATurn shows that several small stanzas are worth a large one.
func TestSmallShareATurn(t *testing.T) {
	q := newInbox(32<<20, 0)
	for i := range 2 {
		q.offer("large.example", text(fmt.Sprint("large", i), 4*quantum))
	}
	for i := range 16 {
		q.offer("small.example", text(fmt.Sprint("small", i), quantum/2))
	}
	got := strings.Join(takeAll(q), " ")
	require.Regexp(t, "^large0 small0 .* small[789] large1 ", got)
}

// TestDebts shows that who sends large stanzas one by one gets no more than who sends them at once.
func TestDebts(t *testing.T) {
	q := newInbox(32<<20, 0)
	for i := range 16 {
		q.offer("small.example", text(fmt.Sprint("small", i), quantum))
	}
	large := 0
	q.offer("large.example", text("large", 4*quantum))
	for b, ok := q.take(); ok; b, ok = q.take() {
		if label(b) == "large" && q.root.count > 0 {
			large++
			q.offer("large.example", text("large", 4*quantum))
		}
	}
	require.LessOrEqual(t, large, 5)
	require.GreaterOrEqual(t, large, 3)
	require.Empty(t, q.flows)
}

// TestFlood shows that a flood costs its sender alone, under however many names it comes.
func TestFlood(t *testing.T) {
	for _, c := range []struct {
		name   string
		sender func(i int) string
		honest []string
	}{
		{"one domain", func(int) string { return "evil.example" }, []string{"a.example", "b.example"}},
		{"names made up", func(i int) string { return fmt.Sprintf("x%d.evil.example", i) }, []string{"a.example", "b.example"}},
		{"many labels", func(i int) string { return fmt.Sprintf("x%d.y%d.z.evil.example", i, i) }, []string{"a.example"}},
		{"a neighbour under a public suffix", func(int) string { return "evil.co.uk" }, []string{"honest.co.uk", "a.example"}},
		{"names made up there", func(i int) string { return fmt.Sprintf("x%d.evil.co.uk", i) }, []string{"honest.co.uk", "a.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newInbox(32<<20, 0)
			lost, share := 0, 0
			drop := func(out []evicted) {
				for _, d := range out {
					require.Equal(t, "evil", label(d.raw))
					require.True(t, d.share)
					lost++
				}
			}
			const flood, each = 5000, 10
			for i := range flood {
				drop(q.offer(c.sender(i), text("evil", 0)))
			}
			share = flood - lost
			require.LessOrEqual(t, share*(stanzaCost+4), q.share)
			for i := range each {
				for _, d := range c.honest {
					drop(q.offer(d, text(fmt.Sprint(d, "#", i), 0)))
				}
			}
			got := takeAll(q)
			var honest []string
			last := 0
			for i, name := range got {
				if name != "evil" {
					honest = append(honest, name)
					last = i
				}
			}
			require.Len(t, honest, each*len(c.honest))
			for _, d := range c.honest {
				require.Less(t, strings.Index(strings.Join(honest, " "), d+"#0"), strings.Index(strings.Join(honest, " "), d+"#9"))
			}
			// Small stanzas share a turn: the flood had no more than the first ones of theirs.
			require.LessOrEqual(t, last, len(honest)+2*quantum/stanzaCost)
		})
	}
}

// TestFullInAll shows that the heaviest loses when many together are too much.
func TestFullInAll(t *testing.T) {
	q := newInbox(1<<20, 0)
	for i := range 20 {
		require.Len(t, q.offer("heavy.example", text(fmt.Sprint("heavy", i), 1600)), 0)
	}
	lost := make(map[string]int)
	for i := range 100 {
		d := fmt.Sprintf("d%d.example", i)
		for range 8 {
			for _, e := range q.offer(d, text(d, 1600)) {
				require.False(t, e.share)
				lost[label(e.raw)]++
			}
		}
		require.LessOrEqual(t, q.root.cost, q.max)
	}
	require.Positive(t, lost["heavy19"])
	require.Zero(t, lost["heavy0"])
	for d, n := range lost {
		require.Less(t, n, 8, d)
	}
}

// TestOwnServerGoesFirst shows that the own server neither waits behind strangers nor loses room to them.
func TestOwnServerGoesFirst(t *testing.T) {
	q := newInbox(32<<20, 0)
	for i := range 2000 {
		q.offer(fmt.Sprintf("d%d.example", i), text("other", 0))
	}
	for i := range 3 {
		require.Len(t, q.offer("", text(fmt.Sprint("own", i), 0)), 0)
	}
	require.Equal(t, strings.Fields("own0 other own1 other own2 other other"), takeAll(q)[:7])
	for range 1000 {
		q.offer("", text("own", 0))
	}
	require.LessOrEqual(t, q.ownCost, q.share)
	for _, name := range takeAll(q) {
		require.Equal(t, "own", name)
	}
	require.Zero(t, q.ownCost)
}

// TestLargestFits shows that however small the whole is, a stanza of the greatest size can wait.
func TestLargestFits(t *testing.T) {
	q := newInbox(1, 1<<20)
	require.Len(t, q.offer("", waiting{raw: make([]byte, 1<<20)}), 0)
	q.max = 2 << 20
	require.Len(t, q.offer("a.example", waiting{raw: make([]byte, 1<<20)}), 0)
}

// TestInboxMemory shows that what is charged for a stanza covers what it takes, with every sender new.
func TestInboxMemory(t *testing.T) {
	const max = 32 << 20
	before := liveHeap()
	q := newInbox(max, 1<<20)
	for i := range 100_000 {
		q.offer(fmt.Sprintf("a-name-of-its-own-%d.example-%d.example", i, i), waiting{raw: []byte("<message/>")})
	}
	require.LessOrEqual(t, q.root.cost, max)
	require.Greater(t, q.root.count, 20_000)
	require.Less(t, liveHeap()-before, int64(max))
	runtime.KeepAlive(q)
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestInboxModel compares the queue with what must hold whatever comes: nothing is lost but what was said to be, each
// domain's stanzas keep their order, the bounds are kept, and the sums are those of the parts.
func TestInboxModel(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 485))
		q := newInbox(64<<10, 0)
		q.share = 16 << 10
		in, out := make(map[string][]string), make(map[string][]string)
		gone := make(map[string]bool)
		next := 0
		for range 3000 {
			if rng.IntN(5) < 2 {
				if b, ok := q.take(); ok {
					d, _, _ := strings.Cut(label(b), " ")
					out[d] = append(out[d], label(b))
				}
			} else {
				d := []string{"", "a.x", "b.x", "1.c.x", "2.c.x", "x", ".c.x", "127.0.0.1"}[rng.IntN(8)]
				name := fmt.Sprint(d, " #", next)
				next++
				in[d] = append(in[d], name)
				for _, e := range q.offer(d, text(name, rng.IntN(6000))) {
					gone[label(e.raw)] = true
				}
			}
			checkSums(t, q)
		}
		for _, name := range takeAll(q) {
			d, _, _ := strings.Cut(name, " ")
			out[d] = append(out[d], name)
		}
		for d, names := range in {
			var want []string
			for _, name := range names {
				if !gone[name] {
					want = append(want, strings.TrimRight(name, " "))
				}
			}
			require.Equal(t, want, out[d], "seed %d, %q", seed, d)
		}
	}
}

func checkSums(t *testing.T, q *inbox) {
	require.LessOrEqual(t, q.root.cost, q.max)
	require.LessOrEqual(t, q.ownCost, q.share)
	parts := 0
	cost, count := 0, 0
	for i, site := range q.root.heaviest {
		require.Equal(t, i, site.place)
		require.LessOrEqual(t, site.cost, q.share)
		require.LessOrEqual(t, site.cost, q.root.heaviest[0].cost)
		siteCost, siteCount := 0, 0
		for _, d := range site.heaviest {
			require.Equal(t, d.fifo.len(), d.count)
			siteCost, siteCount = siteCost+d.cost, siteCount+d.count
		}
		require.Equal(t, siteCost, site.cost)
		require.Equal(t, siteCount, site.count)
		cost, count = cost+siteCost, count+siteCount
		parts += 1 + len(site.heaviest)
	}
	require.Equal(t, cost, q.root.cost)
	require.Equal(t, count, q.root.count)
	require.Len(t, q.flows, parts)
}
