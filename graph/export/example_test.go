package export_test

import (
	"fmt"
	"os"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

func Example() {
	g := graph.New(graph.Options{})
	until := time.Now().Add(time.Hour)
	denmark := xep.MustName("denmark.lit")
	g.Apply(graph.Report{
		Domain: xep.MustName("shakespeare.lit"), Until: until, Unnamed: 1,
		Peers: []graph.Peer{{Name: denmark, Until: until}},
	})
	if err := export.OldSite.Write(os.Stdout, g.Snapshot()); err != nil {
		fmt.Println(err)
	}
	view := g.Snapshot().View(graph.Focus(denmark, 0))
	if err := export.Pajek.Write(os.Stdout, view); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"nodes":[{"id":"denmark.lit","label":"denmark.lit"},{"id":"shakespeare.lit","label":"shakespeare.lit"},{"id":"?1"}],"edges":[{"from":"denmark.lit","to":"shakespeare.lit"},{"from":"shakespeare.lit","to":"?1"}]}
	// *Vertices 1
	// 1 "denmark.lit"
	// *Edges
}

func ExampleFormats() {
	for _, f := range export.Formats() {
		fmt.Printf("%-10s .%s\n", f.Name, f.Extension)
	}
	// Output:
	// data       .json
	// data3d     .json
	// compact    .json
	// vis        .json
	// d3         .json
	// nodelink   .json
	// graphology .json
	// cytoscape  .cyjs
	// jgf        .jgf.json
	// gexf       .gexf
	// graphml    .graphml
	// gml        .gml
	// dot        .dot
	// pajek      .net
	// csv-nodes  .csv
	// csv-edges  .csv
	// svg        .svg
}
