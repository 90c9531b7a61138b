package web

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxDots bounds the unnamed links that are drawn as dots; beyond, a disc has fewer dots than links.
const maxDots = 8000

// maxDrawn bounds the domains that get a link and a label of their own in the picture.
const maxDrawn = 1500

// picture is the drawing in the terms of SVG.
type picture struct {
	ViewBox string
	// Dots, Mutual, OneSided and Lit are path data, and Dot is the size of a dot.
	Dots, Mutual, OneSided, Lit, Dot string
	// Fade is the opacity of links, which falls with their number so that many don't become a carpet.
	Fade  string
	Nodes []pictureNode
}

// pictureNode is a domain in the drawing.
type pictureNode struct {
	Name xep.Name
	Tip  string
	// X, Y and R are the dot, and TY is the base line of the label.
	X, Y, R, TY string
	// Class says on which screens the label has room, and whether a focus leaves it in the dark.
	Class string
}

// size of the drawing in its own units; labels are drawn at fontSize of these, and at phoneFont on narrow screens.
const (
	pictureSize = 1000.0
	fontSize    = 13.0
	phoneFont   = 30.0
	bigFont     = 17.0
	// maxBig is how many of the largest domains get a large label.
	maxBig = 10
)

// drawing is the work on one picture.
type drawing struct {
	snap  *graph.Snapshot
	at    *layout.Layout
	scale float64
	dx    float64
	dy    float64
	w, h  float64
	focus int // index, -1 for none
	near  map[int]bool
}

func newPicture(snap *graph.Snapshot, at *layout.Layout, focus int) *picture {
	d := &drawing{snap: snap, at: at, focus: focus, near: make(map[int]bool)}
	if snap.Len() == 0 {
		return nil
	}
	d.fit()
	if focus >= 0 {
		d.near[focus] = true
		for _, j := range snap.Neighbors(focus) {
			d.near[int(j)] = true
		}
	}
	p := &picture{
		ViewBox: "0 0 " + num(d.w) + " " + num(d.h),
		Dots:    d.dots(),
		Dot:     num(max(2.2, min(4, layout.Spacing*d.scale*0.8))),
		Fade:    num2(max(0.05, min(0.5, 8/math.Sqrt(float64(snap.Counts().Links)+16)))),
	}
	p.Mutual, p.OneSided, p.Lit = d.links()
	p.Nodes = d.nodes()
	return p
}

// fit finds the scale and shift that bring everything into the drawing with room for labels at the rim.
func (d *drawing) fit() {
	const margin = 40
	minX, minY, maxX, maxY := d.at.Bounds()
	span := max(maxX-minX, maxY-minY, 1e-9)
	d.scale = (pictureSize - 2*margin) / span
	if d.snap.Len() < 12 {
		// A few domains need not fill the screen.
		d.scale *= 0.7
	}
	d.w = max((maxX-minX)*d.scale+2*margin, 320)
	d.h = max((maxY-minY)*d.scale+2*margin, 240)
	d.dx = d.w/2 - (minX+maxX)/2*d.scale
	d.dy = d.h/2 - (minY+maxY)/2*d.scale
}

func (d *drawing) point(x, y float64) (float64, float64) {
	return x*d.scale + d.dx, y*d.scale + d.dy
}

// dots draws all unnamed links as one path of points, which is far smaller than an element for each.
func (d *drawing) dots() string {
	total := 0
	for i := range d.snap.Len() {
		total += d.snap.UnnamedAt(i)
	}
	keep := min(1, maxDots/float64(max(total, 1)))
	b := make([]byte, 0, 12*min(total, maxDots))
	for i := range d.snap.Len() {
		for k := range int(math.Ceil(float64(d.snap.UnnamedAt(i)) * keep)) {
			x, y := d.point(d.at.Leaf(i, k))
			b = appendPoint(b, 'M', x, y)
			b = append(b, "h0"...)
		}
	}
	return string(b)
}

func (d *drawing) links() (mutual, oneSided, lit string) {
	var m, o, l []byte
	for link := range d.snap.Links() {
		to := &o
		switch {
		case link.I == d.focus || link.J == d.focus:
			to = &l
		case link.State == graph.StateMutual:
			to = &m
		}
		x, y, _ := d.at.Place(link.I)
		x, y = d.point(x, y)
		*to = appendPoint(*to, 'M', x, y)
		x, y, _ = d.at.Place(link.J)
		x, y = d.point(x, y)
		*to = appendPoint(*to, 'L', x, y)
	}
	return string(m), string(o), string(l)
}

// nodes returns the domains, the most important last so that they are drawn on top.
func (d *drawing) nodes() []pictureNode {
	order := make([]int, d.snap.Len())
	weight := make([]int, d.snap.Len())
	for i := range order {
		order[i] = i
		weight[i] = 3*len(d.snap.Neighbors(i)) + d.snap.UnnamedAt(i)
		if d.near[i] {
			weight[i] += 1 << 24
		}
		if i == d.focus {
			weight[i] += 1 << 25
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(weight[b]-weight[a], a-b) })
	order = order[:min(len(order), maxDrawn)]

	wide, narrow := new(labels), new(labels)
	for _, i := range order {
		x, y, _ := d.at.Place(i)
		x, y = d.point(x, y)
		// On a phone there is hardly room between the dots, so there labels may cover them.
		wide.keepFree(x, y, d.radius(i))
	}
	// Large labels are for those that stand out; among equals there are none.
	typical := weight[order[len(order)/2]]
	nodes := make([]pictureNode, 0, len(order))
	for k, i := range order {
		nodes = append(nodes, d.node(i, k < maxBig && weight[i] > 2*typical, wide, narrow))
	}
	slices.Reverse(nodes)
	return nodes
}

// radius is the size of a domain's dot, which grows with its links.
func (d *drawing) radius(i int) float64 {
	return 3.5 + math.Min(6, math.Sqrt(float64(len(d.snap.Neighbors(i))))*0.6)
}

func (d *drawing) node(i int, big bool, wide, narrow *labels) pictureNode {
	dom := d.snap.DomainAt(i)
	x, y, _ := d.at.Place(i)
	x, y = d.point(x, y)
	r := d.radius(i)
	n := pictureNode{
		Name: dom.Name,
		Tip:  dom.Name.Unicode() + ": " + plural(dom.Degree, "link", "links") + ", " + plural(dom.Unnamed, "unnamed", "unnamed"),
		X:    num(x), Y: num(y), R: num(r),
		Class: "n",
	}
	font := fontSize
	if big {
		n.Class, font = n.Class+" big", bigFont
	}
	// Above the dot, or else below it.
	above, below := y-r-font*0.3, y+r+font*0.95
	ty := above
	if d.focus < 0 || d.near[i] {
		switch text := n.Name.Unicode(); {
		case wide.place(text, font, x, above, d.w, d.h, big):
			n.Class += " w"
		case wide.place(text, font, x, below, d.w, d.h, big):
			n.Class, ty = n.Class+" w", below
		}
		if narrow.place(n.Name.Unicode(), phoneFont, x, ty, d.w, d.h, true) {
			n.Class += " p"
		}
	} else {
		n.Class += " dim"
	}
	n.TY = num(ty)
	if i == d.focus {
		n.Class += " here"
	}
	return n
}

// labels places labels where they overlap no other, first come first served.
type labels struct {
	labels []box
	dots   []box
}

type box struct{ x0, y0, x1, y1 float64 }

func (b box) hits(others []box) bool {
	for _, o := range others {
		if b.x0 < o.x1 && o.x0 < b.x1 && b.y0 < o.y1 && o.y0 < b.y1 {
			return true
		}
	}
	return false
}

// keepFree asks for a dot not to be covered.
func (l *labels) keepFree(x, y, r float64) {
	l.dots = append(l.dots, box{x - r, y - r, x + r, y + r})
}

// place takes the room of a label that is centred on x with its base line at y, if nobody has it and it stays in the drawing.
func (l *labels) place(text string, font, x, y, width, height float64, overDots bool) bool {
	w := float64(utf8.RuneCountInString(text)) * font * 0.58
	b := box{x - w/2, y - font*0.8, x + w/2, y + font*0.22}
	if b.x0 < 0 || b.x1 > width || b.y0 < 0 || b.y1 > height || b.hits(l.labels) || !overDots && b.hits(l.dots) {
		return false
	}
	l.labels = append(l.labels, b)
	return true
}

func appendPoint(b []byte, op byte, x, y float64) []byte {
	b = append(b, op)
	b = strconv.AppendFloat(b, math.Round(x*10)/10, 'f', -1, 64)
	b = append(b, ' ')
	return strconv.AppendFloat(b, math.Round(y*10)/10, 'f', -1, 64)
}

func num(f float64) string  { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }
func num2(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
