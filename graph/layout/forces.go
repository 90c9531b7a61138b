package layout

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// forces lays out one connected part.
//
// It works on arrays of its own, in which the part's domains are numbered without gaps.
type forces struct {
	p      *plan
	ids    []int
	warm   bool
	x, y   []float64
	vx, vy []float64
	r      []float64
	degree []float64
	homeX  []float64 // where a known domain was
	homeY  []float64
	known  []bool
	edges  [][2]int32
	lean   float64 // how much stronger gravity is from above and below
	tree   tree
	hit    collider
}

func newForces(p *plan, ids []int, warm bool) *forces {
	n := len(ids)
	f := &forces{
		p: p, ids: ids, warm: warm, lean: p.o.Aspect,
		x: make([]float64, n), y: make([]float64, n), vx: make([]float64, n), vy: make([]float64, n),
		r: make([]float64, n), degree: make([]float64, n), known: make([]bool, n),
	}
	number := make(map[int]int32, n)
	for k, i := range ids {
		number[i] = int32(k)
		f.r[k] = p.r[i]
		f.known[k] = warm && p.known[i]
		f.x[k], f.y[k] = p.x[i], p.y[i]
	}
	for k, i := range ids {
		for _, j := range p.s.Neighbors(i) {
			f.degree[k]++
			if int(j) > i {
				f.edges = append(f.edges, [2]int32{int32(k), number[int(j)]})
			}
		}
	}
	if warm {
		f.join()
	} else {
		f.scatter()
	}
	f.homeX, f.homeY = slices.Clone(f.x), slices.Clone(f.y)
	f.hit = collider{x: f.x, y: f.y, r: f.r, gap: gap}
	return f
}

// scatter starts with a sunflower, the best connected in the middle, with room according to size.
func (f *forces) scatter() {
	order := make([]int, len(f.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(f.degree[b], f.degree[a]) })
	turn := f.p.rnd.Float64() * 2 * math.Pi
	area := 0.0
	for k, i := range order {
		area += f.r[i] * f.r[i]
		d, a := math.Sqrt(area/0.3), turn+float64(k)*golden
		f.x[i], f.y[i] = d*math.Cos(a), d*math.Sin(a)
	}
}

// join puts newcomers next to those they are linked to, round by round.
func (f *forces) join() {
	placed := slices.Clone(f.known)
	for range 8 {
		sx, sy, n := make([]float64, len(f.x)), make([]float64, len(f.x)), make([]float64, len(f.x))
		for _, e := range f.edges {
			for _, d := range [...][2]int32{e, {e[1], e[0]}} {
				if placed[d[0]] && !placed[d[1]] {
					sx[d[1]] += f.x[d[0]]
					sy[d[1]] += f.y[d[0]]
					n[d[1]]++
				}
			}
		}
		for i := range n {
			if n[i] > 0 {
				a := f.p.rnd.Float64() * 2 * math.Pi
				f.x[i], f.y[i] = sx[i]/n[i]+2*math.Cos(a), sy[i]/n[i]+2*math.Sin(a)
				placed[i] = true
			}
		}
	}
	for i := range placed {
		if !placed[i] {
			a := f.p.rnd.Float64() * 2 * math.Pi
			f.x[i], f.y[i] = 10*math.Cos(a), 10*math.Sin(a)
		}
	}
}

// rounds bounds the time by the size: about as many steps for a small network as one can see the use of, and fewer for large ones.
func (f *forces) rounds() int {
	n := len(f.ids)
	most := 320
	if f.warm {
		most = 60
	}
	return max(min(most, 2_000_000/max(n, 1)), 24)
}

func (f *forces) run(ctx context.Context) error {
	n := len(f.ids)
	if n == 1 {
		f.x[0], f.y[0] = 0, 0
		if f.known[0] {
			f.x[0], f.y[0] = f.homeX[0], f.homeY[0]
		}
		return ctx.Err()
	}
	rounds := f.rounds()
	alpha := 1.0
	if f.warm {
		alpha = 0.15
	}
	decay := math.Pow(0.002/alpha, 1/float64(rounds))
	for range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.p.late() {
			return nil
		}
		alpha *= decay
		f.pull(alpha)
		f.repel(alpha)
		f.move(alpha)
		f.hit.push(0.5)
	}
	return nil
}

// pull draws linked domains together, until their discs are a little apart.
func (f *forces) pull(alpha float64) {
	free := f.freeLength()
	for _, e := range f.edges {
		a, b := e[0], e[1]
		dx, dy := f.x[b]-f.x[a], f.y[b]-f.y[a]
		d := math.Hypot(dx, dy)
		if d < 1e-6 {
			continue // the collision deals with it
		}
		want := f.r[a] + f.r[b] + free
		strength := 0.6 / math.Min(f.degree[a], f.degree[b])
		if d < want {
			strength *= 0.2
		}
		k := (d - want) / d * alpha * strength
		// The better connected one moves less.
		share := f.degree[b] / (f.degree[a] + f.degree[b])
		f.vx[a] += dx * k * share
		f.vy[a] += dy * k * share
		f.vx[b] -= dx * k * (1 - share)
		f.vy[b] -= dy * k * (1 - share)
	}
}

// freeLength is how long a link would like to be between the discs.
func (f *forces) freeLength() float64 {
	area := 0.0
	for _, r := range f.r {
		area += r * r
	}
	return 0.25 * math.Sqrt(area) / math.Sqrt(math.Sqrt(float64(len(f.r))))
}

// repel pushes all domains apart, far ones as groups (Barnes and Hut).
func (f *forces) repel(alpha float64) {
	f.tree.build(f.x, f.y, f.r)
	for i := range f.x {
		fx, fy := f.tree.force(int32(i), f.x[i], f.y[i])
		f.vx[i] += fx * alpha * 6
		f.vy[i] += fy * alpha * 6
	}
}

// move lets the domains go where they are drawn to, with a weak pull to the middle so that none is lost.
func (f *forces) move(alpha float64) {
	gx, gy := f.gravity()
	size := 40 * math.Sqrt(float64(len(f.x)))
	for i := range f.x {
		if f.known[i] {
			// A domain that stays is drawn to its old place more than to anything else.
			f.vx[i] += (f.homeX[i] - f.x[i]) * 0.5
			f.vy[i] += (f.homeY[i] - f.y[i]) * 0.5
		} else {
			f.vx[i] -= gx * alpha * f.x[i]
			f.vy[i] -= gy * alpha * f.y[i]
		}
		f.vx[i], f.vy[i] = clamp(f.vx[i]*0.6, size), clamp(f.vy[i]*0.6, size)
		f.x[i], f.y[i] = f.x[i]+f.vx[i], f.y[i]+f.vy[i]
	}
}

// gravity pulls more in the direction in which the picture is too long for the shape that it should have.
func (f *forces) gravity() (gx, gy float64) {
	const strength = 0.05
	x0, y0, x1, y1 := f.bounds()
	now := (x1 - x0) / math.Max(y1-y0, 1)
	f.lean = max(0.1, min(10, f.lean*math.Pow(f.p.o.Aspect/now, 0.15)))
	return strength / f.lean, strength * f.lean
}

// clamp bounds a speed, and turns what isn't a number into standing still.
func clamp(v, most float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return max(-most, min(most, v))
}

// centre moves the middle of the rectangle round the part to the origin.
func (f *forces) centre() {
	x0, y0, x1, y1 := f.bounds()
	for i := range f.x {
		f.x[i] -= (x0 + x1) / 2
		f.y[i] -= (y0 + y1) / 2
	}
}

// bounds is the rectangle round the discs.
func (f *forces) bounds() (x0, y0, x1, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := range f.x {
		x0, x1 = math.Min(x0, f.x[i]-f.r[i]), math.Max(x1, f.x[i]+f.r[i])
		y0, y1 = math.Min(y0, f.y[i]-f.r[i]), math.Max(y1, f.y[i]+f.r[i])
	}
	return x0, y0, x1, y1
}

func (f *forces) store() {
	for k, i := range f.ids {
		f.p.x[i], f.p.y[i] = f.x[k], f.y[k]
	}
}
