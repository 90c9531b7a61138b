package crawl

import (
	"container/heap"
	"crypto/sha256"
	"math"
	"math/rand/v2"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// place is where an entry is.
type place uint8

const (
	placeQueued place = iota // waits to be due
	placeReady               // is due
	placeFlight              // is being visited
	placeDone                // is left alone for the rest of a single round
)

// entry is what the crawler remembers of one domain.
type entry struct {
	name xep.Name
	// due is when the next visit may begin, heap the index in the queue while the entry is there.
	due   time.Time
	heap  int
	place place
	// seed keeps an entry for good.
	seed bool
	// again is when to visit again at the latest, where that was asked for while a visit is in flight.
	again time.Time
	// added, visitedAt, answered and mentioned are when the domain was first heard of, last asked, last answered,
	// and last named by an accepted report.
	added, visitedAt, answered, mentioned time.Time
	// failures counts the visits without an answer since the last one with, and gone tells that the domain was given up for them.
	failures int
	gone     bool
	// until is the end of the domain's own verdict, zero if it may not be named.
	until time.Time
	// visited and advertised are what the last answer said, and feed is where it says that the domain publishes,
	// which decides on claims in other payloads. byDefault tells that it named no node.
	visited, advertised, byDefault bool
	feed                           *feed
	// polled is when the node was last asked for its item and gave a final answer, zero where it should be asked anyway.
	polled time.Time
	// heard counts the events of the node, so that a visit can tell whether it was overtaken.
	heard uint32
	// reported is when the report that stands came, zero if none stands; hash is that of its payload.
	reported time.Time
	hash     [sha256.Size]byte
	// dirty tells that the store does not know the latest, and saving that it is just being told something.
	dirty, saving bool
	// lost tells that another crawler may have the domain by now: whatever is known of it here counts no more.
	lost bool
	// watch is for those who wait for the entry's visit, nil where nobody does and none is under way.
	watch *watch
	// site is the owner's, in which the entry is either confirmed or in a list.
	site           *site
	confirmed      bool
	previous, next *entry
	// bringer is the site whose report made the domain known, nil where it was none or the domain was confirmed since.
	bringer *site
	// stranger tells that the flight is one of those that the frontier bounds.
	stranger bool
}

func (e *entry) stands() bool { return !e.reported.IsZero() }

// unheard tells that nothing was ever heard of a domain and nobody vouches for it: anybody may have made it up.
func (e *entry) unheard() bool { return !e.seed && e.answered.IsZero() && e.until.IsZero() }

// frontier is the set of known domains and the order in which they are due.
// It does not lock and does not know the time: the crawler does both.
type frontier struct {
	entries map[xep.Name]*entry
	queue   dueQueue
	// ready are the entries that are due, in the order in which they became so, and fresh those among them that are unheard.
	// They are kept apart so that their number is known without a count, and those in fresh so that they hold up nobody else.
	ready, fresh fifo
	// turn tells that a fresh one is next where both wait.
	turn  bool
	limit int
	rng   *rand.Rand
	// inFlight counts the entries that were taken and not yet put back, strangers those of them that are unheard, of which there are at most so many.
	inFlight, strangers, maxStrangers int
	// sites are the owners of what is known, each of which has room for perSite domains that don't opt in, below 0 for any number.
	sites   map[string]*site
	perSite int
	// perBringer is how many domains that don't opt in the reports of one site may make known, below 0 any number.
	perBringer int
}

func newFrontier(limit int, seed uint64) *frontier {
	return &frontier{
		entries:      make(map[xep.Name]*entry),
		limit:        limit,
		rng:          rand.New(rand.NewPCG(seed, seed)),
		maxStrangers: math.MaxInt,
		sites:        make(map[string]*site),
		perSite:      -1,
		perBringer:   -1,
	}
}

// add makes a domain known and due at once.
// It returns the entry, new or not, or nil where the frontier is full.
func (f *frontier) add(name xep.Name, now time.Time) (e *entry, isNew bool) {
	if e, ok := f.entries[name]; ok {
		return e, false
	}
	e = &entry{name: name, due: now, added: now}
	if !f.insert(e) {
		return nil, false
	}
	return e, true
}

// insert makes an entry known that is due whenever it says.
func (f *frontier) insert(e *entry) bool {
	if len(f.entries) >= f.limit {
		return false
	}
	f.entries[e.name] = e
	f.enrol(e)
	heap.Push(&f.queue, e)
	return true
}

// hasten makes a domain due at that time, if it is not earlier anyway.
func (f *frontier) hasten(e *entry, at time.Time) {
	switch e.place {
	case placeFlight:
		if e.again.IsZero() || at.Before(e.again) {
			e.again = at
		}
	case placeQueued:
		if e.due.After(at) {
			e.due = at
			heap.Fix(&f.queue, e.heap)
		}
	}
}

// due returns how many entries wait for a visit.
func (f *frontier) due(now time.Time) int {
	f.promote(now)
	return f.ready.len() + f.fresh.len()
}

// promote moves what has become due.
func (f *frontier) promote(now time.Time) {
	for len(f.queue) > 0 && !f.queue[0].due.After(now) {
		e := heap.Pop(&f.queue).(*entry)
		e.place = placeReady
		if e.unheard() {
			f.fresh.push(e)
		} else {
			f.ready.push(e)
		}
	}
}

// pop returns an entry that is due, nil where there is none that may be visited now.
// Those that are unheard wait for every other one of the rest, and leave them some of the places.
func (f *frontier) pop() *entry {
	f.turn = !f.turn
	fresh := f.fresh.len() > 0 && f.strangers < f.maxStrangers
	if fresh && (f.turn || f.ready.len() == 0) {
		return f.fresh.pop()
	}
	return f.ready.pop()
}

// take returns the entry that has been due the longest.
// Without one it returns how long to wait for the next, or a negative duration where nothing is queued.
func (f *frontier) take(now time.Time) (*entry, time.Duration) {
	f.promote(now)
	for e := f.pop(); e != nil; e = f.pop() {
		if e.place == placeReady {
			e.place = placeFlight
			f.inFlight++
			if e.stranger = e.unheard(); e.stranger {
				f.strangers++
			}
			return e, 0
		}
	}
	if len(f.queue) == 0 {
		return nil, -1
	}
	return nil, f.queue[0].due.Sub(now)
}

// seize takes an entry that is not in flight, due or not.
// One that was ready keeps its place there, which means nothing any more.
func (f *frontier) seize(e *entry) {
	if e.place == placeQueued {
		heap.Remove(&f.queue, e.heap)
	}
	e.place = placeFlight
	f.inFlight++
}

// put returns an entry after its visit, due after roughly d.
func (f *frontier) put(e *entry, now time.Time, d time.Duration) {
	f.land(e)
	f.rank(e)
	e.due = now.Add(f.jitter(d))
	if !e.again.IsZero() {
		if e.again.Before(e.due) {
			e.due = e.again
		}
		e.again = time.Time{}
	}
	if e.until.After(now) && e.due.After(e.until) {
		// Whatever the back-off: a name deserves to be asked for once more when it lapses, and its loss to be told then.
		e.due = e.until
	}
	heap.Push(&f.queue, e)
}

// finish leaves an entry unvisited for the rest of a single round.
func (f *frontier) finish(e *entry) {
	f.land(e)
	f.rank(e)
	e.place = placeDone
}

// land ends the flight of an entry.
func (f *frontier) land(e *entry) {
	f.inFlight--
	if e.stranger {
		f.strangers--
		e.stranger = false
	}
}

// drop forgets an entry after its visit.
func (f *frontier) drop(e *entry) {
	f.finish(e)
	f.strike(e)
	delete(f.entries, e.name)
}

// park leaves an entry unvisited until it is removed.
func (f *frontier) park(e *entry) {
	if e.place == placeQueued {
		heap.Remove(&f.queue, e.heap)
	}
	if e.place != placeFlight {
		e.place = placeDone
	}
}

// remove forgets an entry at once. One in flight is to be finished when it lands.
func (f *frontier) remove(e *entry) {
	f.park(e)
	f.strike(e)
	delete(f.entries, e.name)
}

// jitterShare is the part of a pause by which it may be shorter.
const jitterShare = 5

// jitter returns between 80 and 100 % of d.
// Domains that were found together thereby drift apart until their visits are spread over the whole interval, and none waits longer than it.
func (f *frontier) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - time.Duration(f.rng.Int64N(int64(d)/jitterShare+1))
}

// within returns a moment between now and d later.
func (f *frontier) within(now time.Time, d time.Duration) time.Time {
	return now.Add(time.Duration(f.rng.Int64N(int64(max(d, 0)) + 1)))
}

// idle tells that nothing is in flight and nothing will be due.
func (f *frontier) idle() bool {
	return f.inFlight == 0 && len(f.queue) == 0 && f.ready.len()+f.fresh.len() == 0
}

// fifo is a queue whose room is used again.
type fifo struct {
	entries []*entry
	head    int
}

func (q *fifo) len() int { return len(q.entries) - q.head }

func (q *fifo) push(e *entry) { q.entries = append(q.entries, e) }

func (q *fifo) pop() *entry {
	if q.len() == 0 {
		return nil
	}
	e := q.entries[q.head]
	q.entries[q.head] = nil
	q.head++
	if 2*q.head >= len(q.entries) {
		rest := copy(q.entries, q.entries[q.head:])
		clear(q.entries[rest:])
		q.entries, q.head = q.entries[:rest], 0
	}
	return e
}

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
	e.heap, e.place = len(*q), placeQueued
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
