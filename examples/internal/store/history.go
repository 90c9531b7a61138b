package store

import (
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Gap is the longest time between two observations that an interval spans.
// What was not looked at for longer was not seen: the interval ends with the earlier observation, and another may begin with the later.
const Gap = graph.DefaultMaxAge

// Interval is a time in which something was seen: it was in each observation from First to Last, both included.
type Interval struct {
	// First and Last are the times of the first and the last observation. While the interval is open, Last is that of the newest one.
	First, Last time.Time
	// Open is whether it was in the newest observation.
	Open bool
}

// Past is when a domain was seen.
type Past struct {
	// Seen are the intervals in which the domain was seen, by rising time.
	Seen []Interval
	// Links are the intervals in which its links to domains that may be named were seen, by peer and rising time.
	Links []LinkInterval
}

// LinkInterval is a time in which a link was seen.
type LinkInterval struct {
	// Peer is the other end.
	Peer xep.Name
	Interval
}

// Count is how much was observed at a time. Names that have been removed since still count.
type Count struct {
	// At is when.
	At time.Time
	// Counts are the numbers.
	graph.Counts
}

// Moment is the network as it once was.
type Moment struct {
	// Count is what was observed. It includes domains and links that may not be shown any more.
	Count
	// Domains are those that may be shown, in the order of their names, and Links the links between them, in the order of their ends.
	Domains []xep.Name
	Links   []Link
}

// Link is a connection between two domains.
type Link struct {
	// A and B are its ends, in the order of their names.
	A, B xep.Name
}

// Snapshot returns the moment as a graph, for layouts and exports.
//
// History knows neither who claimed a link nor how many unnamed peers each domain had, so that A claims all of its links, and nobody has any.
func (m *Moment) Snapshot() *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return m.At }})
	until := m.At.Add(time.Hour)
	peers := make(map[xep.Name][]graph.Peer)
	for _, l := range m.Links {
		peers[l.A] = append(peers[l.A], graph.Peer{Name: l.B, Until: until})
	}
	for _, d := range m.Domains {
		g.Apply(graph.Report{Domain: d, At: m.At, Until: until, Peers: peers[d]})
	}
	return g.Snapshot()
}
