package layout

import (
	"math"
	"slices"
)

// collider pushes discs apart. It sweeps along x, for which no size of disc is a bad case; where there are many, along x in one strip after the other.
type collider struct {
	x, y, r []float64
	gap     float64
	order   []int32
	left    []float64
	strips  strips
}

// manyDiscs is how many discs are worth the strips.
const manyDiscs = 10_000

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
	if len(c.order) >= manyDiscs && c.sort() {
		return c.pushInStrips(share)
	}
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

// strips are the discs by the strips along x that they reach into, in each by their left ends.
type strips struct {
	first, last []int32 // of each disc
	off, discs  []int32 // the discs of strip s are discs[off[s]:off[s+1]]
}

// pushInStrips is push for many discs. All that overlap when it begins share a strip.
func (c *collider) pushInStrips(share float64) (hits int) {
	s := &c.strips
	for strip := range int32(len(s.off) - 1) {
		all := s.discs[s.off[strip]:s.off[strip+1]]
		for k, i := range all {
			right := c.x[i] + c.r[i] + c.gap
			for _, j := range all[k+1:] {
				if c.left[j] > right {
					break
				}
				// Two that share several strips meet in the first of them.
				if strip == max(s.first[i], s.first[j]) && c.apart(i, j, share) {
					hits++
				}
			}
		}
	}
	return hits
}

// sort finds the strips of the discs. It is false where some are too far apart to be reckoned with.
func (c *collider) sort() bool {
	s := &c.strips
	n := len(c.order)
	if s.first == nil {
		s.first, s.last = make([]int32, n), make([]int32, n)
	}
	y0, y1, reach := math.Inf(1), math.Inf(-1), 0.0
	for i, y := range c.y {
		y0, y1 = math.Min(y0, y-c.r[i]), math.Max(y1, y+c.r[i])
		reach += c.r[i] + c.gap/2
	}
	// Twice as high as discs are on average, and no more of them than discs, however far apart those are.
	height := math.Max(4*reach/float64(n), (y1-y0+c.gap)/float64(n))
	if !finite(height) {
		return false
	}
	at := func(y float64) int32 { return int32(max(0, min(float64(n), (y-y0)/height))) }
	s.off = slices.Grow(s.off[:0], n+2)[:at(y1+c.gap)+2]
	clear(s.off)
	for i, y := range c.y {
		s.first[i], s.last[i] = at(y-c.r[i]-c.gap/2), at(y+c.r[i]+c.gap/2)
		for k := s.first[i]; k <= s.last[i]; k++ {
			s.off[k+1]++
		}
	}
	for k := range len(s.off) - 1 {
		s.off[k+1] += s.off[k]
	}
	s.discs = slices.Grow(s.discs[:0], int(s.off[len(s.off)-1]))[:s.off[len(s.off)-1]]
	for _, i := range c.order {
		for k := s.first[i]; k <= s.last[i]; k++ {
			s.discs[s.off[k]] = i
			s.off[k]++
		}
	}
	// Each strip begins where the one before it has ended by now.
	copy(s.off[1:], s.off)
	s.off[0] = 0
	return true
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
