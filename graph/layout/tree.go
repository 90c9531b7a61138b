package layout

import "math"

// tree is a quadtree of masses.
//
// It is made of arrays that are used again each round, its depth is bounded, and bodies on one spot share a leaf:
// no input makes it recurse without end.
type tree struct {
	x, y, mass []float64
	cells      []cell
	next       []int32 // the next body in the same leaf, less one
	stack      []int32
}

type cell struct {
	cx, cy, mass float64 // centre of mass, and mass
	x, y, half   float64 // the square
	child        [4]int32
	body         int32 // first body of a leaf, less one
	inner        bool
}

const maxDepth = 32

func (t *tree) build(x, y, mass []float64) {
	t.x, t.y, t.mass = x, y, mass
	t.cells = t.cells[:0]
	if len(t.next) < len(x) {
		t.next = make([]int32, len(x))
	}
	x0, y0, x1, y1 := x[0], y[0], x[0], y[0]
	for i := range x {
		x0, x1 = math.Min(x0, x[i]), math.Max(x1, x[i])
		y0, y1 = math.Min(y0, y[i]), math.Max(y1, y[i])
	}
	half := math.Max(math.Max(x1-x0, y1-y0)/2, 1)
	t.cells = append(t.cells, cell{x: (x0 + x1) / 2, y: (y0 + y1) / 2, half: half})
	for i := range x {
		t.insert(int32(i))
	}
	t.weigh()
}

func (t *tree) insert(i int32) {
	at := int32(0)
	for depth := 0; ; depth++ {
		c := &t.cells[at]
		if !c.inner {
			if c.body == 0 || depth >= maxDepth {
				t.next[i] = c.body
				c.body = i + 1
				return
			}
			t.split(at)
		}
		at = t.childFor(at, i)
	}
}

// split makes a leaf an inner cell, and hands its body down.
func (t *tree) split(at int32) {
	body := t.cells[at].body - 1
	t.cells[at].body, t.cells[at].inner = 0, true
	down := t.childFor(at, body)
	t.next[body] = 0
	t.cells[down].body = body + 1
}

func (t *tree) childFor(at, i int32) int32 {
	c := &t.cells[at]
	q, h := 0, c.half/2
	x, y := c.x-h, c.y-h
	if t.x[i] >= c.x {
		q, x = 1, c.x+h
	}
	if t.y[i] >= c.y {
		q, y = q|2, c.y+h
	}
	if c.child[q] == 0 {
		t.cells = append(t.cells, cell{x: x, y: y, half: h})
		t.cells[at].child[q] = int32(len(t.cells) - 1)
	}
	return t.cells[at].child[q]
}

// weigh goes from the last cell to the first, because children always come after their parents.
func (t *tree) weigh() {
	for k := len(t.cells) - 1; k >= 0; k-- {
		c := &t.cells[k]
		add := func(x, y, m float64) {
			c.cx, c.cy, c.mass = c.cx+x*m, c.cy+y*m, c.mass+m
		}
		for b := c.body; b != 0; b = t.next[b-1] {
			add(t.x[b-1], t.y[b-1], t.mass[b-1])
		}
		for _, d := range c.child {
			if d != 0 {
				add(t.cells[d].cx, t.cells[d].cy, t.cells[d].mass)
			}
		}
		if c.mass > 0 {
			c.cx, c.cy = c.cx/c.mass, c.cy/c.mass
		}
	}
}

// force returns the push on one body at a place: that of each mass falls with the distance.
func (t *tree) force(self int32, x, y float64) (fx, fy float64) {
	const theta2 = 0.9 * 0.9
	push := func(cx, cy, m float64) {
		dx, dy := x-cx, y-cy
		d2 := math.Max(dx*dx+dy*dy, 1)
		fx += dx * m / d2
		fy += dy * m / d2
	}
	t.stack = append(t.stack[:0], 0)
	for len(t.stack) > 0 {
		c := &t.cells[t.stack[len(t.stack)-1]]
		t.stack = t.stack[:len(t.stack)-1]
		dx, dy := x-c.cx, y-c.cy
		if c.inner && 4*c.half*c.half < theta2*(dx*dx+dy*dy) {
			push(c.cx, c.cy, c.mass)
			continue
		}
		for b := c.body; b != 0; b = t.next[b-1] {
			if b-1 != self {
				push(t.x[b-1], t.y[b-1], t.mass[b-1])
			}
		}
		for _, d := range c.child {
			if d != 0 {
				t.stack = append(t.stack, d)
			}
		}
	}
	return fx, fy
}
