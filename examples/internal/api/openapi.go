package api

import (
	_ "embed"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

//go:embed openapi.json
var openAPI []byte

var openAPIDocument = sync.OnceValue(func() *edition.Document { return edition.NewDocument(jsonType, openAPI) })

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	openAPIDocument().Serve(w, r)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
