package adapter

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// together is how many rows, and largest how many bytes of reports, go from one goroutine to the next at once.
	together, largest = 128, 256 << 10
	// waiting is how many such batches are read ahead of whoever takes them.
	waiting = 8
)

// Stored is a row as it was read.
type Stored struct {
	Row
	// ID is that of the row, where it was asked for.
	ID int64
	// text is the encoded report, empty where there is none.
	text string
}

// report returns the report of the row, nil if it has none.
func (s *Stored) report(domain xep.Name, m *memory) (*graph.Report, error) {
	if s.text == "" {
		return nil, nil
	}
	return parseReport(domain, s.text, m.words, m.room)
}

// memory is where decoded reports come to lie.
type memory struct {
	words *Words
	// lent tells that peers are in pieces that are used again.
	lent  bool
	peers []graph.Peer
}

// piece is how many peers lie together at least.
const piece = 4096

func (m *memory) room(n uint64) []graph.Peer {
	if !m.lent {
		return make([]graph.Peer, 0, n)
	}
	start, end := len(m.peers), len(m.peers)+int(n)
	if end > cap(m.peers) {
		// Those in the piece before stay where they are.
		start, end = 0, int(n)
		m.peers = make([]graph.Peer, 0, max(piece, n))
	}
	m.peers = m.peers[:end]
	return m.peers[start:start:end]
}

// release takes back what was lent.
func (m *memory) release() {
	clear(m.peers)
	m.peers = m.peers[:0]
}

// Read hands rows, and their encoded reports or nothing, to put until there are no more, or put returns false.
// Put copies the row and the report.
type Read func(ctx context.Context, put func(row *Stored, report []byte) bool) error

// Records yields what is read as records. Whoever stops early waits for read to end.
func Records(ctx context.Context, read Read) iter.Seq2[crawl.Record, error] {
	return ahead(ctx, false, read, func(s *Stored, m *memory) (crawl.Record, error) {
		rec, err := s.Record()
		if err == nil {
			rec.Report, err = s.report(rec.Domain, m)
		}
		return rec, err
	})
}

// Changes calls f with what is read, of which it takes the ID, Name, Until, Reported and the report.
// The report lasts until f returns.
func Changes(ctx context.Context, read Read, f func(store.Change) error) error {
	for c, err := range ahead(ctx, true, read, change) {
		if err != nil {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

// change is what a stored row tells those who follow.
func change(row *Stored, m *memory) (c store.Change, err error) {
	c.ID, c.Until = row.ID, Time(row.Until)
	if c.Domain, err = Name(row.Name); err != nil || c.Until.IsZero() || row.Reported == 0 {
		return c, err
	}
	if c.Report, err = row.report(c.Domain, m); err != nil || c.Report == nil {
		return c, err
	}
	c.Report.At, c.Report.Until = Time(row.Reported), c.Until
	for i := range c.Report.Peers {
		// Their own rows say it, and may have done so later.
		c.Report.Peers[i].Until = time.Time{}
	}
	return c, nil
}

// ahead yields what decode makes of what is read, in the same order. What is lent lasts until the next one.
//
// A start has to read, to decode and to take in all that is known, each of which takes as long as the others: they go on at the same time.
func ahead[T any](ctx context.Context, lent bool, read Read, decode func(*Stored, *memory) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p := newPipe[T](lent)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		var err error
		workers.Go(func() {
			err = p.fill(ctx, read)
			close(p.todo)
			close(p.order)
		})
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() { p.work(decode) })
		}
		var none T
		for b := range p.order {
			<-b.done
			for i := range b.all {
				if !yield(b.all[i], nil) {
					return
				}
			}
			if b.err != nil {
				yield(none, b.err)
				return
			}
			p.release(b)
		}
		if err != nil {
			yield(none, err)
		}
	}
}

// pipe is what lies between whoever reads, those who decode, and whoever takes the outcome, who gets each batch twice:
// to do, and to know the order. Then it is free to be filled again.
type pipe[T any] struct {
	todo, order, free chan *batch[T]
	lent              bool
}

func newPipe[T any](lent bool) *pipe[T] {
	return &pipe[T]{make(chan *batch[T], waiting), make(chan *batch[T], waiting), make(chan *batch[T], waiting), lent}
}

// batch is rows on their way, and what they have become once it is done.
type batch[T any] struct {
	rows   []Stored
	hashes []byte
	all    []T
	memory memory
	err    error
	done   chan struct{}
}

// add adds a copy of a row.
func (b *batch[T]) add(row *Stored, text string) {
	start := len(b.hashes)
	b.hashes = append(b.hashes, row.Hash...)
	b.rows = append(b.rows, *row)
	last := &b.rows[len(b.rows)-1]
	last.Hash, last.text = b.hashes[start:], text
}

// take returns an empty batch.
func (p *pipe[T]) take() *batch[T] {
	select {
	case b := <-p.free:
		return b
	default:
		b := &batch[T]{rows: make([]Stored, 0, together), all: make([]T, 0, together), done: make(chan struct{}, 1)}
		b.memory.lent = p.lent
		return b
	}
}

// release takes back a batch, of which nothing is kept.
func (p *pipe[T]) release(b *batch[T]) {
	clear(b.rows)
	clear(b.all)
	b.memory.release()
	b.rows, b.hashes, b.all = b.rows[:0], b.hashes[:0], b.all[:0]
	select {
	case p.free <- b:
	default:
	}
}

// fill reads until the end.
func (p *pipe[T]) fill(ctx context.Context, read Read) error {
	var bodies Texts
	b, size, whole := p.take(), 0, true
	hand := func() bool {
		whole = whole && p.hand(ctx, b)
		b, size = p.take(), 0
		return whole
	}
	err := read(ctx, func(row *Stored, report []byte) bool {
		b.add(row, bodies.Add(report))
		size += len(report)
		return len(b.rows) < together && size < largest || hand()
	})
	if err == nil && !hand() {
		err = ctx.Err()
	}
	return err
}

// hand hands on what was read, and returns false if the end comes before there is room.
func (p *pipe[T]) hand(ctx context.Context, b *batch[T]) bool {
	for _, to := range [...]chan *batch[T]{p.todo, p.order} {
		select {
		case to <- b:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (p *pipe[T]) work(decode func(*Stored, *memory) (T, error)) {
	var words Words
	for b := range p.todo {
		b.memory.words = &words
		for i := range b.rows {
			var t T
			if t, b.err = decode(&b.rows[i], &b.memory); b.err != nil {
				break
			}
			b.all = append(b.all, t)
		}
		b.done <- struct{}{}
	}
}
