package crawl_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
)

// federation stands in for the network: Shakespeare's servers on a test server of this module.
func federation() (*connect.Session, func()) {
	srv := testserver.New(testserver.Config{Seed: 1})
	link := func(names ...string) (r testserver.Report) {
		for _, n := range names {
			r.Peers = append(r.Peers, testserver.Peer{Name: n, Directions: testserver.Bidi})
		}
		r.Unnamed = 2
		return r
	}
	srv.AddDomain(testserver.Domain{Name: "shakespeare.lit", Advertise: true, Report: link("denmark.lit")})
	srv.AddDomain(testserver.Domain{Name: "denmark.lit", Advertise: true, Report: link("shakespeare.lit", "montague.lit")})
	srv.AddDomain(testserver.Domain{Name: "montague.lit"})
	s, err := connect.Component(context.Background(), connect.Config{
		JID:    jid.MustParse(testserver.Component),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		panic(err)
	}
	return s, func() {
		_ = s.Close()
		_ = srv.Close()
	}
}

// A crawl that begins at one domain and ends when nobody is left to ask; without Once it would go on for good.
func ExampleCrawler() {
	session, closeAll := federation()
	defer closeAll()

	c := &crawl.Crawler{
		Session: session,
		Contact: "mailto:ops@example.org",
		Seeds:   []string{"shakespeare.lit"},
		Once:    true,
		Spacing: -1, // the network is our own
	}
	g := graph.New(graph.Options{})
	for ev := range c.Run(context.Background()) {
		ev.Apply(g)
	}
	if err := c.Err(); err != nil {
		fmt.Println(err)
	}
	for d := range g.Snapshot().Domains() {
		fmt.Println(d.Name, "has", d.Unnamed, "links to domains without a name")
	}
	for l := range g.Snapshot().Links() {
		fmt.Println(l.A, "and", l.B, "are linked,", l.State)
	}
	// Output:
	// denmark.lit has 3 links to domains without a name
	// shakespeare.lit has 2 links to domains without a name
	// denmark.lit and shakespeare.lit are linked, mutual
}

// A crawler that subscribes: its session answers by the crawler's handler, and its run goes on for good.
func ExampleCrawler_Handle() {
	srv := testserver.New(testserver.Config{Seed: 1})
	defer srv.Close()
	// The node of this publisher keeps no items: only subscribers ever see one.
	elsinore := srv.AddDomain(testserver.Domain{Name: "elsinore.lit", Profile: testserver.ProsodyOld, Advertise: true})

	c := &crawl.Crawler{Contact: "mailto:ops@example.org", Seeds: []string{"elsinore.lit"}, Spacing: -1}
	s, err := connect.Component(context.Background(), connect.Config{
		JID:     jid.MustParse(testserver.Component),
		Secret:  testserver.Secret,
		Server:  srv.ComponentAddr(),
		Handler: mux.New(component.NSAccept, c.Handle(), optin.Handle()),
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	c.Session = s
	for ev := range c.Run(context.Background()) {
		switch ev.Kind {
		case crawl.ConsentGiven:
			fmt.Println(ev.Domain, "may be named,", c.Stats().Subscribed, "subscription")
			elsinore.SetReport(testserver.Report{Unnamed: 3})
			elsinore.Publish()
		case crawl.ReportAccepted:
			fmt.Println(ev.Domain, "has", ev.Report.Unnamed, "links to domains without a name")
			return // which ends the run, and the subscription with it
		}
	}
	// Output:
	// elsinore.lit may be named, 1 subscription
	// elsinore.lit has 3 links to domains without a name
}

// A crawl that goes on where another one ended.
func ExampleMemoryStore() {
	session, closeAll := federation()
	defer closeAll()

	store := new(crawl.MemoryStore) // or one that lasts longer
	for _, seeds := range [][]string{{"shakespeare.lit"}, nil} {
		c := &crawl.Crawler{Session: session, Contact: "mailto:ops@example.org", Seeds: seeds, Spacing: -1, Store: store, Once: true}
		g := graph.New(graph.Options{})
		for ev := range c.Run(context.Background()) {
			ev.Apply(g)
			if seeds == nil && g.Snapshot().Counts().Reporting == 2 {
				break // all of this is from the store: nobody has been asked again
			}
		}
		counts := g.Snapshot().Counts()
		fmt.Println(counts.Domains, "domains,", counts.Links, "link,", counts.Unnamed, "links to domains without a name")
	}
	// Output:
	// 2 domains, 1 link, 5 links to domains without a name
	// 2 domains, 1 link, 5 links to domains without a name
}

// One domain, with the reasons.
func ExampleVisit() {
	session, closeAll := federation()
	defer closeAll()

	r := crawl.Visit(context.Background(), session, "montague.lit")
	fmt.Println(r.Outcome, r.Verdict.Named(time.Now()))
	for _, step := range r.Trace {
		fmt.Println(step.Status, step.Asked)
	}
	// Output:
	// unnamed false
	// ok disco#info of montague.lit
	// failed feature urn:xmpp:serverinfo:0
	// ok verdict
}
