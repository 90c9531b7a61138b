// Package web serves a network graph to browsers: a page that needs no script, and the data behind it.
//
// Everything it shows comes from a snapshot of the graph, which holds no name without a live verdict.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

//go:embed templates assets
var files embed.FS

// csp allows what the page has: its own style sheet and icon, a form that leads back to it, and nothing else.
const csp = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"

// Site is what the operator says about the site. The zero value works.
type Site struct {
	// Title is the name of the site, "The XMPP network" by default.
	Title string
	// Contact is a mailto:, xmpp: or https: URI of the operator, empty for none.
	Contact string
	// Demo marks the network as invented.
	Demo bool
}

// Server serves the editions of one graph.
type Server struct {
	press *edition.Press
	site  Site
	page  *template.Template
	style string // the path of the style sheet, with a hash of its content
	mux   *http.ServeMux
}

// New returns a server for the editions of a press. It panics where its own embedded files are broken, which a test would see.
func New(press *edition.Press, site Site) *Server {
	if site.Title == "" {
		site.Title = "The XMPP network"
	}
	s := &Server{
		press: press,
		site:  site,
		page:  template.Must(template.New("page.html").Funcs(funcs).ParseFS(files, "templates/page.html")),
		mux:   http.NewServeMux(),
	}
	s.style = s.asset("style.css", "text/css; charset=utf-8")
	s.asset("icon.svg", "image/svg+xml")
	s.mux.HandleFunc("GET /{$}", s.servePage)
	s.mux.HandleFunc("GET /data.json", s.serveData)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", csp)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	s.mux.ServeHTTP(w, r)
}

// asset serves an embedded file under its plain name, and for good under a path that changes with its content.
func (s *Server) asset(name, contentType string) string {
	body, err := fs.ReadFile(files, "assets/"+name)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(body)
	hashed := path.Join("/assets", hex.EncodeToString(sum[:6]), name)
	doc := edition.NewDocument(contentType, body)
	serve := func(cache string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", cache)
			doc.Serve(w, r)
		}
	}
	s.mux.HandleFunc("GET "+hashed, serve("public, max-age=31536000, immutable"))
	s.mux.HandleFunc("GET /assets/"+name, serve("public, max-age=3600"))
	return hashed
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	focus := strings.TrimSpace(r.URL.Query().Get("focus"))
	doc, err := ed.Document("page", focus == "", func() (*edition.Document, error) {
		return s.renderPage(ed, focus)
	})
	if err != nil {
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	if ed.Snapshot().Len() == 0 {
		// Right after the start there is nothing to see, and a moment later there is.
		w.Header().Set("Refresh", "3")
	}
	doc.Serve(w, r)
}
