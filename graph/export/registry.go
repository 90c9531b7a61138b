package export

import "slices"

// The formats, each to be used as it is and not changed.
var (
	// OldSite is data.json of the XMPP Network Graph site: what vis.js reads, where an unnamed node has an id and no label.
	OldSite = &formatOldSite
	// OldSite3D is data3d.json of that site: what 3d-force-graph reads.
	OldSite3D = &formatOldSite3D
	// Compact is the form for pages of our own: what a drawing needs, and every name once.
	//
	//	{"format":"xmppgraph/1","version":7,"at":1767225600,"named":2,"reporting":1,"unnamed":2,"links":1,
	//	 "names":["a.example","xn--bcher-kva.example"],"labels":{"1":"bücher.example"},
	//	 "counts":[2,0],"reports":[1,0],"x":[0,12.5],"y":[3,-4],"r":[9.8,8],
	//	 "edges":[0,1,1],"mutual":"0"}
	//
	// Domain i is names[i], shown as labels[i] where that is given; counts are unnamed peers, reports is 1 for a domain that reports.
	// Edges are pairs, flattened, sorted, and written as differences to keep the numbers short:
	// for each domain that has links to later ones, its index less that of the one before (from 0), how many links follow,
	// and for each the other end less the end before (from the domain's own index).
	// Mutual has one character per link in that order, 1 for those that both ends claim.
	// The coordinates x and y and the radius r of the disc are left out where there are none.
	// Unnamed peers are always counts here.
	Compact = &formatCompact
	// Vis is what the vis-network library takes as its data, with the number of unnamed peers as value.
	Vis = &formatVis
	// D3 is what d3-force and the force-graph family take.
	D3 = &formatD3
	// NodeLink is the node-link form that networkx reads with edges="edges", which is its default from 3.4 on.
	NodeLink = &formatNodeLink
	// Graphology is the serialization of graphology, and so of sigma.js.
	Graphology = &formatGraphology
	// Cytoscape is the element list of Cytoscape.js and Cytoscape.
	Cytoscape = &formatCytoscape
	// JGF is the JSON Graph Format, version 2.
	JGF = &formatJGF
	// GEXF is GEXF 1.3, the format of Gephi.
	GEXF = &formatGEXF
	// GraphML is the GraphML of graphdrawing.org.
	GraphML = &formatGraphML
	// GML is the Graph Modelling Language, in ASCII with character references as its definition has it.
	GML = &formatGML
	// DOT is the language of Graphviz.
	DOT = &formatDOT
	// Pajek is the network file of Pajek. It has room for names and places only.
	Pajek = &formatPajek
	// CSVNodes is a table of the domains, with the column names that Gephi knows.
	CSVNodes = &formatCSVNodes
	// CSVEdges is a table of the links, with the column names that Gephi knows. The weight of a link is 2 if both ends claim it.
	CSVEdges = &formatCSVEdges
	// SVG is a picture: one file that any browser shows.
	SVG = &formatSVG
)

// formats are in an order fit for a menu.
var formats = []*Format{
	OldSite, OldSite3D, Compact, Vis, D3, NodeLink, Graphology, Cytoscape, JGF,
	GEXF, GraphML, GML, DOT, Pajek, CSVNodes, CSVEdges, SVG,
}

// Formats returns all formats, in an order fit for a menu.
func Formats() []*Format { return slices.Clone(formats) }

// ByName returns the format of that name, or nil.
func ByName(name string) *Format {
	for _, f := range formats {
		if f.Name == name {
			return f
		}
	}
	return nil
}
