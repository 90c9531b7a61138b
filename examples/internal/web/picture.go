package web

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

// themes are the values of ?theme=. Any other stands for what the reader prefers.
var themes = map[string]export.Theme{"light": export.Light, "dark": export.Dark}

// wanted is what a picture or a frame shall show.
type wanted struct {
	focus xep.Name // zero for the whole network
	theme string
	bare  bool
}

func parseWanted(q url.Values) (v wanted, ok bool) {
	v.theme = "auto"
	if _, known := themes[q.Get("theme")]; known {
		v.theme = q.Get("theme")
	}
	v.bare = q.Has("bare")
	if text := strings.TrimSpace(q.Get("focus")); text != "" {
		name, err := xep.ParseName(text)
		if err != nil {
			return v, false
		}
		v.focus = name
	}
	return v, true
}

// query is the canonical form of the parameters.
func (v wanted) query() string {
	q := url.Values{}
	if !v.focus.IsZero() {
		q.Set("focus", v.focus.String())
	}
	if v.theme != "auto" {
		q.Set("theme", v.theme)
	}
	if v.bare {
		q.Set("bare", "1")
	}
	return q.Encode()
}

// servePicture draws the network, or the neighbourhood of ?focus=, as one file.
func (s *Server) servePicture(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	v, ok := parseWanted(r.URL.Query())
	if _, shown := ed.Snapshot().Index(v.focus); !ok || !v.focus.IsZero() && !shown {
		s.serveNotFound(w, r)
		return
	}
	// There is no end of pictures of one domain each.
	find := func(draw func() (*edition.Document, error)) (*edition.Document, error) {
		return s.drawn(r, "picture "+strconv.FormatUint(ed.Version(), 10)+" "+v.query(), draw)
	}
	if v.focus.IsZero() {
		find = func(draw func() (*edition.Document, error)) (*edition.Document, error) {
			return ed.Document("picture "+v.query(), true, draw)
		}
	}
	doc, err := find(func() (*edition.Document, error) { return s.draw(r, ed, v) })
	if err != nil {
		failed(w, err)
		return
	}
	h := w.Header()
	forOthers(h)
	// The picture has a style of its own, and is nothing but a picture wherever it is opened.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors *")
	h.Set("Cache-Control", "no-cache")
	doc.Serve(w, r)
}

func (s *Server) draw(r *http.Request, ed *edition.Edition, v wanted) (*edition.Document, error) {
	places, err := ed.Layout(r.Context())
	if err != nil {
		return nil, err
	}
	snap := ed.Snapshot()
	o := export.Options{Places: places, Picture: export.Picture{Theme: themes[v.theme], Title: s.site.Title, Bare: v.bare}}
	if !v.focus.IsZero() {
		snap = snap.View(graph.Focus(v.focus, 1))
		o.Picture.Title = v.focus.Unicode()
		// The places are those of the map, so that whoever knows one finds their way in the other.
		if near, ok := places.For(snap); ok {
			o.Places = near
		}
	}
	var b bytes.Buffer
	if err := export.SVG.WriteOptions(&b, snap, o); err != nil {
		return nil, err
	}
	return edition.NewDocument(export.SVG.MediaType, b.Bytes()), nil
}

// embedView is the page that other sites show in a frame.
type embedView struct {
	frame
	Theme   string
	Focus   label
	Picture template.URL
	Target  string // the page that a click leads to
}

func (s *Server) serveEmbed(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	v, ok := parseWanted(r.URL.Query())
	if _, shown := ed.Snapshot().Index(v.focus); !ok || !v.focus.IsZero() && !shown {
		// The frame of a domain that has left shows the network without it.
		v.focus = xep.Name{}
	}
	forOthers(w.Header())
	s.show(w, r, ed, "embed "+v.query(), v.focus.IsZero(), func() (string, any, error) {
		return "embed", s.embedView(ed, v), nil
	})
}

func (s *Server) embedView(ed *edition.Edition, v wanted) embedView {
	e := embedView{frame: s.frame(ed, "embed", "/", "", "The XMPP network, in a frame."), Theme: v.theme, Focus: labelOf(v.focus), Target: "/"}
	e.Hidden = true
	v.bare = true
	e.Picture = template.URL("/picture.svg?" + v.query())
	if !v.focus.IsZero() {
		e.Title, e.Target = v.focus.Unicode(), "/?focus="+v.focus.String()
	}
	return e
}
