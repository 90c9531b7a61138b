package adapter

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
)

const (
	// pieceSize is how many rows of history are written at once: few enough for nobody to wait for them, and for memory,
	// and many enough for what each commit costs.
	pieceSize = 20_000
	// pageSize is how many open intervals are read at once.
	pageSize = 1 << 16
)

// Piece is a part of what an observation changes. What ends does so before anything begins.
type Piece struct {
	End        []int64
	Begin      []Domain
	EndLinks   []Pair
	BeginLinks []Link
}

// Len is the number of rows that the piece changes.
func (p *Piece) Len() int { return len(p.End) + len(p.Begin) + len(p.EndLinks) + len(p.BeginLinks) }

func (p *Piece) clear() {
	p.End, p.Begin, p.EndLinks, p.BeginLinks = p.End[:0], p.Begin[:0], p.EndLinks[:0], p.BeginLinks[:0]
}

// Domain is the state of a domain while an interval lasts.
type Domain struct {
	ID int64
	State
	// Continues is whether the domain was there before, in another state.
	Continues bool
}

// Link is the state of a link while an interval lasts.
type Link struct {
	Pair
	Claims store.Claims
	// Continues is whether the link was there before, in another state.
	Continues bool
}

// Book is a database's history, for an observation to go through once.
//
// All that is written but the last piece lies behind what was read.
type Book interface {
	// Domains appends to a slice the domains that have an open interval, by rising id, from the first after an id on.
	// It returns n of them, or fewer only where there are no more.
	Domains(ctx context.Context, to []Domain, after int64, n int) ([]Domain, error)
	// Links does the same for links.
	Links(ctx context.Context, to []Link, after Pair, n int) ([]Link, error)
	// Write makes a piece durable.
	Write(ctx context.Context, p *Piece) error
}

type piecesKey struct{}

// pieces is how an observation is read and written.
type pieces struct {
	size, page int
	between    func() error
}

// InPieces returns a context for tests, in which an observation reads a few rows at once and writes as many.
// Between is called after each piece but the last, and its error ends the observation.
func InPieces(ctx context.Context, size int, between func() error) context.Context {
	return context.WithValue(ctx, piecesKey{}, pieces{size, size, between})
}

// Compare writes what turns the open intervals of a book into those of a snapshot, and returns the last piece, which is not written.
//
// The ids are those of the snapshot's domains, 0 for those that may not be named. If the time in between was not looked at,
// all that is open ends, and what is there begins.
//
// Comparing with the last snapshot would be faster, but only the database knows what it lost since, by a purge or a sweep.
// Of the database's side no more than a page is in memory; of the snapshot's, eight bytes for each link.
func Compare(ctx context.Context, b Book, s *graph.Snapshot, ids []int64, unwatched bool) (*Piece, error) {
	c := comparison{ctx: ctx, book: b, snap: s, ids: ids, unwatched: unwatched, pieces: pieces{pieceSize, pageSize, func() error { return nil }}}
	if p, ok := ctx.Value(piecesKey{}).(pieces); ok {
		c.pieces = p
	}
	for i, id := range ids {
		if id != 0 {
			c.order = append(c.order, i)
		}
	}
	slices.SortFunc(c.order, func(i, j int) int { return cmp.Compare(ids[i], ids[j]) })
	if err := c.domains(); err != nil {
		return nil, err
	}
	return &c.piece, c.links()
}

// comparison goes through a book and a snapshot side by side, both by rising ids.
type comparison struct {
	ctx       context.Context
	book      Book
	snap      *graph.Snapshot
	ids       []int64
	order     []int // the indexes of those with an id, by id
	unwatched bool
	pieces
	piece Piece
}

// flush writes the piece once it is large enough.
func (c *comparison) flush() error {
	if c.piece.Len() < c.size {
		return nil
	}
	if err := c.book.Write(c.ctx, &c.piece); err != nil {
		return err
	}
	c.piece.clear()
	return c.between()
}

func (c *comparison) domains() error {
	rest := c.order
	next := func() (d Domain, ok bool) {
		if len(rest) == 0 {
			return d, false
		}
		i := rest[0]
		rest = rest[1:]
		return Domain{ID: c.ids[i], State: State{!c.snap.ReportingAt(i), c.snap.UnnamedAt(i)}}, true
	}
	open := paged(c.page, func(to []Domain, last Domain) ([]Domain, error) { return c.book.Domains(c.ctx, to, last.ID, c.page) })
	return merge(open, next, func(a, b *Domain) int { return cmp.Compare(a.ID, b.ID) }, c.domain)
}

// domain goes on with an interval, ends it or begins one: what was or what is there may be nil.
func (c *comparison) domain(was, now *Domain) error {
	if was != nil && now != nil && !c.unwatched {
		now.Unnamed = store.Coarse(was.Unnamed, now.Unnamed)
		if now.State == was.State {
			return nil
		}
		now.Continues = true
	}
	if was != nil {
		c.piece.End = append(c.piece.End, was.ID)
	}
	if now != nil {
		c.piece.Begin = append(c.piece.Begin, *now)
	}
	return c.flush()
}

func (c *comparison) links() error {
	open := paged(c.page, func(to []Link, last Link) ([]Link, error) { return c.book.Links(c.ctx, to, last.Pair, c.page) })
	return merge(open, newTies(c).next, func(a, b *Link) int { return a.Pair.compare(b.Pair) }, c.link)
}

func (c *comparison) link(was, now *Link) error {
	if was != nil && now != nil && !c.unwatched {
		if now.Claims == was.Claims {
			return nil
		}
		now.Continues = true
	}
	if was != nil {
		c.piece.EndLinks = append(c.piece.EndLinks, was.Pair)
	}
	if now != nil {
		c.piece.BeginLinks = append(c.piece.BeginLinks, *now)
	}
	return c.flush()
}

// merge goes through what was and what is, both in one order, and calls f for each or, where they are of the same, for both.
func merge[T any](was iter.Seq2[T, error], next func() (T, bool), compare func(a, b *T) int, f func(was, now *T) error) error {
	// One variable for all, because f is not known to let go of it.
	var before T
	now, more := next()
	begin := func(was *T) (err error) {
		err = f(was, &now)
		now, more = next()
		return err
	}
	for w, err := range was {
		if err != nil {
			return err
		}
		before = w
		for more && compare(&now, &before) < 0 {
			if err := begin(nil); err != nil {
				return err
			}
		}
		if more && compare(&now, &before) == 0 {
			err = begin(&before)
		} else {
			err = f(&before, nil)
		}
		if err != nil {
			return err
		}
	}
	for more {
		if err := begin(nil); err != nil {
			return err
		}
	}
	return nil
}

// paged yields what is read in pages of n, each from the last of the page before.
func paged[T any](n int, read func(to []T, last T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var page []T
		var last T
		for {
			var err error
			if page, err = read(page[:0], last); err != nil {
				yield(last, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < n {
				return
			}
			last = page[len(page)-1]
		}
	}
}

// ties are the links of a snapshot between domains that have ids, in the order of their pairs.
type ties struct {
	ids   []int64
	rest  []int    // the indexes of domains, by id
	count []uint32 // how many links a domain has to those with greater ids, by index
	// ends are those ids, each with the link's claims in the lowest bits, for one domain after the other. They are sorted late.
	ends []uint64
	// id is whose links are ends[at:until].
	id        int64
	at, until uint32
}

// claimBits is the room for claims.
const claimBits = 2

func newTies(c *comparison) *ties {
	t := &ties{ids: c.ids, rest: c.order, count: make([]uint32, len(c.ids))}
	lower := func(i, j int) int {
		if c.ids[i] < c.ids[j] {
			return i
		}
		return j
	}
	for i, j := range c.snap.Pairs() {
		if c.ids[i] != 0 && c.ids[j] != 0 {
			t.count[lower(i, j)]++
		}
	}
	place, sum := make([]uint32, len(c.ids)), uint32(0)
	for _, i := range c.order {
		place[i] = sum
		sum += t.count[i]
	}
	t.ends = make([]uint64, sum)
	for l := range c.snap.Links() {
		a, b := c.ids[l.I], c.ids[l.J]
		if a != 0 && b != 0 {
			i := lower(l.I, l.J)
			t.ends[place[i]] = uint64(max(a, b))<<claimBits | uint64(store.ClaimsOf(l))
			place[i]++
		}
	}
	return t
}

// next returns the next link, false after the last.
func (t *ties) next() (l Link, ok bool) {
	for t.at == t.until {
		if len(t.rest) == 0 {
			return l, false
		}
		i := t.rest[0]
		t.rest = t.rest[1:]
		t.id, t.until = t.ids[i], t.at+t.count[i]
		slices.Sort(t.ends[t.at:t.until])
	}
	e := t.ends[t.at]
	t.at++
	return Link{Pair: Pair{t.id, int64(e >> claimBits)}, Claims: store.Claims(e & (1<<claimBits - 1))}, true
}
