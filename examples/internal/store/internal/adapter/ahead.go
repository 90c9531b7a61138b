package adapter

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/xmppgraph/xmppgraph/crawl"
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
	end  int
}

// Report returns the report of the row, nil if it has none.
func (s *Stored) Report(domain xep.Name, w *Words) (*graph.Report, error) {
	if s.text == "" {
		return nil, nil
	}
	return parseReport(domain, s.text, w)
}

// Read hands rows, and their encoded reports or nothing, to put until there are no more, or put returns false.
// Put copies the report and keeps the rest.
type Read func(ctx context.Context, put func(row Stored, report []byte) bool) error

// Records yields what is read as records. Whoever stops early waits for read to end.
func Records(ctx context.Context, read Read) iter.Seq2[crawl.Record, error] {
	return Ahead(ctx, read, func(s *Stored, w *Words) (crawl.Record, error) {
		rec, err := s.Record()
		if err == nil {
			rec.Report, err = s.Report(rec.Domain, w)
		}
		return rec, err
	})
}

// Ahead yields what decode makes of what is read, in the same order.
//
// A start has to read, to decode and to take in all that is known, each of which takes as long as the others: they go on at the same time.
func Ahead[T any](ctx context.Context, read Read, decode func(*Stored, *Words) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p := pipe[T]{todo: make(chan batch[T], waiting), order: make(chan batch[T], waiting)}
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
			r := <-b.out
			for _, t := range r.all {
				if !yield(t, nil) {
					return
				}
			}
			if r.err != nil {
				yield(none, r.err)
				return
			}
		}
		if err != nil {
			yield(none, err)
		}
	}
}

// pipe is what lies between whoever reads, those who decode, and whoever takes the outcome, who gets each batch twice:
// to do, and to know the order.
type pipe[T any] struct{ todo, order chan batch[T] }

// batch is rows on their way. Its result comes when they have been decoded.
type batch[T any] struct {
	rows []Stored
	out  chan result[T]
}

type result[T any] struct {
	all []T
	err error
}

// fill reads until the end. The reports of a batch are one string, for two allocations less in each row.
func (p *pipe[T]) fill(ctx context.Context, read Read) error {
	rows, bodies := make([]Stored, 0, together), make([]byte, 0, largest)
	whole := true
	hand := func() bool {
		text, start := string(bodies), 0
		for i := range rows {
			rows[i].text, start = text[start:rows[i].end], rows[i].end
		}
		whole = whole && p.hand(ctx, slices.Clone(rows))
		rows, bodies = rows[:0], bodies[:0]
		return whole
	}
	err := read(ctx, func(row Stored, report []byte) bool {
		bodies = append(bodies, report...)
		row.end = len(bodies)
		rows = append(rows, row)
		return len(rows) < together && len(bodies) < largest || hand()
	})
	if err == nil && !hand() {
		err = ctx.Err()
	}
	return err
}

// hand hands on what was read, and returns false if the end comes before there is room.
func (p *pipe[T]) hand(ctx context.Context, rows []Stored) bool {
	b := batch[T]{rows, make(chan result[T], 1)}
	for _, to := range [...]chan batch[T]{p.todo, p.order} {
		select {
		case to <- b:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (p *pipe[T]) work(decode func(*Stored, *Words) (T, error)) {
	var words Words
	for b := range p.todo {
		r := result[T]{all: make([]T, 0, len(b.rows))}
		for i := range b.rows {
			t, err := decode(&b.rows[i], &words)
			if err != nil {
				r.err = err
				break
			}
			r.all = append(r.all, t)
		}
		b.out <- r
	}
}
