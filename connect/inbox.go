package connect

import (
	"container/heap"
	"strings"
	"sync"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

const (
	// stanzaCost is what a stanza costs beside its bytes: in memory while it waits, the queue's own included, and in turns.
	stanzaCost = 1 << 10
	// quantum is how many bytes of one site the handler gets before it is another's turn.
	quantum = 16 << 10
	// shares is how many sites can have as much waiting as they may before the whole is full.
	shares = 32
)

// inbox is the queue between the connection's reader and the handler, in which a sender harms nobody but itself.
//
// Senders take turns, so that a flood delays those of others by no more than one turn in each round; turns are measured in
// bytes, so that large stanzas count for what they cost.
// Each sender may have a small share of the whole waiting; once the whole is full, whoever has most loses its latest.
// The stanzas of one domain keep their order.
//
// Senders are told apart at two levels, those of [roundtrip.Site]: domains that one sender can make up at will share the
// turns and the room of one site.
// Where strangers share a site, each has turns and losses of its own within it.
type inbox struct {
	max   int // cost of all that waits, what the own server sent excepted
	share int // cost of what waits from one site
	wake  chan struct{}

	mu      sync.Mutex
	root    flow
	flows   map[flowKey]*flow
	own     fifo // from the own server
	ownCost int
	ownLast bool
	closed  bool
}

// waiting is a stanza that waits.
type waiting struct {
	raw  []byte
	head int // length of the start tag
	work int // what the handler will have to read for it, in bytes
}

func (w *waiting) cost() int { return len(w.raw) + stanzaCost }

// evicted is a stanza for which there was no room.
type evicted struct {
	waiting
	share bool // its site had its share, while there was room for others
}

func newInbox(max, largest int) *inbox {
	share := max / shares
	if least := largest + stanzaCost; share < least {
		share = least
	}
	return &inbox{max: max, share: share, wake: make(chan struct{}, 1), flows: make(map[flowKey]*flow)}
}

// offer queues a stanza of a domain and returns what had to go for it, which may be itself.
// The domain of the own server is empty.
func (q *inbox) offer(domain string, w waiting) (out []evicted) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	if domain == "" {
		if q.ownCost+w.cost() > q.share {
			return []evicted{{w, true}}
		}
		q.ownCost += w.cost()
		q.own.push(w)
		q.signal()
		return nil
	}
	site, name := roundtrip.Site(domain)
	s := q.flow(&q.root, flowKey{true, site})
	d := q.flow(s, flowKey{false, name})
	d.fifo.push(w)
	q.weigh(d, 1, w.cost())
	for s.cost > q.share {
		out = append(out, evicted{q.evict(s), true})
	}
	for q.root.cost > q.max {
		out = append(out, evicted{q.evict(q.root.heaviest[0]), false})
	}
	q.signal()
	return out
}

func (q *inbox) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the next stanza for the handler.
// The own server's have every other turn.
func (q *inbox) take() (raw []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.own.len() > 0 && (!q.ownLast || q.root.count == 0) {
		w := q.own.pop()
		q.ownCost -= w.cost()
		q.ownLast = true
		return w.raw, true
	}
	q.ownLast = false
	if q.root.count == 0 {
		return nil, false
	}
	site := q.turn(&q.root)
	domain := q.turn(site)
	w := domain.fifo.pop()
	site.credit -= w.work + stanzaCost
	domain.credit -= w.work + stanzaCost
	q.weigh(domain, -1, -w.cost())
	q.settle(domain)
	return w.raw, true
}

// close forgets all that waits.
func (q *inbox) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.own, q.ownCost = fifo{}, 0
	q.root, q.flows = flow{}, nil
}

// flow is what waits from one domain, from one site or in all; the latter two consist of others.
type flow struct {
	key    flowKey
	parent *flow
	count  int // stanzas
	cost   int // of these
	credit int // bytes it may still have handled in this turn, negative after a large stanza

	fifo     fifo    // of a domain
	now      *flow   // whose turn it is among the parts, which are a ring
	heaviest weights // the parts, as a heap

	before, after *flow
	place         int // in the parent's heap
}

// flowKey tells sites from domains, which may have the same name.
type flowKey struct {
	site bool
	name string
}

// flow returns a part of another, made if there is none.
func (q *inbox) flow(parent *flow, key flowKey) *flow {
	if f := q.flows[key]; f != nil {
		return f
	}
	key.name = strings.Clone(key.name)
	f := &flow{key: key, parent: parent, credit: quantum}
	q.flows[key] = f
	if parent.now == nil {
		parent.now, f.before, f.after = f, f, f
	} else {
		last := parent.now.before
		f.before, f.after = last, parent.now
		last.after, parent.now.before = f, f
	}
	heap.Push(&parent.heaviest, f)
	return f
}

// turn returns the part whose turn it is; there must be stanzas in one of them.
func (q *inbox) turn(parent *flow) *flow {
	for {
		f := parent.now
		switch {
		case f.credit <= 0:
			f.credit += quantum
			parent.now = f.after
		case f.count == 0:
			q.remove(f)
		default:
			return f
		}
	}
}

// weigh adds to a domain and to all that it is part of.
func (q *inbox) weigh(f *flow, count, cost int) {
	for ; f != nil; f = f.parent {
		f.count += count
		f.cost += cost
		if f.parent != nil {
			heap.Fix(&f.parent.heaviest, f.place)
		}
	}
}

// evict takes the latest stanza of the heaviest domain of a site.
func (q *inbox) evict(site *flow) waiting {
	d := site.heaviest[0]
	w := d.fifo.drop()
	q.weigh(d, -1, -w.cost())
	q.settle(d)
	return w
}

// settle forgets a domain, and its site, of which nothing waits and that owes nothing.
// A debt is remembered for as long as others wait: what comes one by one costs no less than what comes at once.
func (q *inbox) settle(d *flow) {
	if q.root.count == 0 {
		q.root = flow{}
		clear(q.flows)
		return
	}
	for _, f := range []*flow{d, d.parent} {
		if f.count > 0 || f.credit <= 0 {
			return
		}
		q.remove(f)
	}
}

// remove takes a part out of the whole, with its own parts.
func (q *inbox) remove(f *flow) {
	for _, part := range f.heaviest {
		delete(q.flows, part.key)
	}
	delete(q.flows, f.key)
	p := f.parent
	heap.Remove(&p.heaviest, f.place)
	if f.after == f {
		p.now = nil
		return
	}
	f.before.after, f.after.before = f.after, f.before
	if p.now == f {
		p.now = f.after
	}
}

// weights is a heap of flows, the heaviest first.
type weights []*flow

func (h weights) Len() int           { return len(h) }
func (h weights) Less(i, j int) bool { return h[i].cost > h[j].cost }

func (h weights) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *weights) Push(x any) {
	f := x.(*flow)
	f.place = len(*h)
	*h = append(*h, f)
}

func (h *weights) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return f
}

// fifo is a queue that can also lose its latest.
type fifo struct {
	all  []waiting
	from int
}

func (f *fifo) len() int { return len(f.all) - f.from }

func (f *fifo) push(w waiting) { f.all = append(f.all, w) }

func (f *fifo) pop() waiting {
	w := f.all[f.from]
	f.all[f.from] = waiting{}
	if f.from++; f.from*2 >= len(f.all) {
		n := copy(f.all, f.all[f.from:])
		clear(f.all[n:])
		f.all, f.from = f.all[:n], 0
	}
	return w
}

func (f *fifo) drop() waiting {
	last := len(f.all) - 1
	w := f.all[last]
	f.all[last] = waiting{}
	f.all = f.all[:last]
	return w
}

// ownServer returns the addresses that only the own server can send from: the account's and its domain, or those of a
// component and of the server that it is likely to be part of.
// Who merely has an account there is a stranger.
func ownServer(local jid.JID, component bool) []jid.JID {
	own := []jid.JID{{}, local.Bare(), local.Domain()}
	if _, host, ok := strings.Cut(local.Domainpart(), "."); ok && component {
		if addr, err := jid.Parse(host); err == nil {
			own = append(own, addr)
		}
	}
	return own
}

// domainOf returns the sender's domain, empty for the own server.
func (l *link) domainOf(from jid.JID) string {
	for _, own := range l.own {
		if from.Equal(own) {
			return ""
		}
	}
	return from.Domainpart()
}
