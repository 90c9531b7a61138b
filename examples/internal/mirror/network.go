package mirror

import (
	"errors"
	"fmt"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// format is the form of the graph that is understood; see export.Compact for what it holds.
const format = "xmppgraph/1"

// compact is that form.
type compact struct {
	Format  string     `json:"format"`
	Names   []xep.Name `json:"names"`
	Counts  []int      `json:"counts"`
	Reports []int      `json:"reports"`
	Edges   []int      `json:"edges"`
	Mutual  string     `json:"mutual"`
}

// network is what was read from an aggregator.
type network struct {
	names   []xep.Name
	unnamed []int
	reports []bool
	links   []link
	details map[xep.Name]detail
}

type link struct {
	a, b   int
	mutual bool
}

var errShape = errors.New("graph: the lists don't fit each other")

// network checks and unfolds what was read.
func (c *compact) network() (*network, error) {
	if c.Format != format {
		return nil, fmt.Errorf("graph: format %q is not %q", c.Format, format)
	}
	n := &network{names: c.Names, unnamed: c.Counts, details: map[xep.Name]detail{}}
	if len(c.Counts) != len(c.Names) || len(c.Reports) != len(c.Names) {
		return nil, errShape
	}
	for i, r := range c.Reports {
		if c.Names[i].IsZero() || i > 0 && c.Names[i-1].Compare(c.Names[i]) >= 0 {
			return nil, errors.New("graph: the names are not sorted")
		}
		n.reports = append(n.reports, r != 0)
	}
	err := c.unfold(n)
	return n, err
}

// unfold reads the links, which are written as differences.
func (c *compact) unfold(n *network) error {
	left, a := c.Edges, 0
	for len(left) > 0 {
		if len(left) < 2 || left[1] < 1 || left[1] > len(left)-2 {
			return errShape
		}
		a += left[0]
		ends := left[2 : 2+left[1]]
		left = left[2+left[1]:]
		if a < 0 || a >= len(c.Names) {
			return errShape
		}
		b := a
		for _, d := range ends {
			if d < 1 || d >= len(c.Names)-b || len(n.links) >= len(c.Mutual) {
				return errShape
			}
			b += d
			n.links = append(n.links, link{a, b, c.Mutual[len(n.links)] == '1'})
		}
	}
	if len(n.links) != len(c.Mutual) {
		return errShape
	}
	return nil
}

// ages is more than the age of anything, so that what has an end here is the names alone.
const ages = 50 * 365 * 24 * time.Hour

// graph builds the network anew. No name lasts longer than the aggregator says, or than grace.
func (n *network) graph(now time.Time, grace time.Duration, clock func() time.Time) *graph.Graph {
	g := graph.New(graph.Options{Now: clock, MaxAge: ages, MaxPeers: len(n.names) + 1})
	until := make([]time.Time, len(n.names))
	for i, name := range n.names {
		until[i] = now.Add(grace)
		if d := n.details[name]; !d.Until.IsZero() && d.Until.Before(until[i]) {
			until[i] = d.Until
		}
	}
	peers := n.claims(until)
	for i, name := range n.names {
		if !n.reports[i] {
			g.Consent(name, until[i])
			continue
		}
		d := n.details[name]
		g.Apply(graph.Report{
			Domain: name, At: now, Until: until[i], Peers: peers[i], Unnamed: n.unnamed[i],
			Software: d.Software, Version: d.Version, Users: d.Users,
		})
	}
	n.remember(g, peers, now.Truncate(time.Second))
	return g
}

// claims gives each link to the ends that claim it. Of two that report it is not known which one: the first stands for both.
func (n *network) claims(until []time.Time) [][]graph.Peer {
	peers := make([][]graph.Peer, len(n.names))
	claim := func(by, of int) {
		peers[by] = append(peers[by], graph.Peer{Name: n.names[of], Until: until[of]})
	}
	for _, l := range n.links {
		if n.reports[l.a] {
			claim(l.a, l.b)
		}
		if n.reports[l.b] && (l.mutual || !n.reports[l.a]) {
			claim(l.b, l.a)
		}
	}
	return peers
}

// remember has the graph know since when the domains are there: from older reports, which add nothing else to it.
// What is of this very second is left out: of two reports of one second the last one counts.
func (n *network) remember(g *graph.Graph, peers [][]graph.Peer, now time.Time) {
	for i, name := range n.names {
		since := n.details[name].First
		if !n.reports[i] || since.IsZero() || !since.Before(now) {
			continue
		}
		g.Apply(graph.Report{Domain: name, At: since, Until: since})
		for _, p := range peers[i] {
			at := n.details[p.Name].First
			if at.IsZero() || !at.Before(now) {
				continue
			}
			if at.Before(since) {
				at = since
			}
			g.Apply(graph.Report{Domain: name, At: at, Until: at, Peers: []graph.Peer{{Name: p.Name}}})
		}
	}
}
