package layout_test

import (
	"context"
	"fmt"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

func Example() {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	shakespeare, denmark := xep.MustName("shakespeare.lit"), xep.MustName("denmark.lit")
	g.Apply(graph.Report{Domain: shakespeare, Until: until, Unnamed: 40, Peers: []graph.Peer{{Name: denmark, Until: until}}})

	first, err := layout.Compute(context.Background(), g.Snapshot(), layout.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The next one starts from the last, so that the picture doesn't jump.
	g.Apply(graph.Report{Domain: denmark, Until: until})
	next, err := layout.Compute(context.Background(), g.Snapshot(), layout.Options{Previous: first})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _, r, _ := next.Find(shakespeare)
	fmt.Printf("%d domains, one with a disc of radius %.0f\n", next.Len(), r)
	// Output: 2 domains, one with a disc of radius 31
}
