package web

import (
	"image/color"
	"math"
	"net/http"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The size of the pictures that other sites show beside a link (https://ogp.me).
const (
	cardWidth, cardHeight = 1200, 630
	cardText              = 500.0 // the width of the words at the left
	cardPad               = 56.0
)

// maxCardDots bounds the unnamed links on a card: more would be one grey disc anyway.
const maxCardDots = 8000

// cardBatches is in how many parts links are painted, so that many that cross look darker.
const cardBatches = 8

// The colours of a card are those of the dark pages: beside a link there is no telling what the reader prefers.
var (
	cardGround = color.NRGBA{0x10, 0x15, 0x1b, 0xff}
	cardInk    = color.NRGBA{0xe6, 0xeb, 0xf1, 0xff}
	cardSoft   = color.NRGBA{0xa3, 0xaf, 0xbd, 0xff}
	cardNode   = color.NRGBA{0x8f, 0xc1, 0xff, 0xff}
	cardDot    = color.NRGBA{0x3d, 0x63, 0x95, 0xff}
	cardLine   = color.NRGBA{0x7f, 0xa3, 0xcf, 0xff}
	cardLit    = color.NRGBA{0xff, 0xb5, 0x61, 0xff}
)

func (s *Server) serveCard(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	s.sendCard(w, r, ed, xep.Name{}, -1)
}

func (s *Server) serveDomainCard(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	name, i, ok := shown(ed, r.PathValue("name"))
	if !ok {
		s.serveNotFound(w, r)
		return
	}
	s.sendCard(w, r, ed, name, i)
}

func (s *Server) sendCard(w http.ResponseWriter, r *http.Request, ed *edition.Edition, name xep.Name, i int) {
	doc, err := ed.Document("card", i < 0, func() (*edition.Document, error) {
		places, err := ed.Layout(r.Context())
		if err != nil {
			return nil, err
		}
		// A card takes some 5 MB and some 100 ms to make, so that one at a time has to do.
		s.carding.Lock()
		defer s.carding.Unlock()
		body, err := newCard(ed.Snapshot(), places, s.site, i).png()
		if err != nil {
			return nil, err
		}
		return edition.NewDocument("image/png", body), nil
	})
	if err != nil {
		http.Error(w, "the picture could not be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	forOthers(h)
	h.Set("Cache-Control", "public, max-age=600")
	doc.Serve(w, r)
}

// newCard draws the network with the numbers beside it; with a domain at i, what is about that domain.
func newCard(snap *graph.Snapshot, places *layout.Layout, site Site, i int) *canvas {
	c := newCanvas(cardWidth, cardHeight, cardGround)
	c.network(snap, places, i)
	c.words(snap, site, i)
	return c
}

func (c *canvas) network(snap *graph.Snapshot, places *layout.Layout, focus int) {
	if snap.Len() == 0 {
		return
	}
	x0, y0, x1, y1 := places.Bounds()
	const left = cardPad + cardText
	w, h := cardWidth-left-24, cardHeight-48.0
	scale := math.Min(w/math.Max(x1-x0, 200), h/math.Max(y1-y0, 200))
	at := func(x, y float64) (float64, float64) {
		return left + w/2 + (x-(x0+x1)/2)*scale, 24 + h/2 + (y-(y0+y1)/2)*scale
	}
	c.leaves(snap, places, at, math.Max(0.9, 1.3*scale))
	c.links(snap, places, at, focus)
	for j := range snap.Len() {
		if j != focus {
			x, y, _ := places.Place(j)
			px, py := at(x, y)
			c.disc(px, py, 3+math.Min(4, math.Sqrt(float64(len(snap.Neighbors(j))))*0.4))
		}
	}
	c.fill(cardNode)
	if focus >= 0 {
		x, y, _ := places.Place(focus)
		px, py := at(x, y)
		c.disc(px, py, 11)
		c.fill(cardLit)
	}
}

// leaves draws the unnamed links.
func (c *canvas) leaves(snap *graph.Snapshot, places *layout.Layout, at func(x, y float64) (float64, float64), r float64) {
	keep := math.Min(1, maxCardDots/math.Max(float64(snap.Counts().Unnamed), 1))
	for i := range snap.Len() {
		for k := range int(math.Ceil(float64(snap.UnnamedAt(i)) * keep)) {
			x, y := at(places.Leaf(i, k))
			c.disc(x, y, r)
		}
	}
	c.fill(cardDot)
}

func (c *canvas) links(snap *graph.Snapshot, places *layout.Layout, at func(x, y float64) (float64, float64), focus int) {
	per := snap.Counts().Links/cardBatches + 1
	fade := cardLine
	fade.A = uint8(255 * math.Max(0.05, math.Min(0.5, 8/math.Sqrt(float64(snap.Counts().Links)+16))))
	n := 0
	draw := func(i, j int, width float64) {
		x, y, _ := places.Place(i)
		x0, y0 := at(x, y)
		x, y, _ = places.Place(j)
		x1, y1 := at(x, y)
		c.line(x0, y0, x1, y1, width)
	}
	for i, j := range snap.Pairs() {
		draw(i, j, 1.2)
		if n++; n%per == 0 {
			c.fill(fade)
		}
	}
	c.fill(fade)
	if focus < 0 {
		return
	}
	for _, j := range snap.Neighbors(focus) {
		draw(focus, int(j), 1.6)
	}
	c.fill(color.NRGBA{cardLit.R, cardLit.G, cardLit.B, 0xa0})
}

// words writes what the card is about.
func (c *canvas) words(snap *graph.Snapshot, site Site, i int) {
	f := fonts()
	x, y := cardPad, 150.0
	title := site.Title
	if i >= 0 {
		title = snap.NameAt(i).Unicode()
		if !canWrite(title) {
			title = snap.NameAt(i).String()
		}
		c.text(f.regular, 28, x, 92, int(cardText), cardSoft, site.Title)
	}
	size := 58.0
	for size > 30 && !c.fits(title, size) {
		size -= 4
	}
	c.text(f.bold, size, x, y, int(cardText), cardInk, title)
	y += 92
	for _, l := range cardLines(snap, i) {
		c.text(f.bold, 44, x, y, 0, cardNode, l.number)
		c.text(f.regular, 26, x, y+36, int(cardText), cardSoft, l.words)
		y += 112
	}
	c.text(f.regular, 22, x, cardHeight-44, int(cardText), cardSoft, "as of "+day(snap.At())+", by XEP-0485")
}

func (c *canvas) fits(s string, size float64) bool {
	return float64(textWidth(s, size))*1.08 <= cardText
}

// cardLineText is a number with what it counts.
type cardLineText struct{ number, words string }

func cardLines(snap *graph.Snapshot, i int) []cardLineText {
	if i < 0 {
		n := snap.Counts()
		return []cardLineText{
			{count(n.Domains), "named domains"}, {count(n.Links), "links between them"}, {count(n.Unnamed), "links to domains that stay unnamed"},
		}
	}
	d := snap.DomainAt(i)
	all := []cardLineText{{count(d.Degree), "links to named domains"}}
	if d.Reporting {
		all = append(all, cardLineText{count(d.Unnamed), "links to unnamed domains"})
	}
	return all
}
