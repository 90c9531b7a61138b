package api

import (
	"net/http"
	"sync/atomic"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/quick"
	"github.com/xmppgraph/xmppgraph/graph/export"
)

// quickHeader is what [Server.wrap] and the handlers of the graph set.
const quickHeader = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: ETag, Retry-After, Content-Disposition\r\n" +
	"Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"

// Quick answers requests for the whole present network, as the handlers do, for a [quick.Listener].
// It returns nil for all others.
func (s *Server) Quick(h quick.Head) []byte {
	var make func(*edition.Edition) (*edition.Document, error)
	var asked *atomic.Uint64
	switch string(h.Path) {
	case base + "/graph":
		make, asked = s.wholeGraph, s.asked[base+"/graph"]
	case "/data.json":
		make, asked = s.wholeOld, s.asked["/data.json"]
	default:
		return nil
	}
	doc, err := make(s.press.Current())
	if err != nil {
		return nil
	}
	response := doc.Response(h.AcceptEncoding, h.IfNoneMatch, quickHeader, s.o.Now())
	if response != nil {
		asked.Add(1)
	}
	return response
}

func (s *Server) wholeGraph(ed *edition.Edition) (*edition.Document, error) {
	return ed.Document("export-"+export.Compact.Name, true, func() (*edition.Document, error) {
		return write(s.life, ed, export.Compact, nil)
	})
}

func (s *Server) wholeOld(ed *edition.Edition) (*edition.Document, error) {
	return ed.Document("old-"+export.OldSite.Name, true, func() (*edition.Document, error) { return writeOld(ed, export.OldSite, nil) })
}

// counters returns what counts the requests of each path.
func counters(used []route) map[string]*atomic.Uint64 {
	all := make(map[string]*atomic.Uint64, len(used))
	for _, rt := range used {
		if rt.method == http.MethodGet {
			all[rt.path] = rt.asked
		}
	}
	return all
}
