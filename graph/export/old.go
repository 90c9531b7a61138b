package export

var formatOldSite = Format{
	Name: "data", Title: "data.json of the XMPP Network Graph site",
	MediaType: "application/json", Extension: "json", Unnamed: AsNodes,
	write: func(p *printer, n *network) error { return writeOld(p, n, `"edges":[`, `{"from":`, `,"to":`) },
}

var formatOldSite3D = Format{
	Name: "data3d", Title: "data3d.json of the XMPP Network Graph site",
	MediaType: "application/json", Extension: "json", Unnamed: AsNodes,
	write: func(p *printer, n *network) error { return writeOld(p, n, `"links":[`, `{"source":`, `,"target":`) },
}

// writeOld takes no detour through vertices and edges, because this is the format that old pages fetch again and again.
//
// A canonical name holds nothing that JSON would escape, so that names are copied.
func writeOld(p *printer, n *network, edges, from, to string) error {
	p.s(`{"nodes":[`)
	oldNodes(p, n)
	p.s(`],`).s(edges)
	comma := ""
	last := -1
	var prefix []byte // what all edges of one domain have in common
	begin := func(i int) {
		if i != last {
			prefix = append(prefix[:0], from...)
			prefix = append(append(append(prefix, '"'), n.s.NameAt(i).String()...), '"')
			prefix = append(prefix, to...)
			last = i
		}
		p.s(comma)
		p.buf = append(p.buf, prefix...)
		comma = ","
	}
	for i, j := range n.s.Pairs() {
		begin(i)
		if p.s(`"`).s(n.s.NameAt(j).String()).s(`"}`); !p.check() {
			return nil
		}
	}
	if n.nodes {
		first := n.s.Len() - 1
		n.unnamed(func(num, reporter, _, _ int) bool {
			begin(reporter)
			p.s(`"?`).n(num - first).s(`"}`)
			return p.check()
		})
	}
	p.s("]}\n")
	return nil
}

func oldNodes(p *printer, n *network) {
	comma := ""
	for i := range n.s.Len() {
		name := n.s.NameAt(i)
		p.s(comma).s(`{"id":"`).s(name.String()).s(`","label":`).j(name.Unicode())
		if n.o.Places != nil {
			x, y, _ := n.o.Places.Place(i)
			p.s(`,"x":`).f(x).s(`,"y":`).f(y)
		}
		p.s(`}`)
		comma = ","
		if !p.check() {
			return
		}
	}
	if !n.nodes {
		return
	}
	first := n.s.Len() - 1
	n.unnamed(func(num, reporter, k, _ int) bool {
		p.s(comma).s(`{"id":"?`).n(num - first).s(`"`)
		if n.o.Places != nil {
			x, y := n.o.Places.Leaf(reporter, k)
			p.s(`,"x":`).f(x).s(`,"y":`).f(y)
		}
		p.s(`}`)
		comma = ","
		return p.check()
	})
}
