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
	Domains []Domain
	Links   []Link
}

// Domain is what was observed of a domain.
type Domain struct {
	// Name is its name.
	Name xep.Name
	// Reporting is whether it reported itself. It is true of observations from before this was noted.
	Reporting bool
	// Unnamed is about how many unnamed peers it reported, see [Coarse]. Observations from before this was noted have none.
	Unnamed int
}

// Link is a connection between two domains.
type Link struct {
	// A and B are its ends, in the order of their names.
	A, B xep.Name
	// Claims are the ends that reported it, zero where that was not noted.
	Claims Claims
}

// Claims is a set of ends of a link.
type Claims uint8

// The ends of a link.
const (
	ByA Claims = 1 << iota
	ByB
)

// ClaimsOf returns which ends claim a link at present.
func ClaimsOf(l graph.Link) (c Claims) {
	if l.ByA.Made() && !l.ByA.Lapsed {
		c |= ByA
	}
	if l.ByB.Made() && !l.ByB.Lapsed {
		c |= ByB
	}
	return c
}

// Coarse is the number of unnamed peers that history has of a domain once it had noted a number and sees another one.
// It stays within two, or an eighth where that is more.
//
// A change by one would tell the habits of a single peer, for as long as history is kept, and have a row written with most reports.
func Coarse(noted, seen int) int {
	if off := seen - noted; max(off, -off) <= max(2, noted/8) {
		return noted
	}
	return seen
}

// Snapshot returns the moment as a graph, for layouts and exports.
//
// Where history doesn't know who claimed a link, A does.
func (m *Moment) Snapshot() *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return m.At }})
	until := m.At.Add(time.Hour)
	peers := make(map[xep.Name][]graph.Peer)
	for _, l := range m.Links {
		if l.Claims&ByA != 0 || l.Claims == 0 {
			peers[l.A] = append(peers[l.A], graph.Peer{Name: l.B, Until: until})
		}
		if l.Claims&ByB != 0 {
			peers[l.B] = append(peers[l.B], graph.Peer{Name: l.A, Until: until})
		}
	}
	for _, d := range m.Domains {
		if !d.Reporting && len(peers[d.Name]) == 0 {
			g.Consent(d.Name, until)
			continue
		}
		g.Apply(graph.Report{Domain: d.Name, At: m.At, Until: until, Unnamed: d.Unnamed, Peers: peers[d.Name]})
	}
	return g.Snapshot()
}
