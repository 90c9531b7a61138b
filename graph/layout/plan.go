package layout

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
)

// plan is a layout in the making.
type plan struct {
	s       *graph.Snapshot
	o       Options
	rnd     *rand.Rand
	stop    time.Time
	x, y, r []float64
	known   []bool // was in the previous layout, and so has a place already
	placed  []bool // has its final place, up to small shifts
	parts   [][]int
}

func newPlan(s *graph.Snapshot, o Options) *plan {
	n := s.Len()
	p := &plan{
		s: s, o: o, rnd: rand.New(rand.NewPCG(o.Seed, 0x5eed)),
		x: make([]float64, n), y: make([]float64, n), r: make([]float64, n),
		known: make([]bool, n), placed: make([]bool, n),
	}
	if o.Budget > 0 {
		p.stop = time.Now().Add(o.Budget)
	}
	for i := range n {
		p.r[i] = radius(s.UnnamedAt(i))
		if o.Previous == nil {
			continue
		}
		if x, y, _, ok := o.Previous.Find(s.NameAt(i)); ok && finite(x) && finite(y) {
			p.x[i], p.y[i], p.known[i] = x/Spacing, y/Spacing, true
		}
	}
	of, sizes := s.Components()
	p.parts = make([][]int, len(sizes))
	for i, c := range of {
		p.parts[c] = append(p.parts[c], i)
	}
	return p
}

// finite reports whether a coordinate can be reckoned with.
func finite(v float64) bool { return math.Abs(v) < 1e9 }

// late reports whether the budget is used up.
func (p *plan) late() bool { return !p.stop.IsZero() && time.Now().After(p.stop) }

func (p *plan) run(ctx context.Context) error {
	if len(p.parts) == 0 {
		return ctx.Err()
	}
	// The largest part stands in the middle, and each of the others as one disc around it.
	for k, part := range p.parts {
		warm := p.warm(part)
		if k > 0 && warm == len(part) {
			p.settle(part)
			continue
		}
		f := newForces(p, part, warm*2 > len(part))
		if err := f.run(ctx); err != nil {
			return err
		}
		if k == 0 {
			if !f.warm {
				f.centre()
			}
			f.store()
			p.settle(part)
			continue
		}
		f.centre()
		f.store()
	}
	if err := p.pack(ctx); err != nil {
		return err
	}
	return p.separate(ctx)
}

// warm counts the domains that have a place already.
func (p *plan) warm(part []int) int {
	n := 0
	for _, i := range part {
		if p.known[i] {
			n++
		}
	}
	return n
}

func (p *plan) settle(part []int) {
	for _, i := range part {
		p.placed[i] = true
	}
}

// gap is the room between discs.
const gap = 1.6

// pack finds places for the parts that have none, on a spiral round the middle, the large ones first.
func (p *plan) pack(ctx context.Context) error {
	g := newGrid(p)
	for i, done := range p.placed {
		if done {
			g.add(i)
		}
	}
	// Lone domains keep a distance, lest they seem to belong to what they stand next to.
	const distance = 4
	half := p.halfHeight()
	next := map[int]float64{}
	for _, part := range p.parts {
		if p.placed[part[0]] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		reach := p.reach(part) + distance
		// Parts of about one size go on where the last of them was, in steps of about their size, so that packing stays linear.
		class := int(2 * math.Log2(reach))
		step := math.Max(1, math.Exp2(float64(class)/2)/4)
		at := math.Max(math.Pow(0.7*half/step, 2), next[class])
		for ; ; at++ {
			x, y := p.o.Aspect*step*math.Sqrt(at)*math.Cos(at*golden), step*math.Sqrt(at)*math.Sin(at*golden)
			if g.free(x, y, reach) {
				for _, i := range part {
					p.x[i], p.y[i] = p.x[i]+x, p.y[i]+y
					g.add(i)
				}
				break
			}
		}
		next[class] = at - math.Sqrt(at)
		p.settle(part)
	}
	return nil
}

// halfHeight is half the height that the placed discs take up, for a picture of the wanted shape.
func (p *plan) halfHeight() float64 {
	var w, h float64
	for i, done := range p.placed {
		if done {
			w, h = math.Max(w, math.Abs(p.x[i])+p.r[i]), math.Max(h, math.Abs(p.y[i])+p.r[i])
		}
	}
	return math.Min(w/p.o.Aspect, h)
}

// reach is the radius of a part round the origin.
func (p *plan) reach(part []int) float64 {
	var reach float64
	for _, i := range part {
		reach = math.Max(reach, math.Hypot(p.x[i], p.y[i])+p.r[i])
	}
	return reach
}

// separate takes care that no two discs overlap, whatever came before.
func (p *plan) separate(ctx context.Context) error {
	all := make([]int, len(p.x))
	for i := range all {
		all[i] = i
	}
	c := collider{x: p.x, y: p.y, r: p.r, gap: gap}
	for pass := range 400 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.push(1) == 0 {
			return nil
		}
		if pass >= 60 && pass%4 == 0 {
			// Where pushing goes round in circles, more room helps, and enough of it always does.
			for i := range p.x {
				p.x[i], p.y[i] = p.x[i]*1.03, p.y[i]*1.03
			}
		}
	}
	for !slices.ContainsFunc(all, func(i int) bool { return !finite(p.x[i] * 2) }) && c.push(0) > 0 {
		for i := range p.x {
			p.x[i], p.y[i] = p.x[i]*1.1, p.y[i]*1.1
		}
	}
	return nil
}
