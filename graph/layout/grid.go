package layout

import (
	"math"
	"slices"
)

// grid finds discs near a place.
type grid struct {
	p     *plan
	cell  float64
	cells map[[2]int32][]int32
}

func newGrid(p *plan) *grid {
	g := &grid{p: p, cell: 1, cells: make(map[[2]int32][]int32)}
	if len(p.r) > 0 {
		// Half of the discs are smaller than a cell; the few that are much larger are in all the cells they touch.
		rs := slices.Clone(p.r)
		slices.Sort(rs)
		g.cell = 4 * rs[len(rs)/2]
	}
	return g
}

func (g *grid) span(x, y, r float64, visit func(key [2]int32) bool) bool {
	for cx := int32(math.Floor((x - r) / g.cell)); cx <= int32(math.Floor((x+r)/g.cell)); cx++ {
		for cy := int32(math.Floor((y - r) / g.cell)); cy <= int32(math.Floor((y+r)/g.cell)); cy++ {
			if !visit([2]int32{cx, cy}) {
				return false
			}
		}
	}
	return true
}

func (g *grid) add(i int) {
	g.span(g.p.x[i], g.p.y[i], g.p.r[i], func(key [2]int32) bool {
		g.cells[key] = append(g.cells[key], int32(i))
		return true
	})
}

// free reports whether a disc would overlap none that was added.
func (g *grid) free(x, y, r float64) bool {
	return g.span(x, y, r, func(key [2]int32) bool {
		for _, i := range g.cells[key] {
			if math.Hypot(g.p.x[i]-x, g.p.y[i]-y) < r+g.p.r[i] {
				return false
			}
		}
		return true
	})
}

// collider pushes discs apart. It sweeps along x, for which no size of disc is a bad case.
type collider struct {
	x, y, r []float64
	gap     float64
	order   []int32
	left    []float64
}

// push moves overlapping discs apart by a share of their overlap, the smaller one further, and returns how many pairs overlapped.
func (c *collider) push(share float64) int {
	if c.order == nil {
		c.order = make([]int32, len(c.x))
		for i := range c.order {
			c.order[i] = int32(i)
		}
		c.left = make([]float64, len(c.x))
	}
	for i := range c.x {
		c.left[i] = c.x[i] - c.r[i]
	}
	// From one pass to the next the order hardly changes, which suits insertion.
	insertionSort(c.order, c.left)
	hits := 0
	for k, i := range c.order {
		right := c.x[i] + c.r[i] + c.gap
		for _, j := range c.order[k+1:] {
			if c.left[j] > right {
				break
			}
			if c.apart(i, j, share) {
				hits++
			}
		}
	}
	return hits
}

func insertionSort(order []int32, key []float64) {
	moves := 0
	for k := 1; k < len(order); k++ {
		i := order[k]
		j := k
		for ; j > 0 && (key[order[j-1]] > key[i] || key[order[j-1]] == key[i] && order[j-1] > i); j-- {
			order[j] = order[j-1]
			moves++
		}
		order[j] = i
		if moves > 32*len(order) {
			slices.SortFunc(order, func(a, b int32) int {
				switch {
				case key[a] < key[b] || key[a] == key[b] && a < b:
					return -1
				case a == b:
					return 0
				}
				return 1
			})
			return
		}
	}
}

// slack is what rounding may make of a gap.
const slack = 1e-6

func (c *collider) apart(i, j int32, share float64) bool {
	dy := c.y[j] - c.y[i]
	want := c.r[i] + c.r[j] + c.gap
	if dy >= want || -dy >= want {
		return false
	}
	dx := c.x[j] - c.x[i]
	d2 := dx*dx + dy*dy
	if d2 >= (want-slack)*(want-slack) {
		return false
	}
	d := math.Sqrt(d2)
	if d < 1e-6 {
		// Two on one spot part in a direction of their own.
		a := float64(i)*golden + float64(j)
		dx, dy, d = math.Cos(a), math.Sin(a), 1
	}
	if share == 0 {
		return true
	}
	move := (want - d) / d * share
	mi, mj := c.r[i]*c.r[i], c.r[j]*c.r[j]
	wi := mj / (mi + mj)
	c.x[i] -= dx * move * wi
	c.y[i] -= dy * move * wi
	c.x[j] += dx * move * (1 - wi)
	c.y[j] += dy * move * (1 - wi)
	return true
}
