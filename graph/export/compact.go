package export

var formatCompact = Format{
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
