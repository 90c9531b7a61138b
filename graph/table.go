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
	maxNames = 1<<28 - 1
	// A slot has part of the hash beside the number, because every look at a name that isn't the one costs two cache misses.
	slotBits = 28
	slotMask = 1<<slotBits - 1
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
	slots  []uint32 // four bits of the hash and number + 1, zero where free; at most three fifths full
	// arena holds the bytes of the newest names; older arenas live on in the names cut from them.
	arena strings.Builder

	mu    sync.Mutex
	order []uint32 // numbers by name, for those that were interned when it was made
}

func newTable() *table {
	return &table{seed: maphash.MakeSeed(), slots: make([]uint32, 16)}
}

func (t *table) name(id uint32) xep.Name {
	return t.chunks[id>>nameChunkBits][id&(nameChunk-1)]
}

// home is where the search for a name begins, and the mark of its slot.
// Multiplying instead of masking lets the index grow by less than doubling.
func (t *table) home(s string) (slot, tag uint32) {
	h := maphash.String(t.seed, s)
	return uint32(h >> 32 * uint64(len(t.slots)) >> 32), uint32(h) << slotBits
}

func (t *table) after(i uint32) uint32 {
	if i++; int(i) < len(t.slots) {
		return i
	}
	return 0
}

// lookup returns the slot of a name, and what it holds: nothing if the name is new.
func (t *table) lookup(s string) (slot, held uint32) {
	i, tag := t.home(s)
	for ; ; i = t.after(i) {
		held = t.slots[i]
		if held == 0 || held&^slotMask == tag && t.name(held&slotMask-1).String() == s {
			return i, held & slotMask
		}
	}
}

// ahead is how many names [table.seek] looks up at once.
const ahead = 32

// seek looks several names up, and finds zero for those that need a closer look, the others' numbers plus one.
//
// In a large network each look at a name is two or three cache misses, in which the processor waits for memory.
// Here they don't depend on each other, so that it waits for all of them at the same time: that takes a third of the time.
func (t *table) seek(peers []Peer, found *[ahead]uint32) {
	for k := range peers {
		i, tag := t.home(peers[k].Name.String())
		for held := t.slots[i]; ; held = t.slots[i] {
			if found[k] = held & slotMask; held == 0 || held&^slotMask == tag {
				break
			}
			i = t.after(i)
		}
	}
	var names [ahead]string
	for k := range peers {
		if found[k] != 0 {
			names[k] = t.name(found[k] - 1).String()
		}
	}
	for k := range peers {
		if names[k] != peers[k].Name.String() {
			found[k] = 0
		}
	}
}

func (t *table) find(n xep.Name) (uint32, bool) {
	_, held := t.lookup(n.String())
	return held - 1, held != 0
}

// intern returns the number of a name; it fails when there are no numbers left.
func (t *table) intern(n xep.Name) (id uint32, ok bool) {
	i, held := t.lookup(n.String())
	if held != 0 {
		return held - 1, true
	}
	own, err := xep.ParseName(t.keep(n.String()))
	if err != nil || t.n >= maxNames {
		return 0, false
	}
	if t.n&(nameChunk-1) == 0 {
		t.chunks = append(t.chunks, make([]xep.Name, nameChunk))
	}
	id = t.n
	t.chunks[id>>nameChunkBits][id&(nameChunk-1)] = own
	t.n++
	_, tag := t.home(own.String())
	t.slots[i] = tag | (id + 1)
	if int(t.n)*5 > len(t.slots)*3 {
		t.grow()
	}
	return id, true
}

// keep copies a name, which would otherwise hold on to the whole stanza that it was cut from.
// Names share few large allocations: a million small ones would cost the garbage collector dearly.
func (t *table) keep(s string) string {
	const block = 8 << 10
	if t.arena.Len()+len(s) > t.arena.Cap() {
		t.arena = strings.Builder{}
		t.arena.Grow(min(block, max(64*len(s), int(t.n)*16)))
	}
	// What a builder has given out stays as it is when more is appended behind it.
	start := t.arena.Len()
	t.arena.WriteString(s)
	return t.arena.String()[start:]
}

func (t *table) grow() {
	t.slots = make([]uint32, len(t.slots)+len(t.slots)/2)
	for id := range t.n {
		i, tag := t.home(t.name(id).String())
		for t.slots[i] != 0 {
			i = t.after(i)
		}
		t.slots[i] = tag | (id + 1)
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
		// A name looks for its place, because there are usually few new among many old ones.
		k, _ := slices.BinarySearchFunc(old, n.name(f.id), func(id uint32, name xep.Name) int { return n.name(id).Compare(name) })
		out = append(append(out, old[:k]...), f.id)
		old = old[k:]
	}
	return append(out, old...)
}
