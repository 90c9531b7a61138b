package edition

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
)

// Edition is one snapshot with its layout and the documents that were made from it.
// Its methods may be called from any number of goroutines.
type Edition struct {
	press        *Press
	base, snap   *graph.Snapshot // as the graph has it, and without those who are excluded
	taken, until time.Time
	past         bool // whether it is of another time than the present
	held         int  // what it takes in memory, in domains and links
	refreshed    atomic.Uint64

	mu     sync.Mutex
	docs   map[string]*lazy // nil once there is a newer edition
	values map[string]*value

	recent recent

	places   sync.Once
	placed   atomic.Pointer[layout.Layout]
	placeErr error
}

// lazy is a document that the first who wants it makes, while others wait for it.
type lazy struct {
	once sync.Once
	doc  *Document
	err  error
}

// value is the same for anything else that is computed from an edition.
type value struct {
	once sync.Once
	v    any
}

// Snapshot returns the network that the edition shows. Nobody who is excluded is in it.
func (e *Edition) Snapshot() *graph.Snapshot { return e.snap }

// Version is that of the snapshot.
func (e *Edition) Version() uint64 { return e.snap.Version() }

// Layout returns where the domains of the edition are drawn.
// It starts from the last layout, so that the picture does not jump from one edition to the next.
//
// Many may wait for the same layout, so that no visitor's departure ends it; ctx is for its values only.
func (e *Edition) Layout(ctx context.Context) (*layout.Layout, error) {
	e.places.Do(func() { e.placeErr = e.draw(context.WithoutCancel(ctx)) })
	return e.placed.Load(), e.placeErr
}

func (e *Edition) draw(ctx context.Context) error {
	p := e.press
	p.drawing.Lock()
	defer p.drawing.Unlock()
	if sameShape(p.drawn, e.snap) {
		e.placed.Store(p.last)
		return nil
	}
	began := time.Now()
	l, err := layout.Compute(ctx, e.snap, layout.Options{Previous: p.last, Budget: p.o.Budget})
	if err != nil {
		return err
	}
	e.placed.Store(l)
	if !e.past {
		p.took.Store(int64(time.Since(began)))
		p.last, p.drawn = l, e.snap
	}
	return nil
}

// sameShape reports whether two snapshots look alike, so that a layout which goes on from the other would only wander.
func sameShape(a, b *graph.Snapshot) bool {
	if a == nil || a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if a.NameAt(i) != b.NameAt(i) || a.UnnamedAt(i) != b.UnnamedAt(i) || !slices.Equal(a.Neighbors(i), b.Neighbors(i)) {
			return false
		}
	}
	return true
}

// Placed returns the layout if there is one already, or nil: nobody has seen the places of an edition that was never laid out.
func (e *Edition) Placed() *layout.Layout { return e.placed.Load() }

// Document returns the document of that name, made at most once where keep is true.
// What depends on a visitor's input should not be kept, since there is no end of that.
func (e *Edition) Document(key string, keep bool, make func() (*Document, error)) (*Document, error) {
	l := e.slot(key, keep)
	if l == nil {
		return make()
	}
	l.once.Do(func() { l.doc, l.err = make() })
	return l.doc, l.err
}

// slot returns where a document is kept, nil for nowhere.
func (e *Edition) slot(key string, keep bool) *lazy {
	if !keep {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.docs == nil {
		return nil
	}
	l, ok := e.docs[key]
	if !ok {
		l = new(lazy)
		e.docs[key] = l
	}
	return l
}

// Value returns what was computed under that name, once. The number of names must be bounded.
func (e *Edition) Value(key string, compute func() any) any {
	e.mu.Lock()
	if e.values == nil {
		e.values = make(map[string]*value)
	}
	v, ok := e.values[key]
	if !ok {
		v = new(value)
		e.values[key] = v
	}
	e.mu.Unlock()
	v.once.Do(func() { v.v = compute() })
	return v.v
}

// forget drops the documents once there is a newer edition, which leaves what versions are compared by.
func (e *Edition) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.docs, e.values = nil, nil
	e.recent.clear()
}

// size is what the edition takes in memory, in domains and links.
func (e *Edition) size() int {
	c := e.snap.Counts()
	return c.Domains + c.Links + c.Lapsed
}
