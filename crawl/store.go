package crawl

import (
	"context"
	"crypto/sha256"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Store keeps what a crawler knows, so that a restart goes on instead of starting over.
//
// One crawler uses a store at a time. It calls Load once, before anything else, and Save from one goroutine.
// What a store holds are facts about domains that may not want to be named: it is as private as the crawler's memory.
type Store interface {
	// Load yields every record that was saved and not removed, each domain once, in any order.
	// After an error it yields nothing more; a record that can't be read is such an error.
	// What a record points to is the crawler's from then on.
	Load(ctx context.Context) iter.Seq2[Record, error]
	// Save makes all changes of a batch or none: first it removes Batch.Gone, then it replaces what it has on the domains
	// of Batch.Records, except for their reports, see [Record.Report].
	// A batch that failed is saved again, with what has changed since, so that the same change may come twice.
	// The store must not keep or change what the batch points to.
	Save(ctx context.Context, b Batch) error
}

// Batch is a set of changes to a [Store]. No domain is in it twice.
type Batch struct {
	// Records are the domains of which something has changed.
	Records []Record
	// Gone are the domains to be removed, whether or not the store has them.
	Gone []xep.Name
}

// Record is what a crawler knows of one domain. Times are zero where something never happened.
type Record struct {
	// Domain is the key.
	Domain xep.Name
	// Due is when to visit it next.
	Due time.Time
	// Added is when it was first heard of, Answered when it last answered, Mentioned when a report last named it.
	Added, Answered, Mentioned time.Time
	// Failures is the number of visits without an answer since the last one with.
	Failures int
	// GivenUp tells that it was silent for so long that it is hardly visited any more.
	GivenUp bool
	// Advertised is the evidence on consent that the last answer gave, and Until the end of the verdict made of it,
	// zero if the domain may not be named.
	Advertised bool
	Until      time.Time
	// Node is where it publishes, zero if that is not known, and Default tells that this is so by default.
	Node    xep.NodeURI
	Default bool
	// Subscribed tells that there may be a subscription to the node.
	Subscribed bool
	// Reported is when the report that stands was received, zero if there is none, and Hash is that of its payload.
	Reported time.Time
	Hash     [sha256.Size]byte
	// Report is the report that stands.
	// In a batch it is nil where the store has it already: then the store keeps the one it has if Reported is not zero.
	// The store drops it where Reported is zero.
	Report *graph.Report
}

// MemoryStore is a [Store] that lasts as long as the program, for tests and for runs that follow each other.
// Its zero value is empty.
type MemoryStore struct {
	mu      sync.Mutex
	records map[xep.Name]Record
}

// Load implements [Store].
func (m *MemoryStore) Load(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.Lock()
		all := slices.Collect(maps.Values(m.records))
		m.mu.Unlock()
		for _, rec := range all {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			rec.Report = cloneReport(rec.Report)
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// Save implements [Store].
func (m *MemoryStore) Save(ctx context.Context, b Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = make(map[xep.Name]Record)
	}
	for _, n := range b.Gone {
		delete(m.records, n)
	}
	for _, rec := range b.Records {
		switch {
		case rec.Reported.IsZero():
			rec.Report = nil
		case rec.Report == nil:
			rec.Report = m.records[rec.Domain].Report
		default:
			rec.Report = cloneReport(rec.Report)
		}
		m.records[rec.Domain] = rec
	}
	return nil
}

func cloneReport(r *graph.Report) *graph.Report {
	if r == nil {
		return nil
	}
	c := *r
	c.Peers = slices.Clone(r.Peers)
	if r.Users != nil {
		users := *r.Users
		c.Users = &users
	}
	return &c
}
