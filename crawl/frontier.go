package crawl

import (
	"container/heap"
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/xep"
)

// entry is what the crawler remembers of one domain.
type entry struct {
	name xep.Name
	// due is when the next visit may begin; heap is the place in the queue, -1 while a visit is in flight.
	due  time.Time
	heap int
	// seed keeps an entry for good.
	seed bool
	// again asks for another visit as soon as the one in flight ends.
	again bool
	// added, answered and mentioned are when the domain was first heard of, last answered, and last named by an accepted report.
	added, answered, mentioned time.Time
	// failures counts the visits without an answer since the last one with.
	failures int
	// until is the end of the domain's own verdict, zero if it may not be named.
	until time.Time
	// visited, advertised, service and node are what the last answer said, which decides on claims in other payloads.
	visited, advertised bool
	service             jid.JID
	node                string
	// reported tells that a report of the domain stands, and hash is that of its payload.
	reported bool
	hash     [sha256.Size]byte
}

// frontier is the set of known domains and the order in which they are due.
// It does not lock and does not know the time: the crawler does both.
type frontier struct {
	entries map[xep.Name]*entry
	queue   dueQueue
	limit   int
	rng     *rand.Rand
	// inFlight counts the entries that were taken and not yet put back.
	inFlight int
}

func newFrontier(limit int, seed uint64) *frontier {
	return &frontier{
		entries: make(map[xep.Name]*entry),
		limit:   limit,
		rng:     rand.New(rand.NewPCG(seed, seed)),
	}
}

// add makes a domain known and due at once.
// It returns the entry, new or not, or nil where the frontier is full.
func (f *frontier) add(name xep.Name, now time.Time) (e *entry, isNew bool) {
	if e, ok := f.entries[name]; ok {
		return e, false
	}
	if len(f.entries) >= f.limit {
		return nil, false
	}
	e = &entry{name: name, due: now, added: now, heap: -1}
	f.entries[name] = e
	heap.Push(&f.queue, e)
	return e, true
}

// hasten makes a domain due now.
func (f *frontier) hasten(e *entry, now time.Time) {
	if e.heap < 0 {
		e.again = true
		return
	}
	if e.due.After(now) {
		e.due = now
		heap.Fix(&f.queue, e.heap)
	}
}

// take returns the entry that has been due the longest.
// Without one it returns how long to wait for the next, or a negative duration where nothing is queued.
func (f *frontier) take(now time.Time) (*entry, time.Duration) {
	if len(f.queue) == 0 {
		return nil, -1
	}
	e := f.queue[0]
	if wait := e.due.Sub(now); wait > 0 {
		return nil, wait
	}
	heap.Pop(&f.queue)
	f.inFlight++
	return e, 0
}

// put returns an entry after its visit, due after roughly d.
func (f *frontier) put(e *entry, now time.Time, d time.Duration) {
	f.inFlight--
	if e.again {
		e.again, d = false, 0
	}
	e.due = now.Add(f.jitter(d))
	if e.until.After(now) && e.due.After(e.until) {
		// Whatever the back-off: a name deserves to be asked for once more when it lapses, and its loss to be told then.
		e.due = e.until
	}
	heap.Push(&f.queue, e)
}

// finish leaves an entry unvisited for the rest of a single round.
func (f *frontier) finish() { f.inFlight-- }

// drop forgets an entry after its visit.
func (f *frontier) drop(e *entry) {
	f.inFlight--
	delete(f.entries, e.name)
}

// jitter returns between 80 and 100 % of d.
// Domains that were found together thereby drift apart until their visits are spread over the whole interval, and none waits longer than it.
func (f *frontier) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - time.Duration(f.rng.Int64N(int64(d)/5+1))
}

// idle tells that nothing is in flight and nothing will be due.
func (f *frontier) idle() bool { return f.inFlight == 0 && len(f.queue) == 0 }

// dueQueue orders entries by due, and by name among equals so that a seeded crawl repeats itself.
type dueQueue []*entry

func (q dueQueue) Len() int { return len(q) }

func (q dueQueue) Less(i, j int) bool {
	if c := q[i].due.Compare(q[j].due); c != 0 {
		return c < 0
	}
	return q[i].name.Compare(q[j].name) < 0
}

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].heap, q[j].heap = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	e := x.(*entry)
	e.heap = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.heap = -1
	return e
}
