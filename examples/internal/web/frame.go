package web

import (
	"bytes"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
)

const htmlType = "text/html; charset=utf-8"

// frame is what every page has.
type frame struct {
	Site Site
	// Page is the name of its template, by which the navigation knows where one is.
	Page string
	// Path is where the page is.
	Path string
	// Title and Description are for those who only see a link to it.
	Title, Description string
	// Image is the path of the picture for links to it.
	Image string
	// Hidden keeps the page out of search engines.
	Hidden bool
	// At is the moment that it shows, and Counts are the numbers then.
	At     time.Time
	Counts graph.Counts
}

func (s *Server) frame(ed *edition.Edition, page, path, title, description string) frame {
	return frame{
		Site: s.site, Page: page, Path: path, Title: title, Description: description, Image: "/og.png",
		At: ed.Snapshot().At(), Counts: ed.Snapshot().Counts(),
	}
}

// FullTitle is the title in a browser's tab.
func (f frame) FullTitle() string {
	if f.Title == "" {
		return f.Site.Title
	}
	return f.Title + " · " + f.Site.Title
}

// Current tells the navigation whether a page is, or contains, the one that is shown.
func (f frame) Current(page string) bool { return f.Page == page }

// parsePages joins every page with the frame. Files that begin with an underscore are part of all of them.
func (s *Server) parsePages() map[string]*template.Template {
	funcs := template.FuncMap{
		"asset": func(name string) string {
			p, ok := s.hashed[name]
			if !ok {
				panic("no asset " + name)
			}
			return p
		},
		"count": count, "counted": counted, "when": when, "stamp": stamp, "day": day, "clean": clean, "lines": lines,
	}
	base := template.Must(template.New("base").Funcs(funcs).ParseFS(files, "templates/base/*.html"))
	entries, err := files.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	pages := make(map[string]*template.Template)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		t := template.Must(template.Must(base.Clone()).ParseFS(files, path.Join("templates", e.Name())))
		pages[strings.TrimSuffix(e.Name(), ".html")] = t
	}
	return pages
}

// render writes a page.
func (s *Server) render(page string, v any) (*edition.Document, error) {
	var b bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&b, "document", v); err != nil {
		return nil, err
	}
	return edition.NewDocument(htmlType, b.Bytes()), nil
}

// show answers with a page of an edition. The key stands for everything that the page shows beside the edition.
//
// With keep it stays for as long as the edition, so that the number of such keys must be bounded. Without, it stays for as long as it is
// asked for often enough. An empty key is for what must be made anew for each visitor.
func (s *Server) show(w http.ResponseWriter, r *http.Request, ed *edition.Edition, key string, keep bool, make func() (string, any, error)) {
	doc, err := paged(ed, key, keep, func() (*edition.Document, error) {
		page, v, err := make()
		if err != nil {
			return nil, err
		}
		return s.render(page, v)
	})
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	doc.Serve(w, r)
}

func paged(ed *edition.Edition, key string, keep bool, make func() (*edition.Document, error)) (*edition.Document, error) {
	if key == "" || keep {
		return ed.Document(key, keep, make)
	}
	return ed.Recent(key, make)
}

// showStatus answers with a page that is not for keeping, under a status of its own.
func (s *Server) showStatus(w http.ResponseWriter, r *http.Request, status int, page string, v any) {
	doc, err := s.render(page, v)
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(doc.Bytes())
	}
}

// serveNotFound answers for what is not there. Names that are not shown get the same.
func (s *Server) serveNotFound(w http.ResponseWriter, r *http.Request) {
	f := s.frame(s.press.Current(), "notfound", "", "Not found", "There is no such page.")
	f.Hidden = true
	s.showStatus(w, r, http.StatusNotFound, "notfound", f)
}

// words returns the handler of a page whose content is all in its template.
func (s *Server) words(page, title, description string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ed := s.press.Current()
		s.show(w, r, ed, page, true, func() (string, any, error) {
			return page, s.frame(ed, page, "/"+page, title, description), nil
		})
	}
}

// Formats are those in which programs get the network.
func (frame) Formats() []*export.Format { return export.Formats() }
