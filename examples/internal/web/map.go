package web

import (
	"net/http"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/xep"
)

// mapView is the page with the map.
type mapView struct {
	frame
	// Query is what the visitor asked for by ?focus=, Found whether that is shown, and Focus its name if so.
	Query string
	Found bool
	Focus xep.Name
}

func (s *Server) serveMap(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	query := clean(strings.TrimSpace(r.URL.Query().Get("focus")))
	s.show(w, r, ed, "page map "+query, query == "", func() (string, any, error) {
		return "map", s.mapView(ed, query), nil
	})
}

func (s *Server) mapView(ed *edition.Edition, query string) mapView {
	v := mapView{
		frame: s.frame(ed, "map", "/", "", "Which XMPP servers federate with which, as they report it themselves (XEP-0485): a map that one can search."),
		Query: query,
	}
	name, err := xep.ParseName(query)
	if err != nil {
		return v
	}
	if _, v.Found = ed.Snapshot().Index(name); !v.Found {
		return v
	}
	v.Focus, v.Title = name, name.Unicode()
	v.Path = "/domains/" + name.String()
	v.Image = v.Path + "/og.png"
	return v
}
