package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/graph/layout"
)

// maxKept is the size of a network, in domains and links, up to which all its documents are kept in memory.
const maxKept = 300_000

// serveGraph sends the compact form, for drawings.
func (s *Server) serveGraph(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	if r.URL.RawQuery == "" {
		// The whole present is what nearly all ask for.
		s.sendExport(w, r, s.press.Current(), export.Compact, selection{})
		return
	}
	ed, sel, err := s.selectEdition(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.sendExport(w, r, ed, export.Compact, sel)
}

// selectEdition returns the edition that a request is about, and what to show of it.
func (s *Server) selectEdition(r *http.Request) (*edition.Edition, selection, error) {
	q, err := query(r)
	if err != nil {
		return nil, selection{}, err
	}
	sel, err := selected(q)
	if err != nil {
		return nil, sel, err
	}
	if sel.at.IsZero() {
		return s.press.Current(), sel, nil
	}
	ed, err := s.moments.edition(r.Context(), s, sel.at)
	return ed, sel, err
}

// sendExport sends a view of an edition in a format.
func (s *Server) sendExport(w http.ResponseWriter, r *http.Request, ed *edition.Edition, f *export.Format, sel selection) {
	doc, err := kept(ed, "export-"+f.Name+sel.key, keeps(ed, sel), func() (*edition.Document, error) {
		return write(r.Context(), ed, f, sel.views)
	})
	if err != nil {
		fail(w, r, err)
		return
	}
	doc.Serve(w, r)
}

// keeps reports whether documents are worth their place in memory: there are few of them, and they are not huge.
func keeps(ed *edition.Edition, sel selection) bool {
	if sel.focused {
		return false
	}
	if sel.key == "" {
		return true
	}
	c := ed.Snapshot().Counts()
	return c.Domains+c.Links < maxKept
}

// write makes the document of a view in a format, with coordinates.
func write(ctx context.Context, ed *edition.Edition, f *export.Format, views []graph.View) (*edition.Document, error) {
	l, err := ed.Layout(ctx)
	if err != nil {
		return nil, err
	}
	view := ed.Snapshot().View(views...)
	var o export.Options
	if places, ok := placesFor(l, view); ok {
		o.Places = places
	}
	var b bytes.Buffer
	if err := f.WriteOptions(&b, view, o); err != nil {
		return nil, err
	}
	return edition.NewDocument(f.MediaType, b.Bytes()), nil
}

// placesFor returns the places of a view. All of its domains are in the layout, since views only leave out.
func placesFor(l *layout.Layout, view *graph.Snapshot) (*layout.Layout, bool) {
	if l.Len() == view.Len() {
		return l, true
	}
	return l.For(view)
}
