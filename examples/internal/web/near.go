package web

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Sizes of the drawing of a neighbourhood, in its own units, which are pixels on a wide screen.
const (
	nearRadius = 105.0 // of the ring of neighbours
	nearRoom   = 140.0 // for labels beside it
	nearTop    = 30.0  // for labels above and below it
	nearLabel  = 20    // characters of a label that have room
	nearTurned = 17    // the same for labels that point outwards
	// maxNear bounds the neighbours that are drawn: the others are in the list.
	maxNear = 40
	// maxNearDots bounds the unnamed links that are drawn round the middle.
	maxNearDots = 400
	// nearDots is the radius that they have at most.
	nearDots = 62.0
	// turnFrom is the number of neighbours from which labels point outwards, because side by side they would overlap.
	turnFrom = 18
)

// near is the drawing of a domain with its neighbours in a ring round it.
type near struct {
	ViewBox, Label string
	// Mutual, OneSided, Chords and Dots are path data.
	Mutual, OneSided, Chords, Dots string
	X, Y                           string
	// Fade is the opacity of chords, which falls with their number so that many don't become a carpet.
	Fade  string
	Nodes []nearNode
	More  int // neighbours that are not drawn
}

// nearNode is a neighbour.
type nearNode struct {
	Name            xep.Name
	Text, Tip       string
	Reporting       bool
	X, Y, R, TX, TY string
	Anchor, Turn    string
	x, y            float64
}

// newNear draws the neighbourhood of a domain, nil where there is nothing to draw.
func newNear(snap *graph.Snapshot, i int) *near {
	type spoke struct {
		j, weight int
		mutual    bool
	}
	var spokes []spoke
	for l := range snap.LinksAt(i) {
		j := l.I + l.J - i
		spokes = append(spokes, spoke{j, len(snap.Neighbors(j)), l.State == graph.StateMutual})
	}
	if len(spokes) == 0 && snap.UnnamedAt(i) == 0 {
		return nil
	}
	slices.SortFunc(spokes, func(a, b spoke) int { return cmp.Or(b.weight-a.weight, a.j-b.j) })
	n := &near{Label: "Drawing of " + snap.NameAt(i).Unicode() + " with its neighbours. The list below holds the same."}
	if len(spokes) > maxNear {
		n.More = len(spokes) - maxNear
		spokes = spokes[:maxNear]
	}
	// Those that report stand together, and mutual links with them, so that the ring reads as groups.
	slices.SortFunc(spokes, func(a, b spoke) int { return cmp.Or(boolCompare(b.mutual, a.mutual), a.j-b.j) })

	turned := len(spokes) >= turnFrom
	// A few neighbours stand side by side, and need no more height than the disc between them.
	height := nearDots + nearTop
	switch {
	case turned:
		height = nearRadius + nearRoom
	case len(spokes) > 2:
		height = nearRadius + nearTop
	}
	cx, cy := nearRadius+nearRoom, height
	n.ViewBox = "0 0 " + num(2*cx) + " " + num(2*cy)
	n.X, n.Y = num(cx), num(cy)
	var mutual, one []byte
	for k, s := range spokes {
		angle := 2*math.Pi*(float64(k)+0.5)/float64(max(2, len(spokes))) - math.Pi/2
		node := nearNodeAt(snap, s.j, cx, cy, angle, turned)
		n.Nodes = append(n.Nodes, node)
		to := &one
		if s.mutual {
			to = &mutual
		}
		*to = appendPoint(appendPoint(*to, 'M', cx, cy), 'L', node.x, node.y)
	}
	ring := make([]int, len(spokes))
	for k, s := range spokes {
		ring[k] = s.j
	}
	n.Mutual, n.OneSided = string(mutual), string(one)
	var chords int
	n.Chords, chords = n.chords(snap, ring)
	n.Fade = num2(max(0.06, min(0.4, 2.5/math.Sqrt(float64(chords)+16))))
	n.Dots = nearDisc(snap.UnnamedAt(i), cx, cy)
	return n
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func nearNodeAt(snap *graph.Snapshot, j int, cx, cy, angle float64, turned bool) nearNode {
	d := snap.DomainAt(j)
	cos, sin := math.Cos(angle), math.Sin(angle)
	n := nearNode{Name: d.Name, Text: shorten(d.Name.Unicode(), nearLabel), Reporting: d.Reporting, Anchor: "middle"}
	n.Tip = d.Name.Unicode() + ": " + counted(d.Degree, "link", "links")
	n.x, n.y = cx+nearRadius*cos, cy+nearRadius*sin
	r := 3.5 + math.Min(3, math.Sqrt(float64(d.Degree))*0.4)
	gap := r + 5
	tx, ty := n.x+gap*cos, n.y+gap*sin
	switch {
	case turned:
		n.Text = shorten(d.Name.Unicode(), nearTurned)
		n.Anchor = "start"
		degrees := angle * 180 / math.Pi
		if cos < 0 {
			n.Anchor = "end"
			degrees += 180
		}
		n.Turn = "rotate(" + num(degrees) + " " + num(tx) + " " + num(ty) + ")"
		ty += 4
	case cos > 0.3:
		n.Anchor, ty = "start", ty+4
	case cos < -0.3:
		n.Anchor, ty = "end", ty+4
	case sin < 0:
		ty -= 2
	default:
		ty += 10
	}
	n.X, n.Y, n.R, n.TX, n.TY = num(n.x), num(n.y), num(r), num(tx), num(ty)
	return n
}

// chords draws the links between the neighbours in the ring, and counts them.
func (n *near) chords(snap *graph.Snapshot, ring []int) (path string, number int) {
	at := make(map[int]int, len(ring))
	for k, j := range ring {
		at[j] = k
	}
	var b []byte
	for k, j := range ring {
		for _, to := range snap.Neighbors(j) {
			if m, ok := at[int(to)]; ok && j < int(to) {
				b = appendChord(b, n.Nodes[k], n.Nodes[m])
				number++
			}
		}
	}
	return string(b), number
}

func appendChord(b []byte, from, to nearNode) []byte {
	return appendPoint(appendPoint(b, 'M', from.x, from.y), 'L', to.x, to.y)
}

// nearDisc draws unnamed links as dots round the middle, in the shape that they have on the map.
func nearDisc(unnamed int, cx, cy float64) string {
	k := min(unnamed, maxNearDots)
	if k == 0 {
		return ""
	}
	x, y := layout.Seed(k - 1)
	scale := math.Min(1.6, (nearDots-12)/math.Max(math.Hypot(x, y), 1))
	var b []byte
	for i := range k {
		x, y := layout.Seed(i)
		far := math.Hypot(x, y)
		// The domain itself has the middle.
		out := (far*scale + 12) / math.Max(far, 1e-9)
		b = append(appendPoint(b, 'M', cx+x*out, cy+y*out), "h0"...)
	}
	return string(b)
}

// shorten cuts a text to so many characters.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func appendPoint(b []byte, op byte, x, y float64) []byte {
	b = append(b, op)
	b = strconv.AppendFloat(b, math.Round(x*10)/10, 'f', -1, 64)
	b = append(b, ' ')
	return strconv.AppendFloat(b, math.Round(y*10)/10, 'f', -1, 64)
}

func num(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

func num2(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
