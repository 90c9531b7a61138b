package export

import (
	"strconv"
	"unicode/utf8"

	"github.com/xmppgraph/xmppgraph/graph"
)

// attribute is a column that several formats declare before use.
type attribute struct {
	id, name string
	// typ is the name in GraphML; GEXF has the same ones for those used here.
	typ string
	// node or link returns the value, and whether there is one.
	node func(*vertex) (string, bool)
	link func(*edge) (string, bool)
}

func domainText(f func(*graph.Domain) string) func(*vertex) (string, bool) {
	return func(v *vertex) (string, bool) {
		if v.domain == nil {
			return "", false
		}
		s := f(v.domain)
		return s, s != ""
	}
}

func linkText(f func(*graph.Link) string) func(*edge) (string, bool) {
	return func(e *edge) (string, bool) {
		if e.link == nil {
			return "", false
		}
		return f(e.link), true
	}
}

func claimText(claim func(*graph.Link) graph.Claim) func(*edge) (string, bool) {
	return func(e *edge) (string, bool) {
		if e.link == nil || !claim(e.link).Made() {
			return "", false
		}
		return claim(e.link).Directions.String(), true
	}
}

// nodeAttributes are those of nodes apart from id, label and place. No two names differ only by case, which GEXF readers stumble over.
var nodeAttributes = []attribute{
	{id: "d0", name: "reporting", typ: "boolean", node: domainText(func(d *graph.Domain) string { return strconv.FormatBool(d.Reporting) })},
	{id: "d1", name: "unnamed", typ: "long", node: func(v *vertex) (string, bool) {
		if v.domain == nil {
			return strconv.Itoa(v.count), true
		}
		return strconv.Itoa(v.domain.Unnamed), true
	}},
	{id: "d2", name: "software", typ: "string", node: domainText(func(d *graph.Domain) string { return d.Software })},
	{id: "d3", name: "version", typ: "string", node: domainText(func(d *graph.Domain) string { return d.Version })},
	{id: "d4", name: "users", typ: "long", node: func(v *vertex) (string, bool) {
		// Readers take a long for signed.
		if v.domain == nil || v.domain.Users == nil || *v.domain.Users > 1<<63-1 {
			return "", false
		}
		return strconv.FormatUint(*v.domain.Users, 10), true
	}},
	{id: "d5", name: "first", typ: "string", node: domainText(func(d *graph.Domain) string { return d.First.Format(timeLayout) })},
	{id: "d6", name: "last", typ: "string", node: domainText(func(d *graph.Domain) string { return d.Last.Format(timeLayout) })},
}

var linkAttributes = []attribute{
	{id: "e0", name: "state", typ: "string", link: linkText(func(l *graph.Link) string { return l.State.String() })},
	{id: "e1", name: "first", typ: "string", link: linkText(func(l *graph.Link) string { return l.First.Format(timeLayout) })},
	{id: "e2", name: "last", typ: "string", link: linkText(func(l *graph.Link) string { return l.Last.Format(timeLayout) })},
	{id: "e3", name: "source_says", typ: "string", link: claimText(func(l *graph.Link) graph.Claim { return l.ByA })},
	{id: "e4", name: "target_says", typ: "string", link: claimText(func(l *graph.Link) graph.Claim { return l.ByB })},
}

const timeLayout = "2006-01-02T15:04:05Z07:00"

var formatGraphML = Format{
	Name: "graphml", Title: "GraphML", MediaType: "application/graphml+xml", Extension: "graphml", Unnamed: AsCounts,
	write: writeGraphML,
}

func writeGraphML(p *printer, n *network) error {
	p.s(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	p.s(`<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"` +
		` xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">` + "\n")
	key := func(id, target, name, typ string) {
		p.s(`<key id="`).s(id).s(`" for="`).s(target).s(`" attr.name="`).s(name).s(`" attr.type="`).s(typ).s(`"/>` + "\n")
	}
	key("label", "node", "label", "string")
	for _, a := range nodeAttributes {
		key(a.id, "node", a.name, a.typ)
	}
	if n.o.Places != nil {
		key("x", "node", "x", "double")
		key("y", "node", "y", "double")
	}
	for _, a := range linkAttributes {
		key(a.id, "edge", a.name, a.typ)
	}
	p.s(`<graph id="G" edgedefault="undirected">` + "\n")
	for v := range n.vertices() {
		p.s(`<node id="`).x(v.key).s(`">`)
		if v.domain != nil {
			p.s(`<data key="label">`).x(v.label()).s(`</data>`)
		}
		for _, a := range nodeAttributes {
			graphmlData(p, a.id, a.node, v)
		}
		if v.placed {
			p.s(`<data key="x">`).f(v.x).s(`</data><data key="y">`).f(v.y).s(`</data>`)
		}
		if p.s("</node>\n"); !p.check() {
			return nil
		}
	}
	for e := range n.edges() {
		p.s(`<edge source="`).x(n.key(e.from)).s(`" target="`).x(n.key(e.to)).s(`">`)
		for _, a := range linkAttributes {
			graphmlData(p, a.id, a.link, e)
		}
		if p.s("</edge>\n"); !p.check() {
			return nil
		}
	}
	p.s("</graph>\n</graphml>\n")
	return nil
}

func graphmlData[T any](p *printer, key string, value func(T) (string, bool), of T) {
	if s, ok := value(of); ok {
		p.s(`<data key="`).s(key).s(`">`).x(s).s(`</data>`)
	}
}

var formatGEXF = Format{
	Name: "gexf", Title: "GEXF 1.3 (Gephi)", MediaType: "application/gexf+xml", Extension: "gexf", Unnamed: AsCounts,
	write: writeGEXF,
}

func writeGEXF(p *printer, n *network) error {
	p.s(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	// networkx refuses the namespace with www, which the schema has.
	p.s(`<gexf xmlns="http://gexf.net/1.3" xmlns:viz="http://gexf.net/1.3/viz" version="1.3">` + "\n")
	p.s(`<meta lastmodifieddate="`).s(n.s.At().UTC().Format("2006-01-02")).s(`"><creator>xmppgraph</creator></meta>` + "\n")
	p.s(`<graph defaultedgetype="undirected" mode="static">` + "\n")
	gexfAttributes(p, "node", nodeAttributes)
	gexfAttributes(p, "edge", linkAttributes)
	p.s("<nodes>\n")
	for v := range n.vertices() {
		p.s(`<node id="`).x(v.key).s(`" label="`).x(v.label()).s(`"><attvalues>`)
		for _, a := range nodeAttributes {
			gexfValue(p, a.name, a.node, v)
		}
		p.s(`</attvalues>`)
		if v.placed {
			// Gephi has y pointing up.
			p.s(`<viz:position x="`).f(v.x).s(`" y="`).f(-v.y).s(`" z="0"/>`)
		}
		if p.s("</node>\n"); !p.check() {
			return nil
		}
	}
	p.s("</nodes>\n<edges>\n")
	for e := range n.edges() {
		p.s(`<edge id="`).n(e.num).s(`" source="`).x(n.key(e.from)).s(`" target="`).x(n.key(e.to)).s(`"><attvalues>`)
		for _, a := range linkAttributes {
			gexfValue(p, a.name, a.link, e)
		}
		if p.s("</attvalues></edge>\n"); !p.check() {
			return nil
		}
	}
	p.s("</edges>\n</graph>\n</gexf>\n")
	return nil
}

// gexfAttributes declares columns. Their ids are their names, because graphology goes by the one and all others by the other.
func gexfAttributes(p *printer, class string, all []attribute) {
	p.s(`<attributes class="`).s(class).s(`">`)
	for _, a := range all {
		p.s(`<attribute id="`).s(a.name).s(`" title="`).s(a.name).s(`" type="`).s(a.typ).s(`"/>`)
	}
	p.s("</attributes>\n")
}

func gexfValue[T any](p *printer, id string, value func(T) (string, bool), of T) {
	if s, ok := value(of); ok {
		p.s(`<attvalue for="`).s(id).s(`" value="`).x(s).s(`"/>`)
	}
}

// x appends text for XML content and attributes. What XML can't hold at all becomes U+FFFD.
func (p *printer) x(s string) *printer {
	p.buf = appendXML(p.buf, s)
	return p
}

func appendXML(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>': // "]]>" may not stand in content
			b = append(b, "&gt;"...)
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '"':
			b = append(b, "&#34;"...)
		case r == '\'':
			b = append(b, "&#39;"...)
		case r == '\t', r == '\n', r == '\r':
			b = append(append(append(b, "&#"...), strconv.Itoa(int(r))...), ';')
		case r < 0x20, r == utf8.RuneError && size <= 1, r == 0xfffe, r == 0xffff:
			b = append(b, "\uFFFD"...)
		case misleading(r), r == 0x7f:
			b = append(append(append(b, "&#"...), strconv.Itoa(int(r))...), ';')
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return b
}
