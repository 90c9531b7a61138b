package export

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/xmppgraph/xmppgraph/graph/layout"
)

// Theme is the colours of a picture.
type Theme uint8

// The themes.
const (
	// Auto is light or dark as the reader prefers, where the picture is shown by a browser.
	Auto Theme = iota
	// Light is for a white page.
	Light
	// Dark is for a dark one.
	Dark
)

// Picture configures a picture. The zero value is ready for use.
type Picture struct {
	// Theme is the colours.
	Theme Theme
	// Title is what stands above; empty means "The XMPP network".
	Title string
	// Bare leaves out the words above and the legend below. The title stays for those who can't see the picture.
	Bare bool
	// Width and Height are the size in pixels that the picture has by itself; zero leaves it to where it is shown.
	// Where both are given, the picture has that shape.
	Width, Height int
}

var formatSVG = Format{
	Name: "svg", Title: "picture", MediaType: "image/svg+xml", Extension: "svg", Unnamed: AsNodes,
	write: writeSVG,
}

// manyLeaves is the number of unnamed peers above which discs are drawn as such: nobody can tell the dots apart any more.
const manyLeaves = 40_000

// disc is a domain to draw.
type disc struct {
	i       int
	x, y, r float64
	unnamed int
	degree  int
	class   int // of its colour
}

// drawing is a picture in the making.
type drawing struct {
	*printer
	n      *network
	places Places
	discs  []disc // by index
	// unit is the length of a pixel of a picture of usual size: marks and letters grow with the network.
	unit float64
	// word is the same for the words around, which also shrink with it.
	word           float64
	x0, y0, x1, y1 float64 // of the network
	leaves         int
	degrees        [2]int // least and most
}

func writeSVG(p *printer, n *network) error {
	d := &drawing{printer: p, n: n, places: n.o.Places}
	if d.places == nil {
		var o layout.Options
		if w, h := n.o.Picture.Width, n.o.Picture.Height; w > 0 && h > 0 {
			o.Aspect = float64(w) / float64(h)
		}
		l, err := layout.Compute(context.Background(), n.s, o)
		if err != nil {
			return err
		}
		d.places = l
	}
	d.measure()
	d.classify()
	d.open()
	d.links()
	d.seeds()
	d.marks()
	d.labels()
	d.words()
	p.s("</svg>\n")
	return nil
}

func (d *drawing) measure() {
	d.x0, d.y0, d.x1, d.y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for i := range d.n.s.Len() {
		c := disc{i: i, unnamed: d.n.s.UnnamedAt(i), degree: len(d.n.s.Neighbors(i))}
		c.x, c.y, c.r = d.places.Place(i)
		if d.n.o.Unnamed == AsCounts {
			c.unnamed = 0
		}
		d.leaves += c.unnamed
		d.x0, d.x1 = math.Min(d.x0, c.x-c.r), math.Max(d.x1, c.x+c.r)
		d.y0, d.y1 = math.Min(d.y0, c.y-c.r), math.Max(d.y1, c.y+c.r)
		d.discs = append(d.discs, c)
	}
	if len(d.discs) == 0 {
		d.x0, d.y0, d.x1, d.y1 = 0, 0, 0, 0
	}
	// A few domains don't fill a picture: they are shown at their usual size with room around.
	const leastWidth, leastHeight = 500, 250
	d.widen(&d.x0, &d.x1, leastWidth)
	d.widen(&d.y0, &d.y1, leastHeight)
	d.word = max(0.62, (d.x1-d.x0)/1000, (d.y1-d.y0)/720)
	d.unit = math.Max(0.8, d.word)
	d.fit()
}

// fit gives the picture the shape that was asked for, by room on both sides, so that the words begin at its edge.
func (d *drawing) fit() {
	o := d.n.o.Picture
	if o.Width <= 0 || o.Height <= 0 {
		return
	}
	across, down := 2*margin*d.word, 2*margin*d.word
	if !o.Bare {
		down += (above + below) * d.word
	}
	ratio := float64(o.Width) / float64(o.Height)
	d.widen(&d.x0, &d.x1, (d.y1-d.y0+down)*ratio-across)
	d.widen(&d.y0, &d.y1, (d.x1-d.x0+across)/ratio-down)
}

func (d *drawing) widen(lo, hi *float64, least float64) {
	if more := least - (*hi - *lo); more > 0 {
		*lo, *hi = *lo-more/2, *hi+more/2
	}
}

// classes is the number of colours.
const classes = 5

// classify gives colours by the number of links, by its square root, because most domains have few.
func (d *drawing) classify() {
	least, most := math.MaxInt, 0
	for _, c := range d.discs {
		least, most = min(least, c.degree), max(most, c.degree)
	}
	d.degrees = [2]int{least, most}
	for k := range d.discs {
		if c := &d.discs[k]; most > 0 {
			c.class = min(int(classes*math.Sqrt(float64(c.degree)/float64(most))), classes-1)
		}
	}
}

const (
	lightStyle = `.xg .bg,.xg .k{fill:#fbfbf8}.xg text{fill:#1d2733;stroke:#fbfbf8}.xg .w{fill:#55616e}` +
		`.xg .c0{color:#7f95a6}.xg .c1{color:#3d9aa8}.xg .c2{color:#2f74c0}.xg .c3{color:#5450bd}.xg .c4{color:#9a3a9c}`
	darkStyle = `.xg .bg,.xg .k{fill:#0c111b}.xg text{fill:#eef3f8;stroke:#0c111b}.xg .w{fill:#9fb0c0}` +
		`.xg .c0{color:#70879b}.xg .c1{color:#46b5c2}.xg .c2{color:#5a9dff}.xg .c3{color:#9d90ff}.xg .c4{color:#ea7fd6}`
)

// Bands above and below the network, in units.
const (
	margin = 26
	above  = 66
	below  = 44
)

func (d *drawing) open() {
	u := d.word
	x, y, w, h := d.x0-margin*u, d.y0-margin*u, d.x1-d.x0+2*margin*u, d.y1-d.y0+2*margin*u
	if !d.n.o.Picture.Bare {
		y, h = y-above*u, h+(above+below)*u
	}
	d.s(`<svg xmlns="http://www.w3.org/2000/svg" class="xg" role="img" aria-labelledby="xg-title xg-desc" viewBox="`)
	d.f(x).s(" ").f(y).s(" ").f(w).s(" ").f(h).s(`"`)
	if d.n.o.Picture.Width > 0 {
		d.s(` width="`).n(d.n.o.Picture.Width).s(`"`)
	}
	if d.n.o.Picture.Height > 0 {
		d.s(` height="`).n(d.n.o.Picture.Height).s(`"`)
	}
	d.s(">\n<title id=\"xg-title\">").x(d.title()).s("</title>\n<desc id=\"xg-desc\">").x(d.description()).s("</desc>\n")
	d.s(`<style>.xg text{font-family:"Inter","Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;text-anchor:middle;paint-order:stroke;stroke-linejoin:round}`)
	d.s(`.xg .e{fill:none;stroke:currentColor}.xg .s{stroke:currentColor;stroke-width:2.3;stroke-linecap:round;stroke-opacity:.7;fill:none}.xg .n{fill:currentColor}`)
	d.s(`.xg .k{fill-opacity:.8}.xg .o{fill:currentColor;fill-opacity:.13}.xg .w,.xg .h{text-anchor:start;stroke:none}.xg .h{font-weight:650}`)
	switch d.n.o.Picture.Theme {
	case Light:
		d.s(lightStyle)
	case Dark:
		d.s(darkStyle)
	default:
		d.s(lightStyle).s(`@media(prefers-color-scheme:dark){`).s(darkStyle).s(`}`)
	}
	// The background reaches far beyond the picture, for the case that it is shown in a frame of another shape.
	d.s("</style>\n<rect class=\"bg\" x=\"").f(x - 2*w).s(`" y="`).f(y - 2*h).s(`" width="`).f(5 * w).s(`" height="`).f(5 * h).s("\"/>\n")
}

// links draws the links, those of a colour and kind as one path.
//
// They bend towards the middle, so that those of one direction run together,
// and have the colour of the end with fewer links, from which the eye can follow them.
func (d *drawing) links() {
	for class := range classes {
		for _, mutual := range [...]bool{false, true} {
			if d.linksOf(class, mutual); d.err != nil {
				return
			}
		}
	}
}

func (d *drawing) linksOf(class int, mutual bool) {
	cx, cy := (d.x0+d.x1)/2, (d.y0+d.y1)/2
	// The more lines there are, the fainter is each.
	opacity := math.Max(0.03, math.Min(0.55, 6/math.Sqrt(float64(d.n.s.Counts().Links)+1)))
	if mutual {
		opacity *= 1.6
	}
	started := false
	next, stop := iter.Pull(d.n.s.MutualPairs())
	defer stop()
	for i, j := range d.n.s.Pairs() {
		both, _ := next()
		a, b := &d.discs[i], &d.discs[j]
		if both != mutual || min(a.class, b.class) != class {
			continue
		}
		if !started {
			d.s(`<path class="e c`).n(class).s(`" stroke-width="`).f2(0.7 * d.unit).s(`" stroke-opacity="`).f2(opacity).s(`" d="`)
			started = true
		}
		const bend = 0.16
		mx, my := (a.x+b.x)/2, (a.y+b.y)/2
		d.s("M").f(a.x).s(" ").f(a.y).s("Q").f(mx + (cx-mx)*bend).s(" ").f(my + (cy-my)*bend).s(" ").f(b.x).s(" ").f(b.y)
		if !d.check() {
			return
		}
	}
	if started {
		d.s("\"/>\n")
	}
}

// block is the number of seeds that are drawn as one shape.
//
// Seed k is at the same place in every disc.
// So the seeds are defined once, in shapes that each hold the one before, and a disc is one such shape and its few last seeds.
const block = 24

func (d *drawing) seeds() {
	if d.leaves > manyLeaves || d.n.s.IsCombined() {
		d.solid()
		return
	}
	most := 0
	for _, c := range d.discs {
		most = max(most, c.unnamed)
	}
	if most >= block {
		d.s("<defs>")
		for b := 1; b <= most/block; b++ {
			d.s(`<g id="xg-`).n(b).s(`">`)
			if b > 1 {
				d.s(`<use href="#xg-`).n(b - 1).s(`"/>`)
			}
			d.s(`<path d="`).seedPath(0, 0, (b-1)*block, b*block).s(`"/></g>`)
			d.check()
		}
		d.s("</defs>\n")
	}
	for _, c := range d.discs {
		if c.unnamed == 0 {
			continue
		}
		d.s(`<g class="c`).n(c.class).s(` s">`)
		d.s(`<circle class="k" stroke="none" cx="`).f(c.x).s(`" cy="`).f(c.y).s(`" r="`).f(c.r).s(`"/>`)
		d.s(`<circle class="o" stroke="none" cx="`).f(c.x).s(`" cy="`).f(c.y).s(`" r="`).f(c.r).s(`"/>`)
		whole := c.unnamed / block
		if whole > 0 {
			d.s(`<use href="#xg-`).n(whole).s(`" x="`).f(c.x).s(`" y="`).f(c.y).s(`"/>`)
		}
		if whole*block < c.unnamed {
			d.s(`<path d="`).seedPath(c.x, c.y, whole*block, c.unnamed).s(`"/>`)
		}
		if d.s("</g>\n"); !d.check() {
			return
		}
	}
}

// seedPath draws dots as lines without length and with round ends, which is the shortest way to say it.
func (p *printer) seedPath(x, y float64, from, to int) *printer {
	for k := from; k < to; k++ {
		dx, dy := layout.Seed(k)
		p.s("M").f(x + dx).s(" ").f(y + dy).s("h0")
	}
	return p
}

// solid draws discs without seeds.
func (d *drawing) solid() {
	for _, c := range d.discs {
		if c.unnamed == 0 {
			continue
		}
		d.s(`<circle class="n c`).n(c.class).s(`" fill-opacity=".3" cx="`).f(c.x).s(`" cy="`).f(c.y).s(`" r="`).f(c.r).s("\"/>\n")
		if !d.check() {
			return
		}
	}
}

// fewDomains is the number up to which each mark says its name when pointed at.
const fewDomains = 500

func (d *drawing) markRadius(c *disc) float64 {
	r := 2.4 + math.Min(3, 0.28*math.Sqrt(float64(c.degree)))
	return math.Min(r*math.Sqrt(d.unit), 10)
}

// marks draws the domains themselves, each with a rim that lifts it off the lines.
func (d *drawing) marks() {
	for k := range d.discs {
		c := &d.discs[k]
		if len(d.discs) <= fewDomains || c.unnamed == 0 {
			d.s(`<circle class="k" cx="`).f(c.x).s(`" cy="`).f(c.y).s(`" r="`).f(d.markRadius(c) + 1.2).s(`"/>`)
		}
		d.s(`<circle class="n c`).n(c.class).s(`" cx="`).f(c.x).s(`" cy="`).f(c.y).s(`" r="`).f(d.markRadius(c)).s(`"`)
		if len(d.discs) > fewDomains {
			d.s("/>\n")
		} else {
			d.s("><title>").x(d.n.s.NameAt(c.i).Unicode()).s(": ").s(plural(c.degree, "link", "links"))
			if c.unnamed > 0 {
				d.s(" and ").s(thousands(c.unnamed)).s(" to unnamed domains")
			}
			d.s("</title></circle>\n")
		}
		if !d.check() {
			return
		}
	}
}

// f2 appends a small number with two decimals.
func (p *printer) f2(v float64) *printer {
	p.buf = strconv.AppendFloat(p.buf, math.Round(v*100)/100, 'f', -1, 64)
	return p
}

func (d *drawing) title() string {
	return cmp.Or(strings.TrimSpace(d.n.o.Picture.Title), "The XMPP network")
}

// subtitle counts in honest words: an unnamed domain is counted by each that sees it, so only links can be counted.
func (d *drawing) subtitle() string {
	c := d.n.s.Counts()
	if c.Domains == 0 {
		return "No domain has given its consent to be named."
	}
	s := plural(c.Domains, "named domain", "named domains")
	if c.Domains > 1 {
		s += " · " + plural(c.Links, "link between them", "links between them")
	}
	if c.Unnamed > 0 {
		s += " · " + plural(c.Unnamed, "link", "links") + " to domains that stay unnamed"
	}
	return s
}

func (d *drawing) description() string {
	s := d.subtitle()
	if len(d.discs) == 0 {
		return s
	}
	large := slices.Clone(d.discs)
	slices.SortStableFunc(large, func(a, b disc) int {
		return cmp.Or(cmp.Compare(b.degree+b.unnamed, a.degree+a.unnamed), cmp.Compare(a.i, b.i))
	})
	names := make([]string, 0, 10)
	for _, c := range large[:min(len(large), 10)] {
		names = append(names, d.n.s.NameAt(c.i).Unicode())
	}
	return s + ". With the most links: " + strings.Join(names, ", ") + "."
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// words writes the heading and the legend.
func (d *drawing) words() {
	if d.n.o.Picture.Bare {
		return
	}
	u := d.word
	x, y := d.x0, d.y0-above*u
	d.text("h", x, y+8*u, 25*u, d.title())
	sub := d.subtitle()
	if !d.n.s.At().IsZero() && len(d.discs) > 0 {
		sub += " · " + d.n.s.At().UTC().Format("2 January 2006")
	}
	size := math.Min(12.5*u, (d.x1-d.x0)/(0.5*float64(len(sub))))
	d.text("w", x, y+28*u, size, sub)
	if len(d.discs) > 0 {
		d.legend(x, d.y1+(margin+8)*u)
	}
}

func (d *drawing) text(class string, x, y, size float64, s string) {
	d.s(`<text class="`).s(class).s(`" x="`).f(x).s(`" y="`).f(y).s(`" font-size="`).f(size).s(`">`).x(s).s("</text>\n")
}

func (d *drawing) legend(x, y float64) {
	u := d.word
	size := 11.5 * u
	put := func(s string) {
		d.text("w", x, y+4*u, size, s)
		x += textWidth(s, size) + 18*u
	}
	lo, hi := strconv.Itoa(d.degrees[0]), thousands(d.degrees[1])
	if d.degrees[0] == d.degrees[1] {
		d.s(`<circle class="n c2" cx="`).f(x + 4*u).s(`" cy="`).f(y).s(`" r="`).f(4 * u).s("\"/>\n")
		x += 14 * u
		put("a named domain")
	} else {
		d.text("w", x, y+4*u, size, lo)
		x += textWidth(lo, size) + 7*u
		for k := range classes {
			d.s(`<circle class="n c`).n(k).s(`" cx="`).f(x).s(`" cy="`).f(y).s(`" r="`).f((2.8 + 0.5*float64(k)) * u).s("\"/>\n")
			x += 12 * u
		}
		x -= 2 * u
		put(hi + " links to named domains")
	}
	if d.leaves > 0 {
		d.s(`<g class="c2 s" transform="translate(`).f(x+8*u).s(" ").f(y).s(`) scale(`).f2(u*0.45).s(`)"><path d="`).seedPath(0, 0, 0, 18).s("\"/></g>\n")
		x += 23 * u
		put("a link to an unnamed domain")
	}
	c := d.n.s.Counts()
	if c.Mutual > 0 {
		d.line(x, y, 1)
		x += 25 * u
		put("both ends report it")
	}
	if c.Links > c.Mutual {
		d.line(x, y, 0.45)
		x += 25 * u
		put("one end reports it")
	}
}

func (d *drawing) line(x, y, opacity float64) {
	u := d.word
	d.s(`<path class="e c2" stroke-width="`).f2(1.6 * u).s(`" stroke-opacity="`).f2(opacity).s(`" d="M`).f(x).s(" ").f(y).s("q").f(9 * u).s(" ").f(-5 * u).s(" ").f(18 * u).s(" 0\"/>\n")
}
