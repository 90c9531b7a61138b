// Package web serves a network graph to people: the map, and the same content as pages that need no script.
//
// Everything it shows comes from an edition of the graph, which holds no name without a live verdict.
package web

import (
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

//go:embed templates assets
var files embed.FS

// Options configure a [Server]. The zero value works.
type Options struct {
	// Site is what the operator says about the site.
	Site Site
	// History is the past, nil where nobody keeps it.
	History store.Public
	// Programs is the interface for programs, api.Server, nil where there is none.
	// The page on which visitors add a domain hands their form to it, so that limits and exclusions are known in one place,
	// and the page of a domain asks it how the last visit went.
	Programs http.Handler
	// Client returns the address that a request comes from, nil means the other end of the connection.
	Client func(*http.Request) netip.Addr
	// Drawings is how many pictures that nobody has asked for lately one address may have drawn at once, and DrawEvery how long it takes
	// until it may have one more. Zero means 40 and 2 s, a negative number of drawings no limit.
	Drawings  int
	DrawEvery time.Duration
	// Now is the clock, nil means time.Now.
	Now func() time.Time
}

// The defaults of [Options].
const (
	drawings  = 40
	drawEvery = 2 * time.Second
)

// Server serves the editions of one graph.
type Server struct {
	press  *edition.Press
	o      Options
	site   Site
	pages  map[string]*template.Template
	hashed map[string]string // the path of an asset, with a hash of its content, by its name
	mux    *http.ServeMux

	shelf     *shelf
	drawers   *limit.Limiter
	backdrops backdrops
	// past are the numbers of the past that were read last.
	past struct {
		sync.Mutex
		counts []store.Count
		read   time.Time
	}
}

// New returns a server for the editions of a press. It panics where its own embedded files are broken, which a test would see.
func New(press *edition.Press, o Options) *Server {
	s := &Server{press: press, o: o, site: o.Site.complete(), mux: http.NewServeMux(), shelf: newShelf()}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if s.o.Client == nil {
		s.o.Client = limit.Remote
	}
	s.drawers = limit.New(cmp.Or(o.Drawings, drawings), cmp.Or(o.DrawEvery, drawEvery), s.o.Now)
	s.serveAssets()
	s.pages = s.parsePages()
	s.routes()
	return s
}

func (s *Server) routes() {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":                   s.serveMap,
		"GET /domains":               s.serveDomains,
		"GET /domains/{name}":        s.serveDomain,
		"GET /stats":                 s.serveStats,
		"GET /add":                   s.serveAdd,
		"POST /add":                  s.serveSubmitted,
		"GET /join":                  s.words("join", "For operators", "How the domain of an XMPP server joins the network graph: Prosody, ejabberd, Openfire, Tigase, and others."),
		"GET /about":                 s.words("about", "About", "What this site shows, what it does not, and how to leave it."),
		"GET /embed":                 s.serveEmbed,
		"GET /picture.svg":           s.servePicture,
		"GET /og.png":                s.serveCard,
		"GET /domains/{name}/og.png": s.serveDomainCard,
		"GET /badge/{file}":          s.serveBadge,
		"GET /robots.txt":            s.serveRobots,
		"GET /sitemap.xml":           s.serveSitemap,
		"GET /favicon.ico":           s.serveFavicon,
		"GET /":                      s.serveNotFound,
	} {
		s.mux.HandleFunc(pattern, h)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), strings.HasPrefix(r.URL.Path, "/embed"))
	s.mux.ServeHTTP(w, r)
}
