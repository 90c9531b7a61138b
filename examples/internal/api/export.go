package api

import (
	"net/http"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
	"github.com/xmppgraph/xmppgraph/graph/export"
)

// format is a format as it is listed.
type format struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	MediaType string `json:"media_type"`
	Extension string `json:"extension"`
	URL       string `json:"url"`
}

func (s *Server) serveFormats(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	var out struct {
		Formats []format `json:"formats"`
	}
	for _, f := range export.Formats() {
		out.Formats = append(out.Formats, format{f.Name, f.Title, f.MediaType, f.Extension, base + "/export/" + f.Name})
	}
	send(w, r, out)
}

func (s *Server) serveExport(w http.ResponseWriter, r *http.Request) {
	f := export.ByName(r.PathValue("format"))
	if f == nil {
		problem{Status: http.StatusNotFound, Detail: "there is no such format; " + base + "/formats lists them"}.write(w, r)
		return
	}
	if wait := s.exporters.Take(s.client(r)); wait > 0 {
		s.tooMany(w, r, wait)
		return
	}
	ed, sel, err := s.selectEdition(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	h := w.Header()
	h["Cache-Control"] = noCache
	h.Set("Content-Disposition", `attachment; filename="`+fileName(ed.Snapshot().At(), sel.at, f)+`"`)
	s.sendExport(w, r, ed, f, sel)
}

// fileName tells of which time a file is: that which was asked for, or that of the newest change.
func fileName(newest, at time.Time, f *export.Format) string {
	if at.IsZero() {
		at = newest
	}
	return "xmppgraph-" + at.UTC().Format("20060102T150405Z") + "-" + f.Name + "." + f.Extension
}

// client is what limits count by.
func (s *Server) client(r *http.Request) string { return limit.Address(s.o.Client(r)).String() }

func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	s.rejected.Add(1)
	problem{Status: http.StatusTooManyRequests, Detail: "too many requests from one address", retry: wait}.write(w, r)
}
