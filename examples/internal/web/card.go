package web

import (
	"fmt"
	"image/color"
	"net/http"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
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
	c := newCard(ed.Snapshot(), s.site, i)
	b := s.backdrops.of(ed, name, s.o.Now())
	doc, err := s.drawn(r, "card "+b.id+" "+c.key(), func() (*edition.Document, error) {
		img, err := b.draw(r.Context())
		if err != nil {
			return nil, err
		}
		body, err := c.draw(b, img)
		if err != nil {
			return nil, err
		}
		return edition.NewDocument("image/png", body), nil
	})
	if err != nil {
		failed(w, err)
		return
	}
	h := w.Header()
	forOthers(h)
	h.Set("Cache-Control", "public, max-age=600")
	doc.Serve(w, r)
}

// card is what a picture says.
type card struct {
	name        xep.Name // zero for that of the whole network
	site, title string
	lines       []cardLineText
	day         string
}

// newCard says what there is to say of the network, or of the domain at i.
func newCard(snap *graph.Snapshot, site Site, i int) card {
	c := card{site: site.Title, title: site.Title, lines: cardLines(snap, i), day: day(snap.At())}
	if i >= 0 {
		c.name = snap.NameAt(i)
		if c.title = c.name.Unicode(); !canWrite(c.title) {
			c.title = c.name.String()
		}
	}
	return c
}

// key is the same for cards that say the same.
func (c *card) key() string { return fmt.Sprintf("%s %q %s", c.name, c.lines, c.day) }

// draw draws the card on a copy of a backdrop.
func (c *card) draw(b *backdrop, img *canvas) ([]byte, error) {
	on := img.copy()
	defer on.release()
	if i, ok := b.ed.Snapshot().Index(c.name); ok {
		on.light(b, i)
	}
	on.words(c)
	return on.png()
}

// words writes what the card is about.
func (c *canvas) words(card *card) {
	f := fonts()
	x, y := cardPad, 150.0
	if !card.name.IsZero() {
		c.text(f.regular, 28, x, 92, int(cardText), cardSoft, card.site)
	}
	size := 58.0
	for size > 30 && !c.fits(card.title, size) {
		size -= 4
	}
	c.text(f.bold, size, x, y, int(cardText), cardInk, card.title)
	y += 92
	for _, l := range card.lines {
		c.text(f.bold, 44, x, y, 0, cardNode, l.number)
		c.text(f.regular, 26, x, y+36, int(cardText), cardSoft, l.words)
		y += 112
	}
	c.text(f.regular, 22, x, cardHeight-44, int(cardText), cardSoft, "as of "+card.day+", by XEP-0485")
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
