package layout

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// Spacing is the typical distance between neighbouring unnamed peers in a disc, which is the scale of everything.
	Spacing = 4.0
	// golden is the angle between one seed of a sunflower and the next.
	golden = 2.39996322972865332
	// hole keeps the middle of a disc free for the domain itself, in numbers of unnamed peers.
	hole = 4
	// rim is how far a disc reaches beyond its outermost peers, in the unit of the forces, in which Spacing is 1.
	rim = 1.2
	// least is the radius of a domain without unnamed peers: room for its mark, and for the better part of its name.
	least = 3.0
)

// Options configure a layout. The zero value is ready for use.
type Options struct {
	// Seed changes where domains start. The picture is as good for one as for another.
	Seed uint64
	// Previous is the layout to start from: domains that were there before stay where they were as far as possible.
	Previous *Layout
	// Budget is the time after which it settles for what it has; zero means that only the size of the network bounds the time.
	// With a budget that runs out, the result depends on the speed of the machine.
	Budget time.Duration
	// Aspect is the width that the picture should have for its height; zero means 1.5.
	Aspect float64
}

// Layout is a place for each domain of a snapshot. It never changes.
type Layout struct {
	names   []xep.Name
	x, y, r []float64
}

// Compute lays out a snapshot.
//
// It ends with the context's error, and no layout, when that is done before it is.
func Compute(ctx context.Context, s *graph.Snapshot, o Options) (*Layout, error) {
	if !(o.Aspect > 0.1 && o.Aspect < 10) {
		o.Aspect = 1.5
	}
	p := newPlan(s, o)
	if err := p.run(ctx); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	l := &Layout{
		names: make([]xep.Name, s.Len()),
		x:     make([]float64, s.Len()), y: make([]float64, s.Len()), r: make([]float64, s.Len()),
	}
	for i := range l.names {
		l.names[i] = s.NameAt(i)
		l.x[i], l.y[i], l.r[i] = p.x[i]*Spacing, p.y[i]*Spacing, p.r[i]*Spacing
	}
	return l, nil
}

// Len returns the number of domains.
func (l *Layout) Len() int { return len(l.names) }

// Place returns the centre and the radius of the disc of the domain at an index of the snapshot. The unit is that of [Spacing]; y points down.
func (l *Layout) Place(i int) (x, y, r float64) { return l.x[i], l.y[i], l.r[i] }

// Find returns the place of a domain by its name.
func (l *Layout) Find(name xep.Name) (x, y, r float64, ok bool) {
	i, ok := slices.BinarySearchFunc(l.names, name, xep.Name.Compare)
	if !ok {
		return 0, 0, 0, false
	}
	x, y, r = l.Place(i)
	return x, y, r, true
}

// Leaf returns the place of the k-th unnamed peer of the domain at an index, counted from zero.
func (l *Layout) Leaf(i, k int) (x, y float64) {
	dx, dy := Seed(k)
	return l.x[i] + dx, l.y[i] + dy
}

// Seed returns the place of the k-th unnamed peer relative to its domain, which is the same for every domain.
func Seed(k int) (x, y float64) {
	r, a := Spacing*math.Sqrt(float64(k)+hole), float64(k)*golden
	return r * math.Cos(a), r * math.Sin(a)
}

// radius returns the radius of a disc in the unit of the forces.
func radius(unnamed int) float64 {
	if unnamed <= 0 {
		return least
	}
	return math.Max(least, math.Sqrt(float64(unnamed)+hole)+rim)
}

// Bounds returns the rectangle round all discs, empty at the origin if there are none.
func (l *Layout) Bounds() (x0, y0, x1, y1 float64) {
	if len(l.x) == 0 {
		return 0, 0, 0, 0
	}
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := range l.x {
		x0, x1 = math.Min(x0, l.x[i]-l.r[i]), math.Max(x1, l.x[i]+l.r[i])
		y0, y1 = math.Min(y0, l.y[i]-l.r[i]), math.Max(y1, l.y[i]+l.r[i])
	}
	return x0, y0, x1, y1
}

// For returns the places of the domains of another snapshot, such as a view of the one that was laid out.
// It is false, and nil, if one of them has no place here: then there is [Compute] with this layout as the previous one.
func (l *Layout) For(s *graph.Snapshot) (*Layout, bool) {
	n := s.Len()
	out := &Layout{names: make([]xep.Name, n), x: make([]float64, n), y: make([]float64, n), r: make([]float64, n)}
	for i := range n {
		var ok bool
		out.names[i] = s.NameAt(i)
		if out.x[i], out.y[i], out.r[i], ok = l.Find(out.names[i]); !ok {
			return nil, false
		}
	}
	return out, true
}
