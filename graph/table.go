package graph

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	nameChunkBits = 10
	nameChunk     = 1 << nameChunkBits
	// maxNames leaves four bits of an id free for what a claim has to say, see claim.
	maxNames = 1 << 28
)

// table interns names: each gets a number, and numbers are what everything else holds.
//
// It only grows, so that a snapshot reads the names it knows without a lock while the writer adds others.
// The whole table is replaced when too much of it is no longer in use, see [Graph.compact].
//
// The index is open addressing over numbers, because a Go map from names costs five times as much memory.
type table struct {
	seed   maphash.Seed
	chunks [][]xep.Name
	n      uint32
	slots  []uint32 // number + 1, zero where free; a power of two, at most two thirds full

	mu    sync.Mutex
	order []uint32 // numbers by name, for those that were interned when it was made
}

func newTable() *table {
	return &table{seed: maphash.MakeSeed(), slots: make([]uint32, 16)}
}

func (t *table) name(id uint32) xep.Name {
	return t.chunks[id>>nameChunkBits][id&(nameChunk-1)]
}

func (t *table) hash(s string) uint32 {
	return uint32(maphash.String(t.seed, s))
}

// lookup returns the slot of a name, and whether it is taken by that name.
func (t *table) lookup(s string) (slot uint32, ok bool) {
	mask := uint32(len(t.slots) - 1)
	for i := t.hash(s) & mask; ; i = (i + 1) & mask {
		if t.slots[i] == 0 {
			return i, false
		}
		if t.name(t.slots[i]-1).String() == s {
			return i, true
		}
	}
}

func (t *table) find(n xep.Name) (uint32, bool) {
	i, ok := t.lookup(n.String())
	if !ok {
		return 0, false
	}
	return t.slots[i] - 1, true
}

// intern returns the number of a name; it fails when there are no numbers left.
func (t *table) intern(n xep.Name) (id uint32, ok bool) {
	i, ok := t.lookup(n.String())
	if ok {
		return t.slots[i] - 1, true
	}
	// The clone keeps a name from holding on to the whole stanza that it was cut from.
	own, err := xep.ParseName(strings.Clone(n.String()))
	if err != nil || t.n >= maxNames {
		return 0, false
	}
	if t.n&(nameChunk-1) == 0 {
		t.chunks = append(t.chunks, make([]xep.Name, nameChunk))
	}
	id = t.n
	t.chunks[id>>nameChunkBits][id&(nameChunk-1)] = own
	t.n++
	t.slots[i] = id + 1
	if int(t.n)*3 > len(t.slots)*2 {
		t.grow()
	}
	return id, true
}

func (t *table) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint32(len(t.slots) - 1)
	for id := range t.n {
		i := t.hash(t.name(id).String()) & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = id + 1
	}
}

// names is a fixed view of a table, for snapshots.
type names struct {
	table  *table
	chunks [][]xep.Name
	n      uint32
}

func (t *table) freeze() names {
	return names{table: t, chunks: t.chunks, n: t.n}
}

func (n names) name(id uint32) xep.Name {
	return n.chunks[id>>nameChunkBits][id&(nameChunk-1)]
}

// sorted returns the numbers in the order of their names. The slice is shared.
func (n names) sorted() []uint32 {
	t := n.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if uint32(len(t.order)) < n.n {
		t.order = mergeOrder(n, t.order)
	}
	if uint32(len(t.order)) == n.n {
		return t.order
	}
	older := make([]uint32, 0, n.n)
	for _, id := range t.order {
		if id < n.n {
			older = append(older, id)
		}
	}
	return older
}

// keyed has the first bytes of a name beside its number, because most comparisons need no more and then touch no other memory.
type keyed struct {
	key uint64
	id  uint32
}

func keyOf(s string) uint64 {
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}

// mergeOrder sorts the names that the old order lacks and merges both.
func mergeOrder(n names, old []uint32) []uint32 {
	fresh := make([]keyed, 0, int(n.n)-len(old))
	for id := uint32(len(old)); id < n.n; id++ {
		fresh = append(fresh, keyed{keyOf(n.name(id).String()), id})
	}
	slices.SortFunc(fresh, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return n.name(a.id).Compare(n.name(b.id))
	})
	out := make([]uint32, 0, n.n)
	for _, f := range fresh {
		for len(old) > 0 && n.name(old[0]).Compare(n.name(f.id)) < 0 {
			out = append(out, old[0])
			old = old[1:]
		}
		out = append(out, f.id)
	}
	return append(out, old...)
}
