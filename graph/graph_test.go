package graph_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is a clock that only moves when told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }
func (c *clock) in(d time.Duration) time.Time {
	return c.t.Add(d)
}

func newGraph() (*graph.Graph, *clock) {
	c := &clock{start}
	return graph.New(graph.Options{Now: c.now}), c
}

func name(s string) xep.Name { return xep.MustName(s) }

// report is a report of this moment; all its verdicts end in an hour. A peer with a trailing question mark has none.
func report(c *clock, domain string, unnamed int, peers ...string) graph.Report {
	r := graph.Report{Domain: name(domain), At: c.t, Until: c.in(time.Hour), Unnamed: unnamed}
	for _, p := range peers {
		if n := len(p) - 1; p[n] == '?' {
			r.Peers = append(r.Peers, graph.Peer{Name: name(p[:n])})
		} else {
			r.Peers = append(r.Peers, graph.Peer{Name: name(p), Until: c.in(time.Hour), Directions: graph.Out})
		}
	}
	return r
}

func domains(s *graph.Snapshot) []string {
	out := []string{}
	for d := range s.Domains() {
		out = append(out, d.Name.String())
	}
	return out
}

func links(s *graph.Snapshot) []string {
	out := []string{}
	for l := range s.Links() {
		out = append(out, l.A.String()+" "+l.B.String()+" "+l.State.String())
	}
	return out
}

func TestApplyNamesAndCounts(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "b.test", 3, "a.test", "c.test", "shy.test?", "b.test", "a.test"))
	g.Apply(report(c, "a.test", 0, "b.test"))
	s := g.Snapshot()
	require.Equal(t, []string{"a.test", "b.test", "c.test"}, domains(s))
	require.Equal(t, []string{"a.test b.test mutual", "b.test c.test one-sided"}, links(s))
	b, ok := s.Domain(name("b.test"))
	require.True(t, ok)
	require.Equal(t, graph.Domain{
		Name: name("b.test"), Reporting: true, First: start, Last: start, Reported: start,
		Until: start.Add(time.Hour), Unnamed: 4, Degree: 2,
	}, b)
	_, ok = s.Domain(name("shy.test"))
	require.False(t, ok)
	require.Equal(t, graph.Counts{Domains: 3, Reporting: 2, Links: 2, Mutual: 1, Unnamed: 4}, s.Counts())
}

func TestConsentNamesAPeerAndWithdrawsIt(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "a.test", 0, "shy.test?"))
	require.Equal(t, 1, g.Snapshot().Counts().Unnamed)
	g.Consent(name("shy.test"), c.in(time.Hour))
	s := g.Snapshot()
	require.Equal(t, []string{"a.test", "shy.test"}, domains(s))
	require.Zero(t, s.Counts().Unnamed)

	c.advance(time.Minute)
	g.Consent(name("shy.test"), time.Time{})
	late := report(c, "b.test", 0, "shy.test")
	late.At = c.in(-time.Second)
	g.Apply(late)
	s = g.Snapshot()
	require.Equal(t, []string{"a.test", "b.test"}, domains(s))
	require.Equal(t, 2, s.Counts().Unnamed, "an older report can't bring the name back")
}

func TestExpiry(t *testing.T) {
	for name, test := range map[string]struct {
		after   time.Duration
		domains []string
		unnamed int
	}{
		"at once":                         {0, []string{"a.test", "b.test"}, 0},
		"a second before the verdict's":   {time.Hour - time.Second, []string{"a.test", "b.test"}, 0},
		"at the peer's verdict's end":     {time.Hour, []string{"a.test"}, 1},
		"just before the report's end":    {3*time.Hour - time.Nanosecond, []string{"a.test"}, 1},
		"when the report is old":          {3 * time.Hour, []string{}, 0},
		"when the reporter may not be on": {5 * time.Hour, []string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g, c := newGraph()
			r := report(c, "a.test", 0, "b.test")
			r.Until = c.in(4 * time.Hour)
			g.Apply(r)
			before := g.Snapshot()
			require.Equal(t, []string{"a.test", "b.test"}, domains(before))
			c.advance(test.after)
			s := g.Snapshot()
			require.Equal(t, test.domains, domains(s))
			require.Equal(t, test.unnamed, s.Counts().Unnamed)
			require.Equal(t, []string{"a.test", "b.test"}, domains(before), "a snapshot never changes")
		})
	}
}

func TestUntil(t *testing.T) {
	g, c := newGraph()
	require.True(t, g.Snapshot().Until().After(c.in(50*365*24*time.Hour)), "nothing that could end")
	g.Apply(report(c, "a.test", 0))
	s := g.Snapshot()
	require.Equal(t, c.in(time.Hour), s.Until())
	require.Equal(t, s.Until(), s.View(graph.Reporting).Until())
	c.advance(time.Hour)
	require.Zero(t, g.Snapshot().Len())
}

func TestReporterWithoutConsentIsNotShown(t *testing.T) {
	g, c := newGraph()
	r := report(c, "a.test", 5, "b.test")
	r.Until = time.Time{}
	g.Apply(r)
	require.Zero(t, g.Snapshot().Len(), "nor is a peer that only it names")
	g.Consent(name("a.test"), c.in(time.Minute))
	require.Equal(t, []string{"a.test", "b.test"}, domains(g.Snapshot()))
}

func TestLapsedLink(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "a.test", 0, "b.test", "c.test"))
	g.Apply(report(c, "b.test", 0, "a.test"))
	c.advance(10 * time.Minute)
	g.Apply(report(c, "a.test", 0, "c.test"))
	l, ok := g.Snapshot().Link(name("b.test"), name("a.test"))
	require.True(t, ok)
	require.Equal(t, graph.StateOneSided, l.State)
	require.Equal(t, graph.Claim{First: start, Last: start, Directions: graph.Out, Lapsed: true}, l.ByA)
	require.True(t, l.ByB.Made())

	c.advance(10 * time.Minute)
	g.Apply(report(c, "b.test", 0))
	s := g.Snapshot()
	require.Equal(t, []string{"a.test c.test one-sided"}, links(s))
	l, ok = s.Link(name("a.test"), name("b.test"))
	require.True(t, ok)
	require.Equal(t, graph.StateLapsed, l.State)
	require.Equal(t, start, l.First)
	require.Equal(t, 1, s.Counts().Lapsed)
	l, _ = s.Link(name("a.test"), name("c.test"))
	require.Equal(t, start, l.First, "a claim that is repeated keeps its start")
	require.Equal(t, start.Add(10*time.Minute), l.Last)
}

func TestForget(t *testing.T) {
	g, c := newGraph()
	g.Apply(report(c, "a.test", 2, "b.test"))
	g.Apply(report(c, "b.test", 0, "a.test"))
	g.Forget(name("a.test"))
	g.Forget(name("never.test"))
	s := g.Snapshot()
	require.Equal(t, []string{"b.test"}, domains(s))
	require.Equal(t, 1, s.Counts().Unnamed)
}

// A domain that was known before any report named it was first seen in the first one that did.
func TestFirstSeen(t *testing.T) {
	g, c := newGraph()
	g.Consent(name("b.test"), c.in(time.Hour))
	for range 3 {
		g.Apply(report(c, "a.test", 0, "b.test?"))
		c.advance(time.Minute)
	}
	b, ok := g.Snapshot().Domain(name("b.test"))
	require.True(t, ok)
	require.Equal(t, start, b.First)
	require.Equal(t, c.in(-time.Minute), b.Last)
}

func TestIsEmpty(t *testing.T) {
	g, c := newGraph()
	require.True(t, g.Snapshot().IsEmpty())
	g.Consent(name("b.test"), c.in(time.Hour))
	g.Apply(graph.Report{Domain: name("shy.test"), Peers: []graph.Peer{{Name: name("b.test")}}})
	s := g.Snapshot()
	require.True(t, s.IsEmpty(), "nobody who may be named reports")
	require.Equal(t, s.Len() == 0, s.IsEmpty())
	g.Apply(report(c, "a.test", 0))
	s = g.Snapshot()
	require.False(t, s.IsEmpty())
	require.Equal(t, 1, s.Len())
	require.False(t, s.IsEmpty())
	require.True(t, s.View(graph.Exclude(name("a.test"))).IsEmpty())
	require.True(t, new(graph.Snapshot).IsEmpty())
}

func TestSnapshotVersions(t *testing.T) {
	g, c := newGraph()
	require.Zero(t, g.Snapshot().Len())
	g.Apply(report(c, "a.test", 0, "b.test"))
	s := g.Snapshot()
	require.Same(t, s, g.Snapshot())
	require.NotZero(t, s.Len())
	c.advance(time.Minute)
	require.Same(t, s, g.Snapshot(), "nothing has changed by time alone")
	c.advance(time.Hour)
	require.Equal(t, s.Version()+1, g.Snapshot().Version())
}

func TestUnusableReportsChangeNothing(t *testing.T) {
	g, c := newGraph()
	old := report(c, "a.test", 0, "b.test")
	old.At = c.in(-graph.DefaultMaxAge)
	g.Apply(old)
	g.Apply(graph.Report{Until: c.in(time.Hour)})
	g.Consent(xep.Name{}, c.in(time.Hour))
	require.Zero(t, g.Snapshot().Len())
	ahead := report(c, "a.test", -1, "b.test")
	ahead.At, ahead.Until = c.in(time.Hour), c.in(2*time.Hour)
	g.Apply(ahead)
	a, _ := g.Snapshot().Domain(name("a.test"))
	require.Equal(t, start, a.Reported, "a report from the future is one of now")
	require.Zero(t, a.Unnamed)
}

// TestOrderOfReports applies the same reports in many orders.
func TestOrderOfReports(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		c := &clock{start}
		var all []graph.Report
		for i := range 1 + rnd.IntN(12) {
			r := randomReport(rnd, c, 6)
			r.At = c.in(-time.Duration(i) * time.Second)
			all = append(all, r)
		}
		var want *graph.Snapshot
		for range 5 {
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			g := graph.New(graph.Options{Now: c.now})
			for _, r := range all {
				g.Apply(r)
			}
			s := g.Snapshot()
			if want == nil {
				want = s
			}
			requireSame(t, want, s)
		}
	}
}

// randomReport is a report of the last few seconds on few domains, so that ties and gaps are common.
func randomReport(rnd *rand.Rand, c *clock, domains int) graph.Report {
	pick := func() xep.Name { return name(string(rune('a'+rnd.IntN(domains))) + ".test") }
	until := func() time.Time { return c.in(time.Duration(rnd.IntN(4)) * time.Hour) }
	r := graph.Report{
		Domain: pick(), Until: until(), At: c.in(-time.Duration(rnd.IntN(4)) * time.Second), Unnamed: rnd.IntN(4),
		Software: []string{"", "Prosody", "ejabberd"}[rnd.IntN(3)],
	}
	for range rnd.IntN(5) {
		r.Peers = append(r.Peers, graph.Peer{Name: pick(), Until: until(), Directions: graph.Directions(rnd.IntN(8))})
	}
	return r
}

func requireSame(t *testing.T, want, got *graph.Snapshot) {
	t.Helper()
	collect := func(s *graph.Snapshot) (d []graph.Domain, l []graph.Link) {
		for x := range s.Domains() {
			d = append(d, x)
		}
		for x := range s.Links() {
			l = append(l, x)
		}
		for x := range s.Lapsed() {
			l = append(l, x)
		}
		return d, l
	}
	wd, wl := collect(want)
	gd, gl := collect(got)
	require.Equal(t, wd, gd)
	require.Equal(t, wl, gl)
}

// TestSweepRenumbers has names come and go until their numbers are given out anew.
func TestSweepRenumbers(t *testing.T) {
	g, c := newGraph()
	for round := range 20 {
		for i := range 50 {
			domain := "d" + string(rune('a'+i%26)) + string(rune('a'+round)) + ".test"
			g.Apply(report(c, domain, i, "stays.test", "x"+domain, domain))
		}
		r := report(c, "stays.test", 1, "da"+string(rune('a'+round))+".test")
		g.Apply(r)
		s := g.Snapshot()
		stays, ok := s.Domain(name("stays.test"))
		require.True(t, ok)
		require.Equal(t, 26*(min(round, 1)+1), stays.Degree, "round %d", round)
		require.Equal(t, start, stays.First)
		c.advance(40 * time.Minute)
	}
}

func TestLimits(t *testing.T) {
	c := &clock{start}
	g := graph.New(graph.Options{Now: c.now, MaxPeers: 2})
	r := report(c, "a.test", 1<<30, "b.test", "c.test", "d.test", "e.test")
	g.Apply(r)
	a, _ := g.Snapshot().Domain(name("a.test"))
	require.Equal(t, 2, a.Degree)
	require.Equal(t, 1<<20, a.Unnamed)
	r.Unnamed = 0
	g.Apply(r)
	a, _ = g.Snapshot().Domain(name("a.test"))
	require.Equal(t, 2, a.Unnamed)

	for _, peers := range [][]string{{"f.test", "g.test"}, {"h.test", "i.test"}, {"j.test"}} {
		c.advance(time.Second)
		g.Apply(report(c, "a.test", 0, peers...))
		for _, p := range peers {
			g.Apply(report(c, p, 0))
		}
	}
	require.Equal(t, 2, g.Snapshot().Counts().Lapsed)
	l, ok := g.Snapshot().Link(name("a.test"), name("h.test"))
	require.True(t, ok, "the newest are remembered")
	require.Equal(t, graph.StateLapsed, l.State)
}

// TestNamesThatChangeDontPileUp has one domain report other names each time.
func TestNamesThatChangeDontPileUp(t *testing.T) {
	g, c := newGraph()
	grown := bytesPer(1, func() any {
		for i := range 60 {
			r := report(c, "a.test", 0)
			for k := range 5000 {
				r.Peers = append(r.Peers, graph.Peer{Name: numbered(i*5000 + k)})
			}
			c.advance(graph.DefaultMaxAge) // so that the last report isn't remembered
			r.At = c.t
			g.Apply(r)
		}
		return g
	})
	require.Less(t, grown, 10e6, "300,000 names would be some 25 MB")
}

func TestVersionsBeginWhereTold(t *testing.T) {
	g := graph.New(graph.Options{Version: 1 << 40})
	require.Equal(t, uint64(1<<40+1), g.Snapshot().Version())
	require.Equal(t, uint64(1), graph.New(graph.Options{}).Snapshot().Version())
}
