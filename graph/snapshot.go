package graph

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Snapshot is the network at one moment. It never changes, and all its methods may be called from any number of goroutines.
//
// Domains have an index from 0 to Len-1 in the order of their names.
// An index means something in its own snapshot only.
//
// What it shows is computed on the first call that asks, in time proportional to the network, and is kept for as long as the snapshot is:
// some 50 bytes for each domain and 50 for each link.
type Snapshot struct {
	version uint64
	at      uint32
	raw     *store // nil where there is no graph behind it

	once  sync.Once
	ready atomic.Bool
	whole dense

	adjOnce sync.Once
	adj     adjacency
}

// Domain is one domain of a snapshot.
type Domain struct {
	// Name is the domain's name, for which there is a live verdict.
	Name xep.Name
	// Reporting is false for a domain that is only named by others.
	Reporting bool
	// First and Last are when the domain was first and last seen, as a reporter or in a report.
	First, Last time.Time
	// Reported is when its newest report was received, zero where it reports nothing.
	Reported time.Time
	// Until is the end of its verdict.
	Until time.Time
	// Unnamed is the number of its peers that are only counted.
	Unnamed int
	// Degree is the number of its links to other domains of the snapshot.
	Degree int
	// Software and Version are what it says about its server, empty where it says nothing. They are a stranger's words.
	Software, Version string
	// Users is its number of active users, nil where it gives none. Don't change what it points to.
	Users *uint64
}

// State says who vouches for a link.
type State uint8

// The states of a link.
const (
	// StateOneSided is a link that one of its domains claims. The other need not report at all.
	StateOneSided State = iota
	// StateMutual is a link that both its domains claim.
	StateMutual
	// StateLapsed is a link that none of its domains claims any more.
	StateLapsed
)

// String returns "one-sided", "mutual" or "lapsed".
func (s State) String() string {
	switch s {
	case StateMutual:
		return "mutual"
	case StateLapsed:
		return "lapsed"
	default:
		return "one-sided"
	}
}

// Link is a connection between two domains.
type Link struct {
	// A and B are its ends, in the order of their names.
	A, B xep.Name
	// I and J are their indexes.
	I, J int
	// ByA and ByB are what each end says.
	ByA, ByB Claim
	// State sums that up.
	State State
	// First and Last are when anyone first and last claimed it.
	First, Last time.Time
}

// Claim is what one domain says about a link.
type Claim struct {
	// First and Last are when the domain first and last claimed the link, zero if it never did.
	First, Last time.Time
	// Directions are as that domain sees them, empty where it gives none.
	Directions Directions
	// Lapsed is true once the domain has reported without the link.
	Lapsed bool
}

// Made reports whether the domain claims the link now.
func (c Claim) Made() bool { return !c.First.IsZero() && !c.Lapsed }

// Version counts the snapshots of a graph, from the one after that of its [Options]. A view has the version of what it is a view of.
func (s *Snapshot) Version() uint64 { return s.version }

// At returns the moment of the snapshot, in whole seconds.
func (s *Snapshot) At() time.Time { return instant(s.at) }

// Until returns the moment at which the snapshot stops being true by itself, because a verdict ends or a report grows too old.
// It is far in the future if none ever will.
func (s *Snapshot) Until() time.Time { return instant(s.dense().end) }

// Len returns the number of domains.
func (s *Snapshot) Len() int { return len(s.dense().nodes) }

// IsEmpty reports whether there are no domains. Of a snapshot that nobody has read yet that takes much less than [Snapshot.Len].
func (s *Snapshot) IsEmpty() bool {
	if s.raw == nil || s.ready.Load() {
		return s.Len() == 0
	}
	for id := range s.raw.names.n {
		if s.raw.reporting(id, s.at) != nil {
			return false
		}
	}
	return true
}

// Links returns the links that at least one side claims now, in the order of their ends.
func (s *Snapshot) Links() iter.Seq[Link] { return s.iterate(s.dense().links) }

// Lapsed returns the links that nobody claims any more but somebody did within MaxAge, in the order of their ends.
// They count in nothing else.
func (s *Snapshot) Lapsed() iter.Seq[Link] { return s.iterate(s.dense().lapsed) }

func (s *Snapshot) iterate(all []link) iter.Seq[Link] {
	return func(yield func(Link) bool) {
		for i := range all {
			if !yield(s.dense().link(&all[i])) {
				return
			}
		}
	}
}

// Pairs returns the indexes of the ends of each link, in the same order as [Snapshot.Links] and faster.
func (s *Snapshot) Pairs() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for _, l := range s.dense().links {
			if !yield(int(l.a), int(l.b)) {
				return
			}
		}
	}
}

// Domains returns all domains in the order of their names.
func (s *Snapshot) Domains() iter.Seq[Domain] {
	return func(yield func(Domain) bool) {
		for i := range s.Len() {
			if !yield(s.DomainAt(i)) {
				return
			}
		}
	}
}

// Index returns the index of a domain.
func (s *Snapshot) Index(name xep.Name) (int, bool) {
	return slices.BinarySearchFunc(s.dense().nodes, name, func(n node, name xep.Name) int { return n.name.Compare(name) })
}

// Domain returns the domain of that name.
func (s *Snapshot) Domain(name xep.Name) (Domain, bool) {
	i, ok := s.Index(name)
	if !ok {
		return Domain{}, false
	}
	return s.DomainAt(i), true
}

// DomainAt returns the domain at an index. It panics where there is none, as a slice does.
func (s *Snapshot) DomainAt(i int) Domain {
	d := s.dense().nodes[i].domain()
	d.Degree = len(s.Neighbors(i))
	return d
}

// NameAt returns the name of the domain at an index.
func (s *Snapshot) NameAt(i int) xep.Name { return s.dense().nodes[i].name }

// UnnamedAt returns the number of unnamed peers of the domain at an index.
func (s *Snapshot) UnnamedAt(i int) int { return int(s.dense().nodes[i].unnamed) }

// Neighbors returns the indexes of a domain's neighbours in ascending order. The slice is shared: don't change it.
func (s *Snapshot) Neighbors(i int) []uint32 {
	a := s.adjacent()
	return a.to[a.off[i]:a.off[i+1]]
}

// LinksAt returns the links of the domain at an index, in the order of the other end's name.
func (s *Snapshot) LinksAt(i int) iter.Seq[Link] {
	return func(yield func(Link) bool) {
		a := s.adjacent()
		for _, k := range a.via[a.off[i]:a.off[i+1]] {
			if !yield(s.dense().link(&s.dense().links[k])) {
				return
			}
		}
	}
}

// Link returns the link between two domains in whatever order, be it current or lapsed.
func (s *Snapshot) Link(a, b xep.Name) (Link, bool) {
	d := s.dense()
	i, ok := s.Index(a)
	j, ok2 := s.Index(b)
	if !ok || !ok2 {
		return Link{}, false
	}
	want := link{a: uint32(min(i, j)), b: uint32(max(i, j))}
	for _, all := range [...][]link{d.links, d.lapsed} {
		if k, ok := slices.BinarySearchFunc(all, want, compareEnds); ok {
			return d.link(&all[k]), true
		}
	}
	return Link{}, false
}

// Counts are the numbers of a snapshot.
type Counts struct {
	// Domains is the number of named domains, of which Reporting report themselves.
	Domains, Reporting int
	// Links is the number of current links between them, of which Mutual are claimed by both ends.
	Links, Mutual int
	// Lapsed is the number of lapsed links.
	Lapsed int
	// Unnamed is the number of links from named domains to unnamed ones. It says nothing about how many unnamed domains there are.
	Unnamed int
}

// Counts returns the numbers of the snapshot.
func (s *Snapshot) Counts() Counts {
	d := s.dense()
	c := Counts{Domains: len(d.nodes), Links: len(d.links), Lapsed: len(d.lapsed)}
	for i := range d.nodes {
		c.Reporting += btoi(d.nodes[i].rec != nil)
		c.Unnamed += int(d.nodes[i].unnamed)
	}
	for i := range d.links {
		c.Mutual += btoi(d.links[i].state() == StateMutual)
	}
	return c
}

// holds reports whether the snapshot is still true at a later moment.
func (s *Snapshot) holds(now uint32) bool {
	return now == s.at || now > s.at && s.ready.Load() && now < s.whole.end
}

// IsCombined reports whether the snapshot is a view made by [Combined].
func (s *Snapshot) IsCombined() bool { return s.dense().combined }

// ReportingAt reports whether the domain at an index reports itself.
func (s *Snapshot) ReportingAt(i int) bool { return s.dense().nodes[i].rec != nil }

// MutualPairs returns for each of [Snapshot.Pairs] whether both its ends claim it.
func (s *Snapshot) MutualPairs() iter.Seq[bool] {
	return func(yield func(bool) bool) {
		for i := range s.dense().links {
			if !yield(s.dense().links[i].state() == StateMutual) {
				return
			}
		}
	}
}
