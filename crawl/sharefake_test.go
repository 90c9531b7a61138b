package crawl

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// fakeParts is how many parts a fakeSharing has.
const fakeParts = 64

// fakeSharing is a database in memory whose domains several crawlers divide.
type fakeSharing struct {
	mu      sync.Mutex
	now     func() time.Time
	records MemoryStore
	owner   [fakeParts]int
	until   [fakeParts]time.Time
	alive   map[int]time.Time
	news    []fakeNews
	joined  int
}

// fakeNews is a domain that somebody made known, or due at a time if that is not zero.
type fakeNews struct {
	name xep.Name
	due  time.Time
}

// call makes a domain due at once.
func (f *fakeSharing) call(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.news = append(f.news, fakeNews{xep.MustName(name), f.now()})
}

// NewFakeSharing returns one; now is its clock.
func NewFakeSharing(now func() time.Time) *fakeSharing {
	return &fakeSharing{now: now, alive: make(map[int]time.Time)}
}

// Join returns the side of one more crawler.
func (f *fakeSharing) Join() *fakeShare {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined++
	return &fakeShare{db: f, id: f.joined}
}

func (f *fakeSharing) owners() [fakeParts]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owner
}

type fakeShare struct {
	db   *fakeSharing
	id   int
	heed int // news that were told
	cut  bool
	deaf bool
	// slow is how long it takes to load a part, and slowSave how long a save is on its way to the database.
	slow, slowSave time.Duration
}

var errCut = errors.New("the database is out of reach")

// sever cuts the crawler off from the database, or joins them again.
func (s *fakeShare) sever(cut bool) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.cut = cut
}

// deafen has the crawler not hear the answers of the database, which does what it was asked, or hear them again.
func (s *fakeShare) deafen(deaf bool) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.deaf = deaf
}

func (s *fakeShare) Part(n xep.Name) int {
	h := fnv.New32a()
	fmt.Fprint(h, n.String())
	return int(h.Sum32() % fakeParts)
}

func (s *fakeShare) Wake() <-chan struct{} { return nil }

func (s *fakeShare) Hold(_ context.Context, d time.Duration) (h Holding, err error) {
	f := s.db
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.cut {
		return h, errCut
	}
	now := f.now()
	f.alive[s.id] = now.Add(d)
	maps.DeleteFunc(f.alive, func(_ int, until time.Time) bool { return !until.After(now) })
	fair := (fakeParts + len(f.alive) - 1) / len(f.alive)
	h.Crawlers = len(f.alive)
	for p, o := range f.owner {
		if o == s.id {
			h.Parts = append(h.Parts, p)
		}
	}
	for p := range f.owner {
		if len(h.Parts) < fair && f.owner[p] != s.id && !f.until[p].After(now) {
			f.owner[p] = s.id
			h.Parts = append(h.Parts, p)
		}
	}
	for _, p := range h.Parts {
		f.until[p] = now.Add(d)
	}
	if len(h.Parts) > fair {
		h.Excess = slices.Clone(h.Parts[fair:])
	}
	if s.deaf {
		return Holding{}, errCut
	}
	for _, n := range f.news[s.heed:] {
		if f.owner[s.Part(n.name)] == s.id {
			rec := f.records.records[n.name]
			if !n.due.IsZero() {
				rec.Due = n.due
			}
			h.News = append(h.News, rec)
		}
	}
	s.heed = len(f.news)
	return h, nil
}

func (s *fakeShare) Release(_ context.Context, parts ...int) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.cut {
		return errCut
	}
	for _, p := range parts {
		if s.db.owner[p] == s.id {
			s.db.owner[p] = 0
			s.db.until[p] = time.Time{}
		}
	}
	return nil
}

func (s *fakeShare) LoadParts(ctx context.Context, parts ...int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		select {
		case <-time.After(time.Duration(len(parts)) * s.slow):
		case <-ctx.Done():
			yield(Record{}, ctx.Err())
			return
		}
		for rec, err := range s.db.records.Load(ctx) {
			rec.Report = nil
			if (err != nil || slices.Contains(parts, s.Part(rec.Domain))) && !yield(rec, err) {
				return
			}
		}
	}
}

func (s *fakeShare) SaveHeld(ctx context.Context, b Batch, mentioned []xep.Name) (lost []xep.Name, err error) {
	f := s.db
	time.Sleep(s.slowSave)
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.cut {
		return nil, errCut
	}
	mine := func(n xep.Name) bool {
		ok := f.owner[s.Part(n)] == s.id
		if !ok {
			lost = append(lost, n)
		}
		return ok
	}
	var kept Batch
	for _, rec := range b.Records {
		if mine(rec.Domain) {
			kept.Records = append(kept.Records, rec)
		}
	}
	for _, n := range b.Gone {
		if mine(n) {
			kept.Gone = append(kept.Gone, n)
		}
	}
	if err := f.records.Save(ctx, kept); err != nil {
		return nil, err
	}
	f.records.mu.Lock()
	defer f.records.mu.Unlock()
	for _, n := range mentioned {
		rec, known := f.records.records[n]
		rec.Mentioned = f.now()
		if !known {
			rec.Domain, rec.Due, rec.Added = n, f.now(), f.now()
			f.news = append(f.news, fakeNews{name: n})
		}
		f.records.records[n] = rec
	}
	return lost, nil
}
