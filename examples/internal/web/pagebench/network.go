package pagebench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// verdict is how long everything that is measured may be named.
const verdict = 24 * time.Hour

// named is how many named domains the real network had.
const named = 112

// report is what one domain tells, with its peers as names.
type report struct {
	domain  string
	peers   []string
	unnamed int
}

// invented fills a graph with a network of the shape of the real one, so many times its size.
func invented(g *graph.Graph, times int) {
	net := testserver.Network(1, named*times)
	until := time.Now().Add(verdict)
	for _, m := range net.Domains {
		r := report{domain: m.Name, unnamed: m.Unnamed}
		for _, p := range m.Peers {
			r.peers = append(r.peers, p.Name)
		}
		apply(g, r, until)
	}
}

func apply(g *graph.Graph, r report, until time.Time) {
	name, err := xep.ParseName(r.domain)
	if err != nil {
		return
	}
	g.Consent(name, until)
	if len(r.peers) == 0 && r.unnamed == 0 {
		return
	}
	out := graph.Report{Domain: name, Until: until, Unnamed: r.unnamed, Software: "Prosody", Version: "0.12.3"}
	for _, p := range r.peers {
		if peer, err := xep.ParseName(p); err == nil {
			out.Peers = append(out.Peers, graph.Peer{Name: peer, Until: until, Directions: graph.In | graph.Out})
		}
	}
	g.Apply(out)
}

// read reads a network in the form of the old site's data.json, which does not say who reported what:
// whoever has unnamed peers reports, and claims all its links.
func read(path string) ([]report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var old struct {
		Nodes []struct{ ID, Label string }
		Edges []struct{ From, To string }
	}
	if err := json.Unmarshal(b, &old); err != nil {
		return nil, err
	}
	label := make(map[string]string)
	byName := make(map[string]*report)
	for _, n := range old.Nodes {
		label[n.ID] = n.Label
		if n.Label != "" {
			byName[n.Label] = &report{domain: n.Label}
		}
	}
	for _, e := range old.Edges {
		for _, end := range [][2]string{{label[e.From], label[e.To]}, {label[e.To], label[e.From]}} {
			switch r := byName[end[0]]; {
			case r != nil && end[1] == "":
				r.unnamed++
			case r != nil:
				r.peers = append(r.peers, end[1])
			}
		}
	}
	var all []report
	for _, r := range byName {
		if r.unnamed == 0 {
			r.peers = nil
		}
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b report) int {
		if a.domain < b.domain {
			return -1
		}
		return 1
	})
	return all, nil
}

// multiply fills a graph with so many copies of a network, of whose links a fourth leads from one copy to another.
func multiply(g *graph.Graph, all []report, times int) {
	rnd := rand.New(rand.NewPCG(1, 1))
	until := time.Now().Add(verdict)
	in := func(name string, copy int) string {
		if copy == 0 {
			return name
		}
		return fmt.Sprintf("c%d.%s", copy, name)
	}
	for c := range times {
		for _, r := range all {
			out := report{domain: in(r.domain, c), unnamed: r.unnamed}
			for _, p := range r.peers {
				to := c
				if rnd.IntN(4) == 0 {
					to = rnd.IntN(times)
				}
				out.peers = append(out.peers, in(p, to))
			}
			apply(g, out, until)
		}
	}
}
