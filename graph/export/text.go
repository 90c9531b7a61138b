package export

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

var formatGML = Format{
	Name: "gml", Title: "GML", MediaType: "text/x-gml; charset=us-ascii", Extension: "gml", Unnamed: AsCounts,
	write: writeGML,
}

func writeGML(p *printer, n *network) error {
	p.s("graph [\n  directed 0\n")
	for v := range n.vertices() {
		// The label has to be unique for readers that go by it, so it is the key; the one for people is beside it.
		p.s("  node [\n    id ").n(v.num).s("\n    label ").g(v.key).s("\n")
		if v.domain != nil {
			p.s("    display ").g(v.label()).s("\n")
		}
		for _, a := range nodeAttributes {
			if s, ok := a.node(v); ok {
				gmlValue(p, a, s)
			}
		}
		if v.placed {
			p.s("    graphics [\n      x ").real(v.x).s("\n      y ").real(v.y).s("\n    ]\n")
		}
		if p.s("  ]\n"); !p.check() {
			return nil
		}
	}
	for e := range n.edges() {
		p.s("  edge [\n    source ").n(e.from).s("\n    target ").n(e.to).s("\n")
		for _, a := range linkAttributes {
			if s, ok := a.link(e); ok {
				gmlValue(p, a, s)
			}
		}
		if p.s("  ]\n"); !p.check() {
			return nil
		}
	}
	p.s("]\n")
	return nil
}

// gmlValue writes one attribute. Keys may hold letters and digits only, and integers are of 32 bits in old readers.
func gmlValue(p *printer, a attribute, s string) {
	p.s("    ").s(strings.ReplaceAll(a.name, "_s", "S")).s(" ")
	switch {
	case a.typ == "boolean":
		p.n(btoi(s == "true")).s("\n")
	case a.typ == "long" && len(s) < 10:
		p.s(s).s("\n")
	default:
		p.g(s).s("\n")
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// real appends a coordinate that is no integer, as some readers go by the form.
func (p *printer) real(v float64) *printer {
	start := len(p.buf)
	p.f(v)
	if !strings.Contains(string(p.buf[start:]), ".") {
		p.s(".0")
	}
	return p
}

// g appends a string of GML.
func (p *printer) g(s string) *printer {
	p.s(`"`)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' {
			r = utf8.RuneError // no reference stands for a control character
		}
		if r == '"' || r == '&' || r < 0x20 || r >= 0x7f {
			p.s("&#").n(int(r)).s(";")
		} else {
			p.s(s[i : i+size])
		}
		i += size
	}
	return p.s(`"`)
}

var formatDOT = Format{
	Name: "dot", Title: "DOT (Graphviz)", MediaType: "text/vnd.graphviz", Extension: "dot", Unnamed: AsCounts,
	write: writeDOT,
}

func writeDOT(p *printer, n *network) error {
	p.s("graph xmpp {\n")
	for v := range n.vertices() {
		p.s("  ").d(v.key).s(" [label=").d(v.label())
		for _, a := range nodeAttributes {
			if s, ok := a.node(v); ok {
				p.s(",").s(a.name).s("=").d(s)
			}
		}
		if v.placed {
			// Graphviz counts in points with y pointing up; the exclamation mark pins the node.
			p.s(`,pos="`).f(v.x).s(",").f(-v.y).s(`!"`)
		}
		if p.s("];\n"); !p.check() {
			return nil
		}
	}
	for e := range n.edges() {
		p.s("  ").d(n.key(e.from)).s(" -- ").d(n.key(e.to))
		open := " ["
		for _, a := range linkAttributes {
			if s, ok := a.link(e); ok {
				p.s(open).s(a.name).s("=").d(s)
				open = ","
			}
		}
		if open == "," {
			p.s("]")
		}
		if p.s(";\n"); !p.check() {
			return nil
		}
	}
	p.s("}\n")
	return nil
}

// d appends a quoted string of DOT.
// A backslash is doubled, lest the last one quotes the quote; Graphviz makes one of two in labels only.
// Labels are names, which hold neither a backslash nor an ampersand.
func (p *printer) d(s string) *printer {
	p.s(`"`)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"':
			p.s(`\"`)
		case r == '\\':
			p.s(`\\`)
		case r < 0x20, r == 0x7f, r == utf8.RuneError && size <= 1, misleading(r):
			p.s("\uFFFD")
		default:
			p.s(s[i : i+size])
		}
		i += size
	}
	return p.s(`"`)
}

var formatPajek = Format{
	Name: "pajek", Title: "Pajek", MediaType: "text/plain; charset=utf-8", Extension: "net", Unnamed: AsCounts,
	write: writePajek,
}

func writePajek(p *printer, n *network) error {
	count := n.s.Len()
	if n.nodes {
		n.unnamed(func(num, _, _, _ int) bool { count = num + 1; return true })
	}
	p.s("*Vertices ").n(count).s("\n")
	for v := range n.vertices() {
		// A key has no quotes and no spaces, and Pajek knows no way to write either.
		p.n(v.num + 1).s(` "`).s(v.key).s(`"`)
		if v.placed {
			p.s(" ").f(v.x).s(" ").f(v.y).s(" 0.0")
		}
		if p.s("\n"); !p.check() {
			return nil
		}
	}
	p.s("*Edges\n")
	for e := range n.edges() {
		if p.n(e.from + 1).s(" ").n(e.to + 1).s("\n"); !p.check() {
			return nil
		}
	}
	return nil
}

var formatCSVNodes = Format{
	Name: "csv-nodes", Title: "CSV, domains", MediaType: "text/csv; charset=utf-8; header=present", Extension: "csv", Unnamed: AsCounts,
	write: writeCSVNodes,
}

func writeCSVNodes(p *printer, n *network) error {
	p.s("Id,Label")
	for _, a := range nodeAttributes {
		p.s(",").s(a.name)
	}
	if n.o.Places != nil {
		p.s(",x,y")
	}
	p.s("\r\n")
	for v := range n.vertices() {
		// Nothing in a name is special in CSV, nor dangerous in a spreadsheet.
		p.s(v.key).s(",").s(v.label())
		for _, a := range nodeAttributes {
			s, _ := a.node(v)
			p.s(",").c(s)
		}
		if v.placed {
			p.s(",").f(v.x).s(",").f(v.y)
		}
		if p.s("\r\n"); !p.check() {
			return nil
		}
	}
	return nil
}

var formatCSVEdges = Format{
	Name: "csv-edges", Title: "CSV, links", MediaType: "text/csv; charset=utf-8; header=present", Extension: "csv", Unnamed: AsCounts,
	write: writeCSVEdges,
}

func writeCSVEdges(p *printer, n *network) error {
	p.s("Source,Target,Type,Weight")
	for _, a := range linkAttributes {
		p.s(",").s(a.name)
	}
	p.s("\r\n")
	for e := range n.edges() {
		p.s(n.key(e.from)).s(",").s(n.key(e.to)).s(",Undirected,").s(strconv.Itoa(1 + btoi(e.link != nil && e.link.ByA.Made() && e.link.ByB.Made())))
		for _, a := range linkAttributes {
			s, _ := a.link(e)
			p.s(",").c(s)
		}
		if p.s("\r\n"); !p.check() {
			return nil
		}
	}
	return nil
}

// c appends a field of CSV (RFC 4180).
//
// A field that a spreadsheet would take for a formula gets an apostrophe in front: software names come from strangers.
func (p *printer) c(s string) *printer {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		s = "'" + s
	}
	s = strings.Map(func(r rune) rune {
		if misleading(r) || r < 0x20 && r != '\n' && r != '\r' && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if !strings.ContainsAny(s, "\",\r\n") {
		return p.s(s)
	}
	return p.s(`"`).s(strings.ReplaceAll(s, `"`, `""`)).s(`"`)
}
