package export

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
var Compact = &Format{
	Name: "compact", Title: "compact JSON", MediaType: jsonType, Extension: "json", Unnamed: AsCounts,
	write: writeCompact,
}

func writeCompact(p *printer, n *network) error {
	c := n.s.Counts()
	p.s(`{"format":"xmppgraph/1","version":`).u(n.s.Version()).s(`,"at":`).n(int(max(n.s.At().Unix(), 0)))
	p.s(`,"named":`).n(c.Domains).s(`,"reporting":`).n(c.Reporting).s(`,"unnamed":`).n(c.Unnamed).s(`,"links":`).n(c.Links)
	each := func(member string, write func(i int)) {
		p.s(",\n\"").s(member).s(`":[`)
		for i := range n.s.Len() {
			if i > 0 {
				p.s(`,`)
			}
			if write(i); !p.check() {
				return
			}
		}
		p.s(`]`)
	}
	each("names", func(i int) { p.j(n.s.NameAt(i).String()) })
	compactLabels(p, n)
	each("counts", func(i int) { p.n(n.s.UnnamedAt(i)) })
	each("reports", func(i int) {
		if n.s.ReportingAt(i) {
			p.s(`1`)
		} else {
			p.s(`0`)
		}
	})
	if n.o.Places != nil {
		each("x", func(i int) { x, _, _ := n.o.Places.Place(i); p.f(x) })
		each("y", func(i int) { _, y, _ := n.o.Places.Place(i); p.f(y) })
		each("r", func(i int) { _, _, r := n.o.Places.Place(i); p.f(r) })
	}
	compactEdges(p, n)
	p.s("}\n")
	return nil
}

// compactLabels writes those labels that differ from the name.
func compactLabels(p *printer, n *network) {
	p.s(",\n\"labels\":{")
	comma := ""
	for i := range n.s.Len() {
		name := n.s.NameAt(i)
		if label := name.Unicode(); label != name.String() {
			p.s(comma).s(`"`).n(i).s(`":`).j(label)
			comma = ","
		}
		if !p.check() {
			return
		}
	}
	p.s(`}`)
}

func compactEdges(p *printer, n *network) {
	p.s(",\n\"edges\":[")
	comma, before := "", 0
	for i := range n.s.Len() {
		later := n.s.Neighbors(i)
		for len(later) > 0 && int(later[0]) < i {
			later = later[1:]
		}
		if len(later) == 0 {
			continue
		}
		p.s(comma).n(i - before).s(`,`).n(len(later))
		comma, before = ",", i
		last := i
		for _, j := range later {
			if p.s(`,`).n(int(j) - last); !p.check() {
				return
			}
			last = int(j)
		}
	}
	p.s("],\n\"mutual\":\"")
	for m := range n.s.MutualPairs() {
		if m {
			p.s(`1`)
		} else {
			p.s(`0`)
		}
		if !p.check() {
			return
		}
	}
	p.s(`"`)
}
