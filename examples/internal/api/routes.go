package api

import (
	"net/http"
	"strings"
	"sync/atomic"
)

// base is where the interface begins.
const base = "/api/v1"

// route is a path with the one method that it answers; GET includes HEAD.
type route struct {
	method, path string
	handle       http.HandlerFunc
	// asked counts requests.
	asked *atomic.Uint64
}

// Handles reports whether a path belongs to this package rather than to the pages.
func Handles(path string) bool {
	switch path {
	case "/data.json", "/data3d.json", "/submit", "/healthz", "/readyz", "/metrics":
		return true
	}
	return path == "/api" || strings.HasPrefix(path, "/api/")
}

func (s *Server) routes() {
	s.used = []route{
		{http.MethodGet, base + "/graph", s.serveGraph, nil},
		{http.MethodGet, base + "/domains", s.serveDomains, nil},
		{http.MethodGet, base + "/domains/{name}", s.serveDomain, nil},
		{http.MethodGet, base + "/stats", s.serveStats, nil},
		{http.MethodGet, base + "/history", s.serveHistory, nil},
		{http.MethodGet, base + "/diff", s.serveDiff, nil},
		{http.MethodGet, base + "/events", s.serveEvents, nil},
		{http.MethodGet, base + "/formats", s.serveFormats, nil},
		{http.MethodGet, base + "/export/{format}", s.serveExport, nil},
		{http.MethodPost, base + "/submit", s.serveSubmit, nil},
		{http.MethodGet, base + "/openapi.json", s.serveOpenAPI, nil},
		{http.MethodGet, "/data.json", s.serveOld, nil},
		{http.MethodGet, "/data3d.json", s.serveOld3D, nil},
		{http.MethodPost, "/submit", s.serveOldSubmit, nil},
		{http.MethodGet, "/healthz", s.serveHealth, nil},
		{http.MethodGet, "/readyz", s.serveReady, nil},
		{http.MethodGet, "/metrics", s.serveMetrics, nil},
	}
	for i := range s.used {
		rt := &s.used[i]
		rt.asked = new(atomic.Uint64)
		s.mux.HandleFunc(rt.method+" "+rt.path, s.wrap(rt))
		s.mux.HandleFunc(rt.path, s.otherMethod(rt))
	}
	s.asked = counters(s.used)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		cors(w.Header())
		problem{Status: http.StatusNotFound, Detail: "there is nothing at this path; " + base + "/openapi.json lists what there is"}.write(w, r)
	})
}

// Values of header fields, made once because a slice for each response costs more than the answer itself.
var (
	anyOrigin = []string{"*"}
	exposed   = []string{"ETag, Retry-After, Content-Disposition"}
	noCache   = []string{"no-cache"}
	nosniff   = []string{"nosniff"}
)

// cors lets scripts of any site read: nothing here depends on who asks.
func cors(h http.Header) {
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Expose-Headers"] = exposed
	h["X-Content-Type-Options"] = nosniff
}

// maxQuery bounds the query of a request in bytes.
const maxQuery = 2048

func (s *Server) wrap(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rt.asked.Add(1)
		if rt.method == http.MethodGet {
			cors(w.Header())
		}
		if len(r.URL.RawQuery) > maxQuery {
			problem{Status: http.StatusRequestURITooLong, Detail: "the query is too long"}.write(w, r)
			return
		}
		rt.handle(w, r)
	}
}

// otherMethod answers OPTIONS, and refuses what is not the path's own method.
func (s *Server) otherMethod(rt *route) http.HandlerFunc {
	allow := "GET, HEAD, OPTIONS"
	if rt.method == http.MethodPost {
		allow = "POST, OPTIONS"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Allow", allow)
		if rt.method == http.MethodGet {
			cors(h)
		}
		if r.Method != http.MethodOptions {
			problem{Status: http.StatusMethodNotAllowed, Detail: "this path answers " + allow}.write(w, r)
			return
		}
		if rt.method == http.MethodGet {
			h.Set("Access-Control-Allow-Methods", allow)
			h.Set("Access-Control-Allow-Headers", "If-None-Match, Last-Event-ID, Cache-Control")
			h.Set("Access-Control-Max-Age", "86400")
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
