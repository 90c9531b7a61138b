package graph_test

import (
	"fmt"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

func Example() {
	g := graph.New(graph.Options{})
	soon := time.Now().Add(time.Hour)
	shakespeare, denmark, elsinore := xep.MustName("shakespeare.lit"), xep.MustName("denmark.lit"), xep.MustName("elsinore.lit")
	g.Apply(graph.Report{
		Domain:  shakespeare,
		Until:   soon,
		Unnamed: 2,
		Peers: []graph.Peer{
			{Name: denmark, Until: soon, Directions: graph.In | graph.Out},
			{Name: elsinore}, // has not opted in, so it is only counted
		},
	})
	g.Apply(graph.Report{Domain: denmark, Until: soon, Peers: []graph.Peer{{Name: shakespeare, Until: soon}}})

	s := g.Snapshot()
	for d := range s.Domains() {
		fmt.Println(d.Name, "reporting:", d.Reporting, "unnamed:", d.Unnamed)
	}
	for l := range s.Links() {
		fmt.Println(l.A, "and", l.B, l.State)
	}
	// Output:
	// denmark.lit reporting: true unnamed: 0
	// shakespeare.lit reporting: true unnamed: 3
	// denmark.lit and shakespeare.lit mutual
}

func ExampleSnapshot_View() {
	g := graph.New(graph.Options{})
	soon := time.Now().Add(time.Hour)
	muc, plain, far := xep.MustName("conference.example.org"), xep.MustName("example.org"), xep.MustName("example.net")
	g.Apply(graph.Report{Domain: plain, Until: soon, Unnamed: 7})
	g.Apply(graph.Report{Domain: muc, Until: soon, Peers: []graph.Peer{{Name: far, Until: soon}}})

	for d := range g.Snapshot().View(graph.Fold(), graph.WithoutUnnamed, graph.Focus(far, 1)).Domains() {
		fmt.Println(d.Name, d.Unnamed)
	}
	// Output:
	// example.net 0
	// example.org 0
}

func ExampleDiff() {
	g := graph.New(graph.Options{})
	soon := time.Now().Add(time.Hour)
	a, b := xep.MustName("a.example"), xep.MustName("b.example")
	g.Apply(graph.Report{Domain: a, Until: soon, Peers: []graph.Peer{{Name: b, Until: soon}}})
	old := g.Snapshot()
	g.Consent(b, time.Time{})
	for _, e := range graph.Diff(old, g.Snapshot()).Events {
		fmt.Println(e.Kind, e.Domain.Name)
	}
	// Output:
	// renounced b.example
	// changed a.example
}
