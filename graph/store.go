package graph

import (
	"math"
	"math/bits"
	"slices"
	"time"
	"unique"
)

// Verdicts, sightings and reports live in chunks of 64 domains each.
//
// A snapshot shares all chunks with its graph.
// The writer copies a chunk before it changes it for the first time after a snapshot, so a small change costs little
// and readers never see one.
const (
	chunkBits = 6
	chunkSize = 1 << chunkBits
)

type chunk struct {
	// owner is the generation that may change this chunk in place.
	owner uint64
	// facts are apart to fill a size class of the allocator.
	facts *[chunkSize]fact
	// mask says which of the domains have a report, and records holds those in order.
	// Most domains in a large network are only named by others, and so cost no pointer.
	mask    uint64
	records []*record
}

// fact is what is known of one domain from whatever source, in Unix seconds.
type fact struct {
	// until is the end of the verdict, and asOf the time of the evidence for it: newer evidence replaces older.
	until, asOf uint32
	// first is the time at which the domain was first seen in a report.
	first uint32
}

// record is the newest report of one domain. It never changes once it is stored.
type record struct {
	at      uint32
	unnamed uint32
	claims  []claim // by peer
	// gone is nil nearly always, which is why it isn't a slice.
	gone     *[]gone // by peer
	software unique.Handle[software]
	users    *uint64
}

// software is interned, because thousands of domains run the same few versions.
type software struct{ name, version string }

var noSoftware = unique.Make(software{})

// claim says that a reporter has a connection to a peer.
// The peer's number and the directions share four bytes: links are what a large graph has most of.
type claim struct {
	packed uint32 // directions in the top three bits
	first  uint32 // since when the claim is made
}

const peerMask = maxNames

func makeClaim(peer uint32, d Directions, first uint32) claim {
	return claim{packed: peer | uint32(d&allDirections)<<29, first: first}
}

func (c claim) peer() uint32           { return c.packed & peerMask }
func (c claim) directions() Directions { return Directions(c.packed >> 29) }

// gone is a claim that the reporter has ceased to make.
type gone struct {
	claim
	last uint32 // when it was last made
}

func (r *record) find(peer uint32) (claim, bool) {
	i, ok := slices.BinarySearchFunc(r.claims, peer, func(c claim, p uint32) int { return int(c.peer()) - int(p) })
	if !ok {
		return claim{}, false
	}
	return r.claims[i], true
}

func (r *record) left() []gone {
	if r.gone == nil {
		return nil
	}
	return *r.gone
}

func (r *record) findGone(peer uint32) (gone, bool) {
	all := r.left()
	i, ok := slices.BinarySearchFunc(all, peer, func(g gone, p uint32) int { return int(g.peer()) - int(p) })
	if !ok {
		return gone{}, false
	}
	return all[i], true
}

func (c *chunk) record(i uint32) *record {
	if c.mask&(1<<i) == 0 {
		return nil
	}
	return c.records[c.rank(i)]
}

func (c *chunk) rank(i uint32) int {
	return bits.OnesCount64(c.mask & (1<<i - 1))
}

func (c *chunk) setRecord(i uint32, r *record) {
	k := c.rank(i)
	had := c.mask&(1<<i) != 0
	switch {
	case r == nil && had:
		c.records = slices.Delete(c.records, k, k+1)
		c.mask &^= 1 << i
	case r != nil && had:
		c.records[k] = r
	case r != nil:
		// Spare room would be one per chunk.
		more := make([]*record, len(c.records)+1)
		copy(more, c.records[:k])
		copy(more[k+1:], c.records[k:])
		more[k], c.records = r, more
		c.mask |= 1 << i
	}
}

func (c *chunk) clone(owner uint64) *chunk {
	facts := *c.facts
	return &chunk{owner: owner, facts: &facts, mask: c.mask, records: slices.Clone(c.records)}
}

// store is the raw state of a graph; that of a snapshot is the same thing, never changed again.
type store struct {
	names  names
	chunks []*chunk
	maxAge uint32
}

func (s *store) fact(id uint32) *fact {
	return &s.chunks[id>>chunkBits].facts[id&(chunkSize-1)]
}

func (s *store) record(id uint32) *record {
	return s.chunks[id>>chunkBits].record(id & (chunkSize - 1))
}

// live says whether the domain may be named.
func (s *store) live(id, now uint32) bool { return s.fact(id).until > now }

// fresh says whether a sighting at that time still counts.
func (s *store) fresh(at, now uint32) bool { return ends(at, s.maxAge) > now }

// reporting returns the report of a domain that may be named, if it has one that still counts.
func (s *store) reporting(id, now uint32) *record {
	if !s.live(id, now) {
		return nil
	}
	r := s.record(id)
	if r == nil || !s.fresh(r.at, now) {
		return nil
	}
	return r
}

// ends adds without wrapping round.
func ends(at, age uint32) uint32 {
	if at > math.MaxUint32-age {
		return math.MaxUint32
	}
	return at + age
}

// seconds is the one place where times become numbers: rounded down, and confined to 1970–2106.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

// instant is the inverse; zero stays the zero time.
func instant(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}
