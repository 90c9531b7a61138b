package api

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
)

// serveOld answers as the old site of the network did, so that its pages run against this server:
// {"nodes":[{"id","label"}],"edges":[{"from","to"}]}, in which an unnamed node has an id and no label.
//
// The parameter skipAnon leaves unnamed nodes out, combineAnon makes one of those of each reporter, and focus=DOMAIN gives a domain and its neighbours.
func (s *Server) serveOld(w http.ResponseWriter, r *http.Request) {
	s.sendOld(w, r, export.OldSite)
}

// serveOld3D is the same for the old site's page in three dimensions, which wants links of source and target.
func (s *Server) serveOld3D(w http.ResponseWriter, r *http.Request) {
	s.sendOld(w, r, export.OldSite3D)
}

func (s *Server) sendOld(w http.ResponseWriter, r *http.Request, f *export.Format) {
	w.Header()["Cache-Control"] = noCache
	q, err := query(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	sel, err := oldSelection(q)
	if err != nil {
		fail(w, r, err)
		return
	}
	ed := s.press.Current()
	doc, err := kept(ed, "old-"+f.Name+sel.key, keeps(ed, sel), func() (*edition.Document, error) {
		return writeOld(ed, f, sel.views)
	})
	if err != nil {
		fail(w, r, err)
		return
	}
	doc.Serve(w, r)
}

func writeOld(ed *edition.Edition, f *export.Format, views []graph.View) (*edition.Document, error) {
	var b bytes.Buffer
	if err := f.Write(&b, ed.Snapshot().View(views...)); err != nil {
		return nil, err
	}
	return edition.NewDocument(jsonType, b.Bytes()), nil
}

// oldSelection reads the old site's parameters. An empty focus is none, as its pages send it with an empty field.
func oldSelection(q url.Values) (selection, error) {
	var s selection
	if len(q) == 0 {
		return s, nil
	}
	if text := strings.TrimSpace(q.Get("focus")); text != "" {
		name, err := domainName("focus", text)
		if err != nil {
			return s, err
		}
		s.focused = true
		s.add("focus "+name.String(), graph.Focus(name, 1))
	}
	switch {
	case isSet(q, "skipAnon"):
		s.add("skip", graph.WithoutUnnamed)
	case isSet(q, "combineAnon"):
		s.add("combine", graph.Combined)
	}
	return s, nil
}

// isSet takes a parameter as a switch, which the old pages write without a value. It takes anything for a yes that is no clear no.
func isSet(q url.Values, name string) bool {
	on, err := toggle(q, name)
	return on || err != nil
}
