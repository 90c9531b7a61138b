package export

import (
	"iter"
	"strconv"

	"github.com/xmppgraph/xmppgraph/graph"
)

// network is a snapshot as a list of nodes and a list of edges, numbered from zero: first the domains, then the unnamed peers.
type network struct {
	s     *graph.Snapshot
	o     Options
	nodes bool // unnamed peers are nodes
}

// vertex is a node to write.
type vertex struct {
	num int
	// key is unique: a domain name, or a question mark and a number.
	key string
	// domain is nil for unnamed peers.
	domain *graph.Domain
	// count is the number of unnamed peers that the node stands for, zero for a domain.
	count  int
	placed bool
	x, y   float64
}

// label is what people read, empty for unnamed peers.
func (v *vertex) label() string {
	if v.domain == nil {
		return ""
	}
	return v.domain.Name.Unicode()
}

// edge is a line between two nodes; link is nil where one of them is unnamed.
type edge struct {
	num      int
	from, to int
	link     *graph.Link
}

// vertices yields the nodes. The vertex is reused: copy what is to be kept.
func (n *network) vertices() iter.Seq[*vertex] {
	return func(yield func(*vertex) bool) {
		var v vertex
		// Reused rather than one for each, of which a large network would have millions.
		var domain graph.Domain
		for d := range n.s.Domains() {
			domain = d
			v = vertex{num: v.num, key: d.Name.String(), domain: &domain}
			if n.o.Places != nil {
				v.placed = true
				v.x, v.y, _ = n.o.Places.Place(v.num)
			}
			if !yield(&v) {
				return
			}
			v.num++
		}
		if n.nodes {
			n.unnamed(func(num, reporter, k, count int) bool {
				v = vertex{num: num, key: n.key(num), count: count}
				if n.o.Places != nil {
					v.placed = true
					v.x, v.y = n.o.Places.Leaf(reporter, k)
				}
				return yield(&v)
			})
		}
	}
}

// edges yields the edges. The edge and its link are reused.
func (n *network) edges() iter.Seq[*edge] {
	return func(yield func(*edge) bool) {
		var e edge
		var link graph.Link
		for l := range n.s.Links() {
			link = l
			e.from, e.to, e.link = l.I, l.J, &link
			if !yield(&e) {
				return
			}
			e.num++
		}
		if n.nodes {
			e.link = nil
			n.unnamed(func(num, reporter, _, _ int) bool {
				e.from, e.to = reporter, num
				ok := yield(&e)
				e.num++
				return ok
			})
		}
	}
}

// unnamed calls for each node that stands for unnamed peers, with its number, its reporter and its place among that one's peers.
func (n *network) unnamed(yield func(num, reporter, k, count int) bool) {
	num := n.s.Len()
	for i := range n.s.Len() {
		left, each := n.s.UnnamedAt(i), 1
		if n.s.IsCombined() {
			each = left
		}
		for k := 0; left > 0; k++ {
			if !yield(num, i, k, each) {
				return
			}
			left -= each
			num++
		}
	}
}

// key is the id of a node in formats that go by strings.
func (n *network) key(num int) string {
	if num < n.s.Len() {
		return n.s.NameAt(num).String()
	}
	return "?" + strconv.Itoa(num-n.s.Len()+1)
}
