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

// Open is what the database has before an observation.
type Open struct {
	// Named are the ids of the domains that may be named.
	Named map[xep.Name]int64
	// Domains and Links have open intervals.
	Domains map[int64]struct{}
	Links   map[Pair]struct{}
}

// Turn is what an observation changes.
type Turn struct {
	Begin, End           []int64
	BeginLinks, EndLinks []Pair
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
		if _, open := o.Domains[id]; !open {
			t.Begin = append(t.Begin, id)
		}
		delete(o.Domains, id)
	}
	for i, j := range s.Pairs() {
		if ids[i] == 0 || ids[j] == 0 {
			continue
		}
		p := PairOf(ids[i], ids[j])
		if _, open := o.Links[p]; !open {
			t.BeginLinks = append(t.BeginLinks, p)
		}
		delete(o.Links, p)
	}
	for id := range o.Domains {
		t.End = append(t.End, id)
	}
	for p := range o.Links {
		t.EndLinks = append(t.EndLinks, p)
	}
	return t
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
