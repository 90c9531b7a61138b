//go:build integration

package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/web"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// site is a server in this process, over a graph that the test holds in its hands.
type site struct {
	graph *graph.Graph
	url   string
}

func newSite(t *testing.T, g *graph.Graph) *site {
	t.Helper()
	press := edition.New(g, edition.Options{Pulse: 20 * time.Millisecond})
	programs := api.New(press, api.Options{Look: look})
	pages := web.New(press, web.Options{Programs: programs, Site: web.Site{
		Title: "Test network", Operator: "Somebody", Contact: "mailto:ops@example.org", Legal: "# Imprint\n\nA [link](https://example.org/).\n\n- one\n- two",
	}})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Handles(r.URL.Path) {
			programs.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		programs.Close()
		srv.Close()
	})
	return &site{g, srv.URL}
}

// look finds that a domain does not opt in, with what a hostile one may answer.
func look(_ context.Context, domain string, onStep func(pubsub.Step)) (crawl.Account, error) {
	a := crawl.Account{At: time.Now(), Outcome: crawl.OutcomeUnnamed, Trace: pubsub.Trace{
		{Name: pubsub.StepDomainInfo, Asked: "disco#info of " + domain, Got: markup, Took: 84 * time.Millisecond},
		{Name: pubsub.StepOptIn, Status: pubsub.StatusFailed, Asked: "the feature urn:xmpp:serverinfo:0", Got: "not there", Err: pubsub.ErrNotAdvertised},
	}}
	for _, s := range a.Trace {
		onStep(s)
	}
	return a, nil
}

// Names that want to be something else, and words that want to be markup.
const (
	homograph = "xn--pple-43d.test" // аpple.test with a Cyrillic а
	cyrillic  = "xn--e1afmkfd.test" // пример.test
	rightLeft = "xn--4dbrk0ce.test" // ישראל.test
	// markup is what a server may say of its software.
	markup = "\u202e\"><img src=x onerror=alert(1)><script>alert(2)</script>"
)

// longName has labels of the longest length.
func longName() string {
	label := ""
	for len(label) < 63 {
		label += "long"[len(label)%4 : len(label)%4+1]
	}
	return label + "." + label + "." + label + ".test"
}

// hostile is a small network of domains that mean no good.
func hostile() *graph.Graph {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	names := []string{homograph, cyrillic, rightLeft, longName(), "apple.test", "_under.score.test"}
	for i, n := range names {
		r := graph.Report{Domain: xep.MustName(n), Until: until, Unnamed: 3 * i, Software: markup, Version: markup}
		for _, o := range names {
			r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(o), Until: until, Directions: graph.In | graph.Out})
		}
		r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName("secret.test")})
		g.Apply(r)
	}
	return g
}

// small is a network of a few domains in which all kinds of links occur.
func small() *graph.Graph {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	peer := func(n string) graph.Peer {
		return graph.Peer{Name: xep.MustName(n), Until: until, Directions: graph.Bidi}
	}
	g.Apply(graph.Report{Domain: xep.MustName("a.test"), Until: until, Unnamed: 12, Software: "Prosody", Version: "0.12.3", Peers: []graph.Peer{peer("b.test"), peer("c.test"), peer("d.test")}})
	g.Apply(graph.Report{Domain: xep.MustName("b.test"), Until: until, Unnamed: 200, Software: "ejabberd", Peers: []graph.Peer{peer("a.test"), peer("c.test")}})
	g.Apply(graph.Report{Domain: xep.MustName("c.test"), Until: until, Peers: []graph.Peer{peer("b.test")}})
	return g
}
