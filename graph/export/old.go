package export

// OldSite is data.json of the XMPP Network Graph site: what vis.js reads, where an unnamed node has an id and no label.
var OldSite = &Format{
	Name: "data", Title: "data.json of the XMPP Network Graph site",
	MediaType: "application/json", Extension: "json", Unnamed: AsNodes,
	write: func(p *printer, n *network) error { return writeOld(p, n, `"edges":[`, `{"from":`, `,"to":`) },
}

// OldSite3D is data3d.json of that site: what 3d-force-graph reads.
var OldSite3D = &Format{
	Name: "data3d", Title: "data3d.json of the XMPP Network Graph site",
	MediaType: "application/json", Extension: "json", Unnamed: AsNodes,
	write: func(p *printer, n *network) error { return writeOld(p, n, `"links":[`, `{"source":`, `,"target":`) },
}

// writeOld takes no detour through vertices and edges, because this is the format that old pages fetch again and again.
func writeOld(p *printer, n *network, edges, from, to string) error {
	p.s(`{"nodes":[`)
	comma := ""
	for i := range n.s.Len() {
		name := n.s.NameAt(i)
		p.s(comma).s(`{"id":`).j(name.String()).s(`,"label":`).j(name.Unicode())
		if n.o.Places != nil {
			x, y, _ := n.o.Places.Place(i)
			p.s(`,"x":`).f(x).s(`,"y":`).f(y)
		}
		p.s(`}`)
		comma = ","
		if !p.check() {
			return nil
		}
	}
	first := n.s.Len()
	if n.nodes {
		n.unnamed(func(num, reporter, k, _ int) bool {
			p.s(comma).s(`{"id":"?`).n(num - first + 1).s(`"`)
			if n.o.Places != nil {
				x, y := n.o.Places.Leaf(reporter, k)
				p.s(`,"x":`).f(x).s(`,"y":`).f(y)
			}
			p.s(`}`)
			comma = ","
			return p.check()
		})
	}
	p.s(`],`).s(edges)
	comma = ""
	for i, j := range n.s.Pairs() {
		p.s(comma).s(from).j(n.s.NameAt(i).String()).s(to).j(n.s.NameAt(j).String()).s(`}`)
		comma = ","
		if !p.check() {
			return nil
		}
	}
	if n.nodes {
		n.unnamed(func(num, reporter, _, _ int) bool {
			p.s(comma).s(from).j(n.s.NameAt(reporter).String()).s(to).s(`"?`).n(num - first + 1).s(`"}`)
			comma = ","
			return p.check()
		})
	}
	p.s("]}\n")
	return nil
}
