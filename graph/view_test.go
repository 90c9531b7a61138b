package graph_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// family is a network with services, mutual and one-sided links and a second component.
func family(t *testing.T) *graph.Snapshot {
	t.Helper()
	g, c := newGraph()
	g.Apply(report(c, "a.example", 1, "b.example", "conference.b.example", "lone.example"))
	g.Apply(report(c, "b.example", 2, "a.example", "c.example"))
	g.Apply(report(c, "c.example", 3, "d.example"))
	g.Apply(report(c, "conference.b.example", 4, "a.example", "b.example", "c.example"))
	g.Apply(report(c, "muc.co.uk", 0, "x.test"))
	g.Apply(report(c, "co.uk", 0, "x.test"))
	return g.Snapshot()
}

func TestViews(t *testing.T) {
	for test, want := range map[string]struct {
		views   []graph.View
		domains []string
		links   []string
		unnamed int
	}{
		"focus": {
			[]graph.View{graph.Focus(name("d.example"), 1)},
			[]string{"c.example", "d.example"}, []string{"c.example d.example one-sided"}, 3,
		},
		"focus on nothing": {[]graph.View{graph.Focus(name("no.example"), 3)}, []string{}, []string{}, 0},
		"mutual": {
			[]graph.View{graph.Mutual},
			[]string{"a.example", "b.example", "c.example", "co.uk", "conference.b.example", "muc.co.uk"},
			[]string{"a.example b.example mutual", "a.example conference.b.example mutual"}, 10,
		},
		"reporting, without unnamed": {
			[]graph.View{graph.Reporting, graph.WithoutUnnamed},
			[]string{"a.example", "b.example", "c.example", "co.uk", "conference.b.example", "muc.co.uk"},
			[]string{"a.example b.example mutual", "a.example conference.b.example mutual", "b.example c.example one-sided",
				"b.example conference.b.example one-sided", "c.example conference.b.example one-sided"}, 0,
		},
		"fold, then focus": {
			[]graph.View{graph.Fold(), graph.Focus(name("b.example"), 1)},
			[]string{"a.example", "b.example", "c.example"},
			[]string{"a.example b.example mutual", "b.example c.example one-sided"}, 10,
		},
		"fold other services": {
			[]graph.View{graph.Fold("b"), graph.Focus(name("conference.b.example"), 0)},
			[]string{"conference.b.example"}, []string{}, 4,
		},
		"exclude": {
			[]graph.View{graph.Exclude(name("a.example"), name("c.example"))},
			[]string{"b.example", "co.uk", "conference.b.example", "muc.co.uk", "x.test"},
			[]string{"b.example conference.b.example one-sided", "co.uk x.test one-sided", "muc.co.uk x.test one-sided"}, 2 + 2 + 4 + 2,
		},
		"exclude, then fold": {
			[]graph.View{graph.Exclude(name("b.example")), graph.Fold(), graph.Focus(name("conference.b.example"), 0)},
			[]string{"conference.b.example"}, []string{}, 5,
		},
	} {
		t.Run(test, func(t *testing.T) {
			s := family(t).View(want.views...)
			require.Equal(t, want.domains, domains(s))
			require.Equal(t, want.links, links(s))
			require.Equal(t, want.unnamed, s.Counts().Unnamed)
		})
	}
}

func TestFoldStaysWithinAPublicSuffix(t *testing.T) {
	s := family(t).View(graph.Fold())
	require.Contains(t, domains(s), "muc.co.uk")
	require.NotContains(t, domains(s), "conference.b.example")
	b, _ := s.Domain(name("b.example"))
	require.Equal(t, 6, b.Unnamed)
}

func TestViewText(t *testing.T) {
	require.Equal(t, "focus yax.im 2", graph.Focus(name("yax.im"), 2).String())
	require.Equal(t, graph.Exclude(name("a.test"), name("b.test")).String(), graph.Exclude(name("b.test"), name("a.test"), name("b.test")).String())
	s := family(t)
	require.Same(t, s, s.View())
	require.True(t, s.View(graph.Combined, graph.Fold(), graph.Mutual).IsCombined())
	require.False(t, s.IsCombined())
}

// everyView is one of each, and some that could get into each other's way.
func everyView() map[string][]graph.View {
	return map[string][]graph.View{
		"none":            nil,
		"without unnamed": {graph.WithoutUnnamed},
		"combined":        {graph.Combined},
		"mutual":          {graph.Mutual},
		"reporting":       {graph.Reporting},
		"focus":           {graph.Focus(name("a.test.example"), 1)},
		"fold":            {graph.Fold("a", "b")},
		"fold and mutual": {graph.Fold("a", "b"), graph.Mutual},
		"exclude":         {graph.Exclude(name("b.test.example"), name("test.example"))},
		"exclude, fold":   {graph.Exclude(name("b.test.example")), graph.Fold("a", "b", "c")},
	}
}

// network is a random walk through the life of a graph.
type network struct {
	rnd *rand.Rand
	c   *clock
	g   *graph.Graph
	// allowed is until when each name may be shown at most, whoever says so.
	allowed map[xep.Name]time.Time
}

func newNetwork(seed uint64) *network {
	c := &clock{start}
	return &network{rand.New(rand.NewPCG(seed, 7)), c, graph.New(graph.Options{Now: c.now}), map[xep.Name]time.Time{}}
}

func (n *network) pick() xep.Name {
	return name([]string{"", "a.", "b.", "a.b.", "c.", "d.", "e."}[n.rnd.IntN(7)] + "test.example")
}

func (n *network) verdict(name xep.Name) time.Time {
	until := n.c.in(time.Duration(n.rnd.IntN(5)-1) * 30 * time.Minute)
	if until.After(n.allowed[name]) {
		n.allowed[name] = until
	}
	return until
}

func (n *network) step() {
	switch n.rnd.IntN(10) {
	case 0:
		n.c.advance(time.Duration(n.rnd.IntN(60)) * time.Minute)
	case 1:
		who := n.pick()
		delete(n.allowed, who)
		n.g.Consent(who, n.verdict(who))
	case 2:
		who := n.pick()
		delete(n.allowed, who)
		n.g.Forget(who)
	default:
		r := graph.Report{Domain: n.pick(), Unnamed: n.rnd.IntN(3), At: n.c.t}
		r.Until = n.verdict(r.Domain)
		for range n.rnd.IntN(5) {
			p := graph.Peer{Name: n.pick(), Directions: graph.Directions(n.rnd.IntN(8))}
			p.Until = n.verdict(p.Name)
			r.Peers = append(r.Peers, p)
		}
		if n.rnd.IntN(3) == 0 {
			users := n.rnd.Uint64N(2)
			r.Users, r.Software = &users, "Prosody"
		}
		n.g.Apply(r)
	}
	n.c.advance(time.Second)
}

// TestNoNameWithoutVerdict walks through the life of a graph and looks for a name that shouldn't be there.
func TestNoNameWithoutVerdict(t *testing.T) {
	for seed := range uint64(20) {
		n := newNetwork(seed)
		for range 100 {
			n.step()
			s := n.g.Snapshot()
			for view, vs := range everyView() {
				v := s.View(vs...)
				for d := range v.Domains() {
					require.True(t, n.allowed[d.Name].After(n.c.t), "view %s shows %s", view, d.Name)
				}
			}
		}
	}
}

// TestViewsAreWhole checks what readers rely on.
func TestViewsAreWhole(t *testing.T) {
	n := newNetwork(99)
	for range 300 {
		n.step()
		s := n.g.Snapshot()
		for view, vs := range everyView() {
			v := s.View(vs...)
			degrees := 0
			for d := range v.Domains() {
				degrees += d.Degree
				require.False(t, d.First.IsZero() || d.Last.Before(d.First), view)
			}
			require.Equal(t, 2*v.Counts().Links, degrees)
			for l := range v.Links() {
				require.Less(t, l.I, l.J, view)
				require.NotEqual(t, graph.StateLapsed, l.State)
				again, ok := v.Link(l.B, l.A)
				require.True(t, ok)
				require.Equal(t, l, again)
			}
		}
	}
}
