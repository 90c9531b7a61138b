package api

import (
	"encoding/json"
	"net/http"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
)

const jsonType = "application/json"

// sendJSON sends a value that belongs to an edition.
func (s *Server) sendJSON(w http.ResponseWriter, r *http.Request, ed *edition.Edition, key string, keep bool, value func() (any, error)) {
	doc, err := kept(ed, key, keep, func() (*edition.Document, error) {
		v, err := value()
		if err != nil {
			return nil, err
		}
		return encode(v)
	})
	if err != nil {
		fail(w, r, err)
		return
	}
	doc.Serve(w, r)
}

// kept returns a document, which the edition keeps for as long as it lasts, or for as long as it is asked for.
func kept(ed *edition.Edition, key string, keep bool, make func() (*edition.Document, error)) (*edition.Document, error) {
	if keep {
		return ed.Document(key, true, make)
	}
	return ed.Recent(key, make)
}

func encode(v any) (*edition.Document, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return edition.NewDocument(jsonType, append(b, '\n')), nil
}

// send sends a value that belongs to no edition.
func send(w http.ResponseWriter, r *http.Request, v any) {
	doc, err := encode(v)
	if err != nil {
		fail(w, r, err)
		return
	}
	doc.Brief().Serve(w, r)
}
