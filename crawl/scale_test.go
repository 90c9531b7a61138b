package crawl_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// dialListening connects as a component whose handler is the crawler's.
func dialListening(t testing.TB, addr string, c *crawl.Crawler) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID:     jid.MustParse(testserver.Component),
		Secret:  testserver.Secret,
		Server:  addr,
		Handler: mux.New(component.NSAccept, c.Handle(), optin.Handle()),
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// fastClock is a clock that runs faster, so that a test need not sit out what a crawl waits for others' sake.
type fastClock struct {
	start time.Time
	speed time.Duration
}

func (c fastClock) Now() time.Time { return c.start.Add(time.Since(c.start) * c.speed) }

func (c fastClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d / c.speed)
	return t.C, func() { t.Stop() }
}

// mute are the faults of a domain that never gets a useful answer through, and so can't opt in.
const mute = testserver.ErrorReply | testserver.ErrorBare | testserver.ErrorEmpty | testserver.EmptyResult | testserver.TextOnly |
	testserver.WrongPayload | testserver.StreamsReply | testserver.HugeReply | testserver.DeepReply | testserver.NotFound |
	testserver.Unreachable | testserver.NoReply | testserver.Held | testserver.WrongFrom | testserver.NoFrom | testserver.WrongID |
	testserver.TextBefore | testserver.ForgedReplies // these forge the replies to the request itself, too

// ownWords are the faults with which a domain spoils its own report: whatever it says of itself is what counts.
const ownWords = testserver.EventFlood | testserver.EndlessRSM

// population is a federation of which some domains misbehave.
type population struct {
	*testserver.Federation
	faults map[string]testserver.Fault
	// liars speak for another domain beside their own.
	liars map[string]bool
}

// spoil makes one domain in twenty hostile, the seeds excepted: each has one of the faults that reach through an honest server,
// or lies in what it publishes.
func spoil(f *testserver.Federation, seed uint64, seeds []string) *population {
	p := &population{Federation: f, faults: map[string]testserver.Fault{}, liars: map[string]bool{}}
	faults := slices.DeleteFunc(testserver.Faults(), func(f testserver.Fault) bool { return f&testserver.RemoteFaults == 0 })
	rng := rand.New(rand.NewPCG(seed, seed))
	next := 0
	for _, i := range rng.Perm(len(f.Domains))[:len(f.Domains)/20] {
		m := f.Domains[i]
		if slices.Contains(seeds, m.Name) {
			continue
		}
		kind := next % (len(faults) + 1)
		next++
		switch {
		case kind == len(faults), faults[kind]&ownWords != 0 && m.Profile.Publishes():
			p.liars[m.Name] = true
		default:
			p.faults[m.Name] = faults[kind]
		}
	}
	return p
}

func (p *population) mute(name string) bool { return p.faults[name]&mute != 0 }

func (p *population) populate(srv *testserver.Server) {
	for _, m := range p.Domains {
		d := testserver.Domain{
			Name: m.Name, Profile: m.Profile, Advertise: true,
			Report:  testserver.Report{Peers: m.Peers, Unnamed: m.Unnamed},
			Fault:   p.faults[m.Name],
			Options: testserver.FaultOptions{Bytes: 2 << 20, Depth: 10_000, Delay: time.Millisecond, Flood: 20},
		}
		if p.liars[m.Name] {
			d.Quirks = testserver.SeveralDomains
		}
		srv.AddDomain(d)
	}
}

// truth is what a crawler that subscribes should find.
func (p *population) truth(seeds ...string) truth {
	members := make(map[string]testserver.Member, len(p.Domains))
	for _, m := range p.Domains {
		members[m.Name] = m
	}
	want := truth{unnamed: make(map[string]int)}
	found := make(map[string]bool)
	for queue := slices.Clone(seeds); len(queue) > 0; queue = queue[1:] {
		m := members[queue[0]]
		if found[m.Name] || p.mute(m.Name) {
			continue
		}
		found[m.Name] = true
		want.named = append(want.named, m.Name)
		if !m.Profile.Publishes() {
			continue
		}
		want.unnamed[m.Name] = m.Unnamed
		for _, peer := range m.Peers {
			queue = append(queue, peer.Name)
			if p.mute(peer.Name) {
				want.unnamed[m.Name]++
			}
		}
	}
	slices.Sort(want.named)
	want.links = p.links(want.unnamed)
	return want
}

// links are the claims of the reporters, put together.
func (p *population) links(reporters map[string]int) (all []link) {
	byPair := make(map[[2]string]*link)
	for _, c := range p.Claims {
		if _, ok := reporters[c.From]; !ok || p.mute(c.To) {
			continue
		}
		pair := [2]string{min(c.From, c.To), max(c.From, c.To)}
		l := byPair[pair]
		if l == nil {
			l = &link{a: pair[0], b: pair[1]}
			byPair[pair] = l
		}
		l.oneSided = !l.oneSided
		if c.From == l.a {
			l.aToB = graph.Directions(c.Directions)
		} else {
			l.bToA = graph.Directions(c.Directions)
		}
	}
	for _, l := range byPair {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(x, y link) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	return all
}

// scale is how many domains the test has, the 10,000 of a large network for those who set CRAWL_DOMAINS to that.
func scale(t *testing.T) int {
	if raced {
		return 500
	}
	if s := os.Getenv("CRAWL_DOMAINS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		return n
	}
	return 2000
}

// Every kind of publisher and every fault that reaches through an honest server, politely and with subscriptions:
// the crawl ends with exactly what the generator made.
func TestCrawlAtScale(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of domains")
	}
	size := scale(t)
	f := testserver.Network(1, size)
	seeds := reporters(f, 3)
	p := spoil(f, 1, seeds)
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	p.populate(srv)
	want := p.truth(seeds...)

	clock := fastClock{start: time.Now(), speed: 1000}
	g := graph.New(graph.Options{Now: clock.Now, MaxAge: 30 * 24 * time.Hour})
	c := &crawl.Crawler{
		Contact: "mailto:ops@example.org", Seeds: seeds, Clock: clock, Interval: 24 * time.Hour,
		Concurrency: 64, VisitTimeout: 5 * time.Second,
		// One in six of the generator's names is below example.net, to which anybody may add some.
		MaxUnconfirmed: -1,
	}
	c.Session = dialListening(t, srv.ComponentAddr(), c)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	before := heap()
	var reports reporting
	done := make(chan struct{})
	go func() {
		defer close(done)
		settle(ctx, c, &reports, len(want.unnamed))
		t.Logf("%+v", c.Stats())
		t.Logf("%d bytes per domain held", int64(heap()-before)/int64(size))
		cancel()
	}()
	for ev := range c.Run(ctx) {
		ev.Apply(g)
		reports.add(ev)
		if h := srv.Domain(ev.Domain.String()); ev.Kind == crawl.ConsentGiven && h.Profile() == testserver.ProsodyOld {
			// Its node keeps nothing, so that it has to say it again now that somebody listens.
			h.Publish()
		}
	}
	<-done
	require.Empty(t, p.differences(want, found(g.Snapshot())))
	require.EqualValues(t, len(want.unnamed), reports.count.Load())
}

// reporting counts the domains of which a report was accepted.
type reporting struct {
	names map[xep.Name]bool
	count atomic.Int64
}

func (r *reporting) add(ev crawl.Event) {
	if ev.Kind != crawl.ReportAccepted || r.names[ev.Domain] {
		return
	}
	if r.names == nil {
		r.names = make(map[xep.Name]bool)
	}
	r.names[ev.Domain] = true
	r.count.Add(1)
}

// differences describes the first few, because whole networks are no message.
func (p *population) differences(want, got truth) (all []string) {
	facts := func(t truth) map[string]bool {
		set := make(map[string]bool)
		for _, n := range t.named {
			set["name "+n] = true
		}
		for n, k := range t.unnamed {
			set[fmt.Sprintf("%s has %d unnamed", n, k)] = true
		}
		for _, l := range t.links {
			set[fmt.Sprintf("%s one-sided %t", l, l.oneSided)] = true
		}
		return set
	}
	w, g := facts(want), facts(got)
	about := func(fact string) string {
		name := ""
		for _, m := range p.Domains {
			if strings.HasPrefix(strings.TrimPrefix(fact, "name "), m.Name) {
				name = fmt.Sprintf("%s, %s, liar %t", m.Profile, p.faults[m.Name], p.liars[m.Name])
			}
		}
		return fact + " (" + name + ")"
	}
	for f := range w {
		if !g[f] {
			all = append(all, "missing: "+about(f))
		}
	}
	for f := range g {
		if !w[f] {
			all = append(all, "wrong: "+about(f))
		}
	}
	// Names first, because what else is wrong follows from them.
	slices.SortFunc(all, func(a, b string) int {
		x, y := strings.Contains(a, "name "), strings.Contains(b, "name ")
		if x != y {
			return map[bool]int{true: -1, false: 1}[x]
		}
		return cmp.Compare(a, b)
	})
	return all[:min(len(all), 12)]
}

// settle returns when there are that many reports, all of them with a subscription, and nobody is left to visit.
func settle(ctx context.Context, c *crawl.Crawler, r *reporting, want int) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		st := c.Stats()
		if r.count.Load() >= int64(want) && st.Subscribed >= want && st.Due == 0 && st.InFlight == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
