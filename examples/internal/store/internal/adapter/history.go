package adapter

import (
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Pair is a link by the ids of its ends, the smaller one first.
type Pair [2]int64

// PairOf returns the pair of two ids in whatever order.
func PairOf(a, b int64) Pair { return Pair{min(a, b), max(a, b)} }

// State is how a domain is while an interval lasts.
type State struct {
	// Silent is whether it doesn't report itself.
	Silent bool
	// Unnamed is the number of its unnamed peers that was noted.
	Unnamed int
}

// Open is what the database has before an observation.
type Open struct {
	// Named are the ids of the domains that may be named.
	Named map[xep.Name]int64
	// Domains and Links have open intervals.
	Domains map[int64]State
	Links   map[Pair]store.Claims
}

// NewOpen returns one with nothing in it.
func NewOpen() Open {
	return Open{make(map[xep.Name]int64), make(map[int64]State), make(map[Pair]store.Claims)}
}

// Turn is what an observation changes. What ends does so before anything begins.
type Turn struct {
	End        []int64
	Begin      []Domain
	EndLinks   []Pair
	BeginLinks []Link
}

// Domain is the beginning of a domain's interval.
type Domain struct {
	ID int64
	State
	// Continues is whether the domain was there before, in another state.
	Continues bool
}

// Link is the beginning of a link's interval.
type Link struct {
	Pair
	Claims store.Claims
	// Continues is whether the link was there before, in another state.
	Continues bool
}

// Compare returns what turns the open intervals into those of a snapshot. It uses o up.
//
// Comparing with the last snapshot would be faster, but only the database knows what it lost since, by a purge or a sweep.
func Compare(o Open, s *graph.Snapshot) (t Turn) {
	ids := make([]int64, s.Len())
	for i := range ids {
		id, ok := o.Named[s.NameAt(i)]
		if !ok {
			continue
		}
		ids[i] = id
		t.domain(o, id, State{!s.ReportingAt(i), s.UnnamedAt(i)})
	}
	for l := range s.Links() {
		if ids[l.I] != 0 && ids[l.J] != 0 {
			t.link(o, PairOf(ids[l.I], ids[l.J]), store.ClaimsOf(l))
		}
	}
	for id := range o.Domains {
		t.End = append(t.End, id)
	}
	for p := range o.Links {
		t.EndLinks = append(t.EndLinks, p)
	}
	return t
}

// domain goes on with an interval, or begins one.
func (t *Turn) domain(o Open, id int64, now State) {
	was, open := o.Domains[id]
	delete(o.Domains, id)
	if open {
		now.Unnamed = store.Coarse(was.Unnamed, now.Unnamed)
		if now == was {
			return
		}
		t.End = append(t.End, id)
	}
	t.Begin = append(t.Begin, Domain{id, now, open})
}

func (t *Turn) link(o Open, p Pair, now store.Claims) {
	was, open := o.Links[p]
	delete(o.Links, p)
	if open {
		if now == was {
			return
		}
		t.EndLinks = append(t.EndLinks, p)
	}
	t.BeginLinks = append(t.BeginLinks, Link{p, now, open})
}

// Redact makes of a stored report one that may be shown: named has the end of each live verdict.
// It changes r.
func Redact(r *graph.Report, reported int64, named map[xep.Name]int64) {
	r.At, r.Until = Time(reported), Time(named[r.Domain])
	live := r.Peers[:0]
	for _, p := range r.Peers {
		until, ok := named[p.Name]
		if !ok {
			r.Unnamed++
			continue
		}
		p.Until = Time(until)
		live = append(live, p)
	}
	r.Peers = live
}

// Unname takes a peer out of a report and counts it as unnamed. It reports whether the peer was there, and changes r.
func Unname(r *graph.Report, name xep.Name) bool {
	kept := r.Peers[:0]
	for _, p := range r.Peers {
		if p.Name != name {
			kept = append(kept, p)
		}
	}
	gone := len(r.Peers) - len(kept)
	r.Peers = kept
	// A name that is listed twice was still one peer.
	r.Unnamed += min(gone, 1)
	return gone > 0
}

// Step is the length of one of n parts of the time from first to last, both included.
func Step(first, last int64, n int) int64 { return (last-first)/int64(n) + 1 }

// Interval returns an interval as it is stored, newest being the time of the newest observation.
func Interval(first, last, newest int64) store.Interval {
	open := last == Still
	if open {
		last = newest
	}
	return store.Interval{First: Time(first), Last: Time(last), Open: open}
}

// AddSeen adds a domain's next interval to the earlier ones, or lengthens the last of them if it continues that.
func AddSeen(p *store.Past, i store.Interval, continues bool) {
	if n := len(p.Seen); continues && n > 0 {
		p.Seen[n-1].Last, p.Seen[n-1].Open = i.Last, i.Open
		return
	}
	p.Seen = append(p.Seen, i)
}

// AddLink does the same for links, which come by peer.
func AddLink(p *store.Past, i store.LinkInterval, continues bool) {
	if n := len(p.Links); continues && n > 0 && p.Links[n-1].Peer == i.Peer {
		p.Links[n-1].Last, p.Links[n-1].Open = i.Last, i.Open
		return
	}
	p.Links = append(p.Links, i)
}
