package adapter

import (
	"cmp"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Pair is a link by the ids of its ends, the smaller one first.
type Pair [2]int64

func (p Pair) compare(q Pair) int { return cmp.Or(cmp.Compare(p[0], q[0]), cmp.Compare(p[1], q[1])) }

// State is how a domain is while an interval lasts.
type State struct {
	// Silent is whether it doesn't report itself.
	Silent bool
	// Unnamed is the number of its unnamed peers that was noted.
	Unnamed int
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
