package web

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

// maxSitemap is how many addresses one file may have (https://www.sitemaps.org/protocol.html).
const maxSitemap = 50_000

// serveRobots tells crawlers what is worth their while.
func (s *Server) serveRobots(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	b.WriteString("User-agent: *\nDisallow: /api/\nDisallow: /data.json\nDisallow: /data3d.json\nDisallow: /embed\nDisallow: /submit\n")
	if origin := s.origin(r); origin != "" {
		b.WriteString("\nSitemap: " + origin + "/sitemap.xml\n")
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	edition.NewDocument("text/plain; charset=utf-8", []byte(b.String())).Serve(w, r)
}

// sitemap lists the pages that there are.
type sitemap struct {
	XMLName xml.Name      `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
	URLs    []sitemapPage `xml:"url"`
}

type sitemapPage struct {
	Loc     string `xml:"loc"`
	LastMod string `xml:"lastmod,omitempty"`
}

func (s *Server) serveSitemap(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	doc, err := ed.Document("sitemap", s.site.URL != "", func() (*edition.Document, error) {
		return newSitemap(ed, s.origin(r))
	})
	if err != nil {
		http.Error(w, "the list could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	doc.Serve(w, r)
}

func newSitemap(ed *edition.Edition, origin string) (*edition.Document, error) {
	var m sitemap
	for _, p := range []string{"/", "/domains", "/stats", "/add", "/join", "/about"} {
		m.URLs = append(m.URLs, sitemapPage{Loc: origin + p})
	}
	for d := range ed.Snapshot().Domains() {
		if len(m.URLs) == maxSitemap {
			break
		}
		m.URLs = append(m.URLs, sitemapPage{origin + "/domains/" + d.Name.String(), d.Last.UTC().Format(time.DateOnly)})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(m); err != nil {
		return nil, err
	}
	return edition.NewDocument("application/xml; charset=utf-8", b.Bytes()), nil
}
