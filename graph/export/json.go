package export

import (
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
)

const jsonType = "application/json"

var formatVis = Format{
	Name: "vis", Title: "vis-network", MediaType: jsonType, Extension: "json", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, jsonShape{
			open: `{"nodes":[`, between: `],"edges":[`, end: "]}\n",
			node: func(p *printer, v *vertex) {
				p.s(`{"id":`).j(v.key)
				if v.domain != nil {
					p.s(`,"label":`).j(v.label()).s(`,"value":`).n(v.domain.Unnamed + 1)
				}
				jsonPlace(p, v)
				jsonAttributes(p, v)
				p.s(`}`)
			},
			edge: func(p *printer, n *network, e *edge) {
				p.s(`{"from":`).j(n.key(e.from)).s(`,"to":`).j(n.key(e.to))
				jsonLink(p, e)
				p.s(`}`)
			},
		})
	},
}

var formatD3 = Format{
	Name: "d3", Title: "D3 and force-graph", MediaType: jsonType, Extension: "json", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, nodeLink(`{"nodes":[`, `],"links":[`, "]}\n"))
	},
}

var formatNodeLink = Format{
	Name: "nodelink", Title: "node-link JSON (networkx)", MediaType: jsonType, Extension: "json", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, nodeLink(`{"directed":false,"multigraph":false,"graph":{},"nodes":[`, `],"edges":[`, "]}\n"))
	},
}

func nodeLink(open, between, end string) jsonShape {
	return jsonShape{
		open: open, between: between, end: end,
		node: func(p *printer, v *vertex) {
			p.s(`{"id":`).j(v.key)
			if v.domain != nil {
				p.s(`,"label":`).j(v.label())
			}
			jsonPlace(p, v)
			jsonAttributes(p, v)
			p.s(`}`)
		},
		edge: func(p *printer, n *network, e *edge) {
			p.s(`{"source":`).j(n.key(e.from)).s(`,"target":`).j(n.key(e.to))
			jsonLink(p, e)
			p.s(`}`)
		},
	}
}

var formatGraphology = Format{
	Name: "graphology", Title: "graphology (sigma.js)", MediaType: jsonType, Extension: "json", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, jsonShape{
			open:    `{"options":{"type":"undirected","multi":false,"allowSelfLoops":false},"attributes":{},"nodes":[`,
			between: `],"edges":[`, end: "]}\n",
			node: func(p *printer, v *vertex) {
				p.s(`{"key":`).j(v.key).s(`,"attributes":{"label":`).j(v.label())
				jsonPlace(p, v)
				jsonAttributes(p, v)
				p.s(`}}`)
			},
			edge: func(p *printer, n *network, e *edge) {
				p.s(`{"key":"`).n(e.num).s(`","source":`).j(n.key(e.from)).s(`,"target":`).j(n.key(e.to)).s(`,"undirected":true,"attributes":{`)
				jsonLinkFirst(p, e)
				p.s(`}}`)
			},
		})
	},
}

var formatCytoscape = Format{
	Name: "cytoscape", Title: "Cytoscape", MediaType: jsonType, Extension: "cyjs", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, jsonShape{
			open: `{"data":[],"directed":false,"multigraph":false,"elements":{"nodes":[`, between: `],"edges":[`, end: "]}}\n",
			node: func(p *printer, v *vertex) {
				// networkx reads the id from value.
				p.s(`{"data":{"id":`).j(v.key).s(`,"value":`).j(v.key).s(`,"name":`).j(v.label())
				jsonAttributes(p, v)
				p.s(`}`)
				if v.placed {
					p.s(`,"position":{"x":`).f(v.x).s(`,"y":`).f(v.y).s(`}`)
				}
				p.s(`}`)
			},
			edge: func(p *printer, n *network, e *edge) {
				// Nodes and edges share one space of ids, and no domain name holds a colon outside of brackets.
				p.s(`{"data":{"id":"e:`).n(e.num).s(`","source":`).j(n.key(e.from)).s(`,"target":`).j(n.key(e.to))
				jsonLink(p, e)
				p.s(`}}`)
			},
		})
	},
}

var formatJGF = Format{
	Name: "jgf", Title: "JSON Graph Format 2", MediaType: "application/vnd.jgf+json", Extension: "jgf.json", Unnamed: AsCounts,
	write: func(p *printer, n *network) error {
		return writeJSON(p, n, jsonShape{
			open: `{"graph":{"directed":false,"nodes":{`, between: `},"edges":[`, end: "]}}\n",
			node: func(p *printer, v *vertex) {
				p.j(v.key).s(`:{"label":`).j(v.label()).s(`,"metadata":{"named":`).b(v.domain != nil)
				jsonPlace(p, v)
				jsonAttributes(p, v)
				p.s(`}}`)
			},
			edge: func(p *printer, n *network, e *edge) {
				p.s(`{"source":`).j(n.key(e.from)).s(`,"target":`).j(n.key(e.to)).s(`,"directed":false,"metadata":{`)
				jsonLinkFirst(p, e)
				p.s(`}}`)
			},
		})
	},
}

// jsonShape is what the JSON formats differ in.
type jsonShape struct {
	open, between, end string
	node               func(*printer, *vertex)
	edge               func(*printer, *network, *edge)
}

func writeJSON(p *printer, n *network, shape jsonShape) error {
	p.s(shape.open)
	for v := range n.vertices() {
		if v.num > 0 {
			p.s(",\n")
		}
		if shape.node(p, v); !p.check() {
			return nil
		}
	}
	p.s(shape.between)
	for e := range n.edges() {
		if e.num > 0 {
			p.s(",\n")
		}
		if shape.edge(p, n, e); !p.check() {
			return nil
		}
	}
	p.s(shape.end)
	return nil
}

func jsonPlace(p *printer, v *vertex) {
	if v.placed {
		p.s(`,"x":`).f(v.x).s(`,"y":`).f(v.y)
	}
}

// jsonAttributes writes, behind other members, what is known of a node.
func jsonAttributes(p *printer, v *vertex) {
	if v.domain == nil {
		p.s(`,"unnamed":`).n(v.count)
		return
	}
	d := v.domain
	p.s(`,"reporting":`).b(d.Reporting).s(`,"unnamed":`).n(d.Unnamed)
	p.s(`,"first":"`).t(d.First).s(`","last":"`).t(d.Last).s(`"`)
	if d.Software != "" {
		p.s(`,"software":`).j(d.Software)
	}
	if d.Version != "" {
		p.s(`,"version":`).j(d.Version)
	}
	if d.Users != nil {
		p.s(`,"users":`).u(*d.Users)
	}
}

func jsonLink(p *printer, e *edge) {
	if e.link != nil {
		p.s(`,`)
		jsonLinkFirst(p, e)
	}
}

// jsonLinkFirst writes what is known of a link, as the first members of an object.
func jsonLinkFirst(p *printer, e *edge) {
	if e.link == nil {
		return
	}
	l := e.link
	p.s(`"state":"`).s(l.State.String()).s(`","first":"`).t(l.First).s(`","last":"`).t(l.Last).s(`"`)
	jsonClaim(p, "source", l.ByA)
	jsonClaim(p, "target", l.ByB)
}

// jsonClaim writes the directions that one end gives, which is an empty string where it claims the link without any.
func jsonClaim(p *printer, end string, c graph.Claim) {
	if c.Made() {
		p.s(`,"`).s(end).s(`_says":"`).s(c.Directions.String()).s(`"`)
	}
}

// t appends a time as RFC 3339, or nothing for the zero time.
func (p *printer) t(t time.Time) *printer {
	if !t.IsZero() {
		p.buf = t.AppendFormat(p.buf, time.RFC3339)
	}
	return p
}
