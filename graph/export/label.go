package export

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"
)

// box is a rectangle that a label takes up.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) overlaps(c box) bool {
	return b.x0 < c.x1 && c.x0 < b.x1 && b.y0 < c.y1 && c.y0 < b.y1
}

// textWidth estimates the width of a text in a common sans-serif face. It is on the large side.
func textWidth(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		switch {
		case r >= 0x1100:
			w += 1
		case r == 'i' || r == 'l' || r == 'j' || r == '.' || r == ',' || r == '|' || r == '\'' || r == ' ' || r == 't' || r == 'f' || r == 'r':
			w += 0.34
		case r == 'm' || r == 'w' || r == 'W' || r == 'M':
			w += 0.86
		default:
			w += 0.57
		}
	}
	return w * size
}

// mostLabels is the number of names above which a picture would be a page of text.
const mostLabels = 180

// longestLabel is the number of characters of a name that a picture shows.
const longestLabel = 32

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= longestLabel {
		return s
	}
	r := []rune(s)
	return string(r[:longestLabel-1]) + "…"
}

// labels writes the names that find room, the large domains first.
func (d *drawing) labels() {
	order := make([]*disc, len(d.discs))
	for k := range d.discs {
		order[k] = &d.discs[k]
	}
	slices.SortStableFunc(order, func(a, b *disc) int {
		return cmp.Or(cmp.Compare(b.r, a.r), cmp.Compare(b.degree, a.degree), cmp.Compare(a.i, b.i))
	})
	taken := newBoxes(40 * d.unit)
	// In a large network no label would find room between all those marks, so it may cover the small ones.
	for _, c := range order[:min(len(order), fewDomains/2)] {
		r := d.markRadius(c) + 0.5
		taken.add(box{c.x - r, c.y - r, c.x + r, c.y + r})
	}
	for left := mostLabels; len(order) > 0 && left > 0; order = order[1:] {
		c := order[0]
		text := shorten(d.n.s.NameAt(c.i).Unicode())
		size := d.labelSize(c)
		b, ok := d.room(c, text, size, taken)
		if !ok {
			continue
		}
		left--
		taken.add(b)
		d.s(`<text x="`).f((b.x0 + b.x1) / 2).s(`" y="`).f(b.y1 - 0.26*size).s(`" font-size="`).f(size).s(`" stroke-width="`).f(0.24 * size).s(`">`).x(text).s("</text>\n")
		if !d.check() {
			return
		}
	}
}

func (d *drawing) labelSize(c *disc) float64 {
	return d.unit*7.6 + math.Min(0.085*c.r, 9*d.unit)
}

// room finds a place for a label: above its mark, below, or beside it; first where no other disc is in the way.
func (d *drawing) room(c *disc, text string, size float64, taken *boxes) (box, bool) {
	w, h := textWidth(text, size)+0.3*size, 1.12*size
	m := d.markRadius(c) + 0.12*size
	places := [...]box{
		{c.x - w/2, c.y - m - h, c.x + w/2, c.y - m},
		{c.x - w/2, c.y + m, c.x + w/2, c.y + m + h},
		{c.x + m, c.y - h/2, c.x + m + w, c.y + h/2},
		{c.x - m - w, c.y - h/2, c.x - m, c.y + h/2},
	}
	for _, b := range places {
		if b.x0 >= d.x0-margin*d.unit && b.x1 <= d.x1+margin*d.unit && b.y0 >= d.y0-margin*d.unit && b.y1 <= d.y1+margin*d.unit && taken.free(b) {
			return b, true
		}
	}
	return box{}, false
}

// boxes finds overlaps in a grid.
type boxes struct {
	cell  float64
	cells map[[2]int32][]box
}

func newBoxes(cell float64) *boxes { return &boxes{cell, make(map[[2]int32][]box)} }

func (g *boxes) each(b box, visit func(key [2]int32) bool) bool {
	for x := int32(math.Floor(b.x0 / g.cell)); x <= int32(math.Floor(b.x1/g.cell)); x++ {
		for y := int32(math.Floor(b.y0 / g.cell)); y <= int32(math.Floor(b.y1/g.cell)); y++ {
			if !visit([2]int32{x, y}) {
				return false
			}
		}
	}
	return true
}

func (g *boxes) add(b box) {
	g.each(b, func(key [2]int32) bool {
		g.cells[key] = append(g.cells[key], b)
		return true
	})
}

func (g *boxes) free(b box) bool {
	return g.each(b, func(key [2]int32) bool {
		return !slices.ContainsFunc(g.cells[key], b.overlaps)
	})
}
