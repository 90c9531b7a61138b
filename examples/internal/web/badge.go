package web

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
)

const svgType = "image/svg+xml"

// badge is a small picture with a number, for other people's pages.
type badge struct {
	// Name is the domain, as people read it. It is empty for the neutral badge.
	Name        string
	Left, Right string
	Colour      string
}

// The colours of a badge hold white letters at a contrast of more than 4.5.
const (
	badgeColour  = "#1454a8"
	badgeNeutral = "#6b7480"
)

const badgeTitle = "XMPP network"

// neutralBadge is the badge for a domain that is not shown, for whatever reason: it doesn't even repeat the name.
func neutralBadge() badge { return badge{Left: badgeTitle, Right: "not listed", Colour: badgeNeutral} }

func badgeOf(d graph.Domain) badge {
	return badge{Name: d.Name.Unicode(), Left: badgeTitle, Right: counted(d.Degree, "link", "links"), Colour: badgeColour}
}

// alt is the badge in words.
func (b badge) alt() string {
	if b.Name == "" {
		return b.Left + ": " + b.Right
	}
	return b.Name + " on the " + b.Left + ": " + b.Right
}

var badgeTemplate = template.Must(template.New("badge").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" viewBox="0 0 {{.Width}} 20" role="img" aria-label="{{.Alt}}"><title>{{.Alt}}</title><clipPath id="r"><rect width="{{.Width}}" height="20" rx="4"/></clipPath><g clip-path="url(#r)"><path fill="#333b45" d="M0 0h{{.LeftWidth}}v20H0z"/><path fill="{{.Colour}}" d="M{{.LeftWidth}} 0h{{.RightWidth}}v20H{{.LeftWidth}}z"/></g><g fill="#fff" font-family="system-ui,Helvetica,Arial,sans-serif" font-size="11"><text x="8" y="14" textLength="{{.LeftText}}" lengthAdjust="spacingAndGlyphs">{{.Left}}</text><text x="{{.RightX}}" y="14" textLength="{{.RightText}}" lengthAdjust="spacingAndGlyphs">{{.Right}}</text></g></svg>
`))

// svg writes the badge. The letters are told how wide they have to be, since nobody knows which font there is.
func (b badge) svg() ([]byte, error) {
	const pad = 8
	left, right := textWidth(b.Left, 11), textWidth(b.Right, 11)
	l, r := left+2*pad, right+2*pad
	var out bytes.Buffer
	err := badgeTemplate.Execute(&out, map[string]any{
		"Alt": b.alt(), "Left": b.Left, "Right": b.Right, "Colour": b.Colour, "Width": l + r, "LeftWidth": l, "RightWidth": r,
		"LeftText": left, "RightText": right, "RightX": l + pad,
	})
	return out.Bytes(), err
}

func (s *Server) serveBadge(w http.ResponseWriter, r *http.Request) {
	text, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	if !ok {
		s.serveNotFound(w, r)
		return
	}
	ed := s.press.Current()
	b := neutralBadge()
	_, i, known := shown(ed, text)
	if known {
		b = badgeOf(ed.Snapshot().DomainAt(i))
	}
	// Making one costs less than keeping one for each domain.
	doc, err := ed.Document("badge", !known, func() (*edition.Document, error) {
		body, err := b.svg()
		if err != nil {
			return nil, err
		}
		return edition.NewDocument(svgType, body), nil
	})
	if err != nil {
		http.Error(w, "the badge could not be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	forOthers(h)
	h.Set("Cache-Control", "public, max-age=300")
	doc.Serve(w, r)
}
