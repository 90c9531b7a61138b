package crawl_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// dial connects as a component of the test server.
func dial(t testing.TB, srv *testserver.Server) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID:    jid.MustParse(testserver.Component),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// link is a link as a test compares it.
type link struct {
	a, b     string
	aToB     graph.Directions
	bToA     graph.Directions
	oneSided bool
}

func (l link) String() string { return fmt.Sprintf("%s-%s %s/%s", l.a, l.b, l.aToB, l.bToA) }

// truth is what a crawler that only fetches should find in a federation.
type truth struct {
	named   []string
	links   []link
	unnamed map[string]int
}

func truthOf(f *testserver.Federation, seeds ...string) truth {
	t := truth{named: f.Reachable(seeds...), unnamed: make(map[string]int)}
	fetchable := make(map[string]bool)
	for _, m := range f.Domains {
		if m.Profile.Publishes() && m.Profile != testserver.ProsodyOld && slices.Contains(t.named, m.Name) {
			fetchable[m.Name] = true
			t.unnamed[m.Name] = m.Unnamed
		}
	}
	links := make(map[[2]string]*link)
	for _, c := range f.Claims {
		if !fetchable[c.From] {
			continue
		}
		key := [2]string{min(c.From, c.To), max(c.From, c.To)}
		l := links[key]
		if l == nil {
			l = &link{a: key[0], b: key[1], oneSided: true}
			links[key] = l
		} else {
			l.oneSided = false
		}
		if c.From == l.a {
			l.aToB = graph.Directions(c.Directions)
		} else {
			l.bToA = graph.Directions(c.Directions)
		}
	}
	for _, l := range links {
		t.links = append(t.links, *l)
	}
	slices.SortFunc(t.links, func(x, y link) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	return t
}

func found(s *graph.Snapshot) truth {
	t := truth{unnamed: make(map[string]int)}
	for d := range s.Domains() {
		t.named = append(t.named, d.Name.String())
		if d.Reporting {
			t.unnamed[d.Name.String()] = d.Unnamed
		}
	}
	for l := range s.Links() {
		t.links = append(t.links, link{l.A.String(), l.B.String(), l.ByA.Directions, l.ByB.Directions, l.State == graph.StateOneSided})
	}
	return t
}

func reporters(f *testserver.Federation, n int) (seeds []string) {
	for _, m := range f.Domains {
		if len(seeds) < n && m.Profile.Publishes() && m.Profile != testserver.ProsodyOld {
			seeds = append(seeds, m.Name)
		}
	}
	return seeds
}

// The whole way: every kind of publisher, over a real session, against what the generator made.
func TestCrawlOfAGeneratedNetwork(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	f := testserver.Network(1, 112)
	srv.AddNetwork(f)
	seeds := reporters(f, 3)
	g := graph.New(graph.Options{})
	c := &crawl.Crawler{Session: dial(t, srv), Contact: "mailto:ops@example.org", Seeds: seeds, Spacing: -1, Once: true}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ev := range c.Run(ctx) {
		ev.Apply(g)
	}
	require.NoError(t, ctx.Err())
	require.Equal(t, truthOf(f, seeds...), found(g.Snapshot()))
}

// What would spoil a network if a crawler were naive: each oddity on a domain of its own, all in one crawl.
func TestCrawlOfQuirks(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	quirks := map[string]testserver.Quirks{
		"twoforms": testserver.TwoForms, "listmulti": testserver.FormListMulti, "untyped": testserver.FormUntyped,
		"noform": testserver.NoForm, "duplicates": testserver.DuplicatePeers, "several": testserver.SeveralDomains,
		"extensions": testserver.Extensions, "software": testserver.SoftwareVersion, "publisher": testserver.ExposePublisher,
		"upper": testserver.UpperCase, "dots": testserver.TrailingDots,
	}
	var seeds []string
	for name, q := range quirks {
		for _, p := range []testserver.Profile{testserver.Standard, testserver.Prosody, testserver.Ejabberd, testserver.Openfire} {
			if q == testserver.NoForm && p == testserver.Prosody {
				continue // its node has another name than the default, so without a form nobody can find it
			}
			d := fmt.Sprintf("%s-%d.test", name, p)
			srv.AddDomain(testserver.Domain{Name: d, Profile: p, Advertise: true, Quirks: q, Report: testserver.Report{
				Peers:   []testserver.Peer{{Name: "hub.test", Directions: testserver.In | testserver.Out}},
				Unnamed: 3,
			}})
			seeds = append(seeds, d)
		}
	}
	srv.AddDomain(testserver.Domain{Name: "hub.test", Profile: testserver.Tigase, Advertise: true})
	srv.AddDomain(testserver.Domain{Name: "formonly.test", Quirks: testserver.FormOnly, Report: testserver.Report{Peers: []testserver.Peer{{Name: "hub.test"}}}})
	g := graph.New(graph.Options{})
	c := &crawl.Crawler{Session: dial(t, srv), Contact: "mailto:ops@example.org", Seeds: append(seeds, "formonly.test"), Spacing: -1, Once: true}
	for ev := range c.Run(t.Context()) {
		ev.Apply(g)
	}
	snap := g.Snapshot()
	require.Equal(t, graph.Counts{Domains: len(seeds) + 1, Reporting: len(seeds), Links: len(seeds), Unnamed: 3 * len(seeds)}, snap.Counts())
}

// An answer from somebody else than was asked is none, and the trace says so.
func TestReplyFromAnotherAddress(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true, Fault: testserver.WrongFrom, Report: testserver.Report{Unnamed: 1}})
	c := &crawl.Crawler{Session: dial(t, srv), Contact: "mailto:ops@example.org", Seeds: []string{"a.test"}, Spacing: -1, Once: true, VisitTimeout: time.Second}
	var failed *crawl.Event
	var stats crawl.Stats
	for ev := range c.Run(t.Context()) {
		failed, stats = &ev, c.Stats()
	}
	require.NotNil(t, failed)
	require.Equal(t, crawl.VisitFailed, failed.Kind)
	require.Equal(t, crawl.FailureSender, crawl.FailureOf(failed.Err))
	require.Equal(t, map[crawl.Failure]uint64{crawl.FailureSender: 1}, stats.Failures)
	require.Contains(t, failed.Visit.Trace.String(), "from another address")
	require.False(t, failed.Visit.Verdict.Named(time.Now()))
}
