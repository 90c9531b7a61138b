package web

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

// serveData answers as the old site of the network did, so that its pages run against this server:
// {"nodes":[{"id","label"}],"edges":[{"from","to"}]}, in which an unnamed node has an id and no label.
//
// The parameter skipAnon leaves unnamed nodes out, combineAnon makes one of those of each reporter, and focus=DOMAIN gives a domain and its neighbours.
func (s *Server) serveData(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-cache")
	q := r.URL.Query()
	ed := s.press.Current()
	key, views, err := dataViews(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	doc, err := ed.Document(key, !q.Has("focus"), func() (*edition.Document, error) {
		var b bytes.Buffer
		if err := export.OldSite.Write(&b, ed.Snapshot().View(views...)); err != nil {
			return nil, err
		}
		return edition.NewDocument("application/json", b.Bytes()), nil
	})
	if err != nil {
		http.Error(w, "the data could not be written", http.StatusInternalServerError)
		return
	}
	doc.Serve(w, r)
}

// dataViews reads the parameters, and returns a name for what they select.
func dataViews(q url.Values) (key string, views []graph.View, err error) {
	key = "data"
	if q.Has("focus") {
		name, err := xep.ParseName(strings.TrimSpace(q.Get("focus")))
		if err != nil {
			return "", nil, errors.New("focus is not a domain name")
		}
		views = append(views, graph.Focus(name, 1))
	}
	switch {
	case isSet(q, "skipAnon"):
		key, views = key+"-skip", append(views, graph.WithoutUnnamed)
	case isSet(q, "combineAnon"):
		key, views = key+"-combine", append(views, graph.Combined)
	}
	return key, views, nil
}

// isSet takes a parameter as a switch, which the old pages write without a value.
func isSet(q url.Values, name string) bool {
	if !q.Has(name) {
		return false
	}
	switch strings.ToLower(q.Get(name)) {
	case "false", "0", "no", "off":
		return false
	}
	return true
}
