package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
)

// gzipFrom is the size in bytes from which compression saves more than its header costs.
const gzipFrom = 512

// edition is one snapshot with the documents that were made from it.
type edition struct {
	snap *graph.Snapshot

	mu   sync.Mutex
	docs map[string]*lazy

	places   sync.Once
	layout   *layout.Layout
	placeErr error
}

// lazy is a document that the first who wants it makes, while others wait for it.
type lazy struct {
	once sync.Once
	doc  *document
	err  error
}

// edition returns the documents of the present.
func (s *Server) edition() *edition {
	snap := s.graph.Snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || s.now.snap != snap {
		s.now = &edition{snap: snap, docs: make(map[string]*lazy)}
	}
	return s.now
}

// layoutBudget is the time that one layout may take: a page that is late is worse than one that is a little less tidy.
const layoutBudget = 500 * time.Millisecond

// layout returns where the domains of an edition are drawn.
// It starts from the last layout, so that the picture does not jump from one edition to the next.
func (s *Server) layout(ed *edition) (*layout.Layout, error) {
	ed.places.Do(func() {
		s.drawing.Lock()
		defer s.drawing.Unlock()
		// Others may wait for the same layout, so that no visitor's departure may end it.
		ed.layout, ed.placeErr = layout.Compute(context.Background(), ed.snap, layout.Options{Previous: s.last, Budget: layoutBudget})
		if ed.placeErr == nil {
			s.last = ed.layout
		}
	})
	return ed.layout, ed.placeErr
}

// document returns the document of that name, made at most once where keep is true.
// What depends on a visitor's input is not kept, since there is no end of that.
func (e *edition) document(name string, keep bool, make func() (*document, error)) (*document, error) {
	if !keep {
		return make()
	}
	e.mu.Lock()
	l, ok := e.docs[name]
	if !ok {
		l = new(lazy)
		e.docs[name] = l
	}
	e.mu.Unlock()
	l.once.Do(func() { l.doc, l.err = make() })
	return l.doc, l.err
}

// document is bytes that are ready to be sent.
type document struct {
	contentType  string
	plain, gzip  []byte
	etag, etagGz string
}

func newDocument(contentType string, body []byte) *document {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	d := &document{contentType: contentType, plain: body, etag: `"` + tag + `"`, etagGz: `"` + tag + `-gz"`}
	if len(body) < gzipFrom {
		return d
	}
	var b bytes.Buffer
	// Writing to a buffer does not fail, and 9 is a valid level.
	zw, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = zw.Write(body)
	_ = zw.Close()
	if b.Len() < len(body) {
		d.gzip = b.Bytes()
	}
	return d
}

// serve sends the document, compressed where the client can read that, or says that the client has it.
func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	body, tag := d.plain, d.etag
	if d.gzip != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, tag = d.gzip, d.etagGz
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", tag)
	if matches(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", d.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		// An error here is the client's departure.
		_, _ = w.Write(body)
	}
}

// matches compares weakly, as RFC 9110 §13.1.2 asks for.
func matches(ifNoneMatch, tag string) bool {
	for t := range strings.SplitSeq(ifNoneMatch, ",") {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		if t == tag || t == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3).
func acceptsGzip(accept string) bool {
	any := false
	for part := range strings.SplitSeq(accept, ",") {
		coding, params, _ := strings.Cut(part, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "x-gzip" && coding != "*" {
			continue
		}
		q := strings.TrimSpace(params)
		refused := strings.HasPrefix(q, "q=0") && strings.Trim(q[3:], ".0") == ""
		if coding != "*" {
			return !refused
		}
		any = !refused
	}
	return any
}
