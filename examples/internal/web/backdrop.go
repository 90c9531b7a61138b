package web

import (
	"context"
	"image"
	"image/color"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// backdropLife is how long the network on cards may be as it was. Those who show cards ask for them every ten minutes at best,
// and drawing all links for every change would cost more than all cards together.
const backdropLife = time.Minute

// maxMarks is how many domains are drawn again above what is lit: more are so close to each other that it makes no difference.
const maxMarks = 500

// backdrop is the network as cards show it, without a word. It is drawn when the first card needs it.
type backdrop struct {
	id   string
	made time.Time
	ed   *edition.Edition

	once   sync.Once
	err    error
	places *layout.Layout
	img    *canvas
	view   view
}

// view is how the network fits on a card.
type view struct{ x0, y0, scale, left, top float64 }

// at is where a point of the network is on the card.
func (v view) at(x, y float64) (float64, float64) {
	return v.left + (x-v.x0)*v.scale, v.top + (y-v.y0)*v.scale
}

// backdrops hands out the backdrop of the time.
type backdrops struct {
	mu  sync.Mutex
	cur *backdrop
	n   int
}

// of returns a backdrop that has a domain, if one is given.
func (b *backdrops) of(ed *edition.Edition, name xep.Name, now time.Time) *backdrop {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.cur; c != nil && now.Sub(c.made) < backdropLife && (name.IsZero() || has(c.ed, name)) {
		return c
	}
	b.n++
	b.cur = &backdrop{id: strconv.Itoa(b.n), made: now, ed: ed}
	return b.cur
}

func has(ed *edition.Edition, name xep.Name) bool {
	_, ok := ed.Snapshot().Index(name)
	return ok
}

// draw returns the backdrop, drawn. It must not be changed.
func (b *backdrop) draw(ctx context.Context) (*canvas, error) {
	b.once.Do(func() {
		if b.places, b.err = b.ed.Layout(ctx); b.err != nil {
			return
		}
		b.img = newCanvas(cardWidth, cardHeight, cardGround)
		b.view = b.img.network(b.ed.Snapshot(), b.places)
		// What is painted on it is painted on a copy, which has a path of its own.
		b.img.path = nil
	})
	return b.img, b.err
}

// network draws all of the network, and returns how it fits.
func (c *canvas) network(snap *graph.Snapshot, places *layout.Layout) (v view) {
	if snap.Len() == 0 {
		return v
	}
	x0, y0, x1, y1 := places.Bounds()
	const left = cardPad + cardText
	w, h := cardWidth-left-24, cardHeight-48.0
	v = view{(x0 + x1) / 2, (y0 + y1) / 2, math.Min(w/math.Max(x1-x0, 200), h/math.Max(y1-y0, 200)), left + w/2, 24 + h/2}
	c.within(image.Rect(int(left), 0, cardWidth, cardHeight))
	c.leaves(snap, places, v)
	c.links(snap, places, v)
	c.marks(snap, places, v)
	return v
}

// marks draws the domains.
func (c *canvas) marks(snap *graph.Snapshot, places *layout.Layout, v view) {
	for i := range snap.Len() {
		x, y, _ := places.Place(i)
		px, py := v.at(x, y)
		c.disc(px, py, 3+math.Min(4, math.Sqrt(float64(len(snap.Neighbors(i))))*0.4))
	}
	c.fill(cardNode)
}

// leaves draws the unnamed links.
func (c *canvas) leaves(snap *graph.Snapshot, places *layout.Layout, v view) {
	keep := math.Min(1, maxCardDots/math.Max(float64(snap.Counts().Unnamed), 1))
	r := math.Max(0.9, 1.3*v.scale)
	for i := range snap.Len() {
		for k := range int(math.Ceil(float64(snap.UnnamedAt(i)) * keep)) {
			x, y := v.at(places.Leaf(i, k))
			c.disc(x, y, r)
		}
	}
	c.fill(cardDot)
}

func (c *canvas) links(snap *graph.Snapshot, places *layout.Layout, v view) {
	per := snap.Counts().Links/cardBatches + 1
	fade := cardLine
	fade.A = uint8(255 * math.Max(0.05, math.Min(0.5, 8/math.Sqrt(float64(snap.Counts().Links)+16))))
	n := 0
	for i, j := range snap.Pairs() {
		c.link(places, v, i, j, 1.2)
		if n++; n%per == 0 {
			c.fill(fade)
		}
	}
	c.fill(fade)
}

func (c *canvas) link(places *layout.Layout, v view, i, j int, width float64) {
	x, y, _ := places.Place(i)
	x0, y0 := v.at(x, y)
	x, y, _ = places.Place(j)
	x1, y1 := v.at(x, y)
	c.line(x0, y0, x1, y1, width)
}

// light draws what is about one domain on top of the network.
func (c *canvas) light(b *backdrop, i int) {
	c.within(image.Rect(int(cardPad+cardText), 0, cardWidth, cardHeight))
	for _, j := range b.ed.Snapshot().Neighbors(i) {
		c.link(b.places, b.view, i, int(j), 1.6)
	}
	c.fill(color.NRGBA{cardLit.R, cardLit.G, cardLit.B, 0xa0})
	if b.ed.Snapshot().Len() <= maxMarks {
		c.marks(b.ed.Snapshot(), b.places, b.view)
	}
	x, y, _ := b.places.Place(i)
	px, py := b.view.at(x, y)
	const r = 11
	c.within(image.Rect(int(px)-r-1, int(py)-r-1, int(px)+r+2, int(py)+r+2))
	c.disc(px, py, r)
	c.fill(cardLit)
}
