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
