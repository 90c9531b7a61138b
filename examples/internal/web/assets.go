package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

// types are the media types of assets, by the ending of their names, wherever the machine's own list differs.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// serveAssets serves each embedded file under its plain name, and for good under a path that changes with its content.
// The style sheet of the map holds the common one as well.
func (s *Server) serveAssets() {
	s.hashed = make(map[string]string)
	err := fs.WalkDir(files, "assets", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		name := p[len("assets/"):]
		if name == "map.css" {
			// The map waits for nothing longer than for its second style sheet.
			common, err := fs.ReadFile(files, "assets/style.css")
			if err != nil {
				return err
			}
			body = append(common, body...)
		}
		s.serveAsset(name, body)
		return nil
	})
	if err != nil {
		panic(err)
	}
}

func (s *Server) serveAsset(name string, body []byte) {
	sum := sha256.Sum256(body)
	hashed := path.Join("/assets", hex.EncodeToString(sum[:6]), name)
	kind, ok := types[path.Ext(name)]
	if !ok {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	doc := edition.NewDocument(kind, body)
	serve := func(cache string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", cache)
			doc.Serve(w, r)
		}
	}
	s.mux.HandleFunc("GET "+hashed, serve("public, max-age=31536000, immutable"))
	s.mux.HandleFunc("GET /assets/"+name, serve("public, max-age=3600"))
	s.hashed[name] = hashed
}

// serveFavicon is for those who look in the old place.
func (s *Server) serveFavicon(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=86400")
	http.Redirect(w, r, s.hashed["icon.svg"], http.StatusFound)
}
