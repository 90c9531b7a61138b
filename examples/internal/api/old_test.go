package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oldNode is a node as the old pages read it; one that is unnamed has no label.
type oldNode struct {
	ID    string  `json:"id"`
	Label *string `json:"label"`
}

// visData is what the page on vis-network reads (index.html) and, with the same file, that on VivaGraph (webgl.html).
type visData struct {
	Nodes []oldNode
	Edges []struct{ From, To string }
}

// forceData is what the page on 3d-force-graph reads (3d.html).
type forceData struct {
	Nodes []oldNode
	Links []struct{ Source, Target string }
}

// The old pages' requests: data.json with switches that have no value, and the focus of the page's own address handed on.
func TestOldData(t *testing.T) {
	tests := map[string]struct {
		query          string
		named          string
		unnamed, edges int
	}{
		"everything":        {"", "a.test b.test c.test", 4, 6},
		"named only":        {"?skipAnon", "a.test b.test c.test", 0, 2},
		"named only, =":     {"?skipAnon=", "a.test b.test c.test", 0, 2},
		"named only, value": {"?skipAnon=true", "a.test b.test c.test", 0, 2},
		"switched off":      {"?skipAnon=false", "a.test b.test c.test", 4, 6},
		"any other value":   {"?skipAnon=on-please", "a.test b.test c.test", 0, 2},
		"combined":          {"?combineAnon", "a.test b.test c.test", 2, 4},
		"both":              {"?skipAnon&combineAnon", "a.test b.test c.test", 0, 2},
		"focus":             {"?focus=c.test", "b.test c.test", 1, 2},
		"focus, any case":   {"?focus=%20C.TEST.%20&skipAnon", "b.test c.test", 0, 1},
		"focus, empty":      {"?focus=", "a.test b.test c.test", 4, 6},
		"focus on unknown":  {"?focus=nobody.test", "", 0, 0},
		"focus on unnamed":  {"?focus=shy.test", "", 0, 0},
		"cache buster":      {"?_=1700000000", "a.test b.test c.test", 4, 6},
	}
	w := newWorld(t, Options{})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := read[visData](w, "/data.json"+tc.query)
			ids, named, unnamed := nodes(t, d.Nodes)
			require.Equal(t, tc.named, named)
			require.Equal(t, tc.unnamed, unnamed)
			require.Len(t, d.Edges, tc.edges)
			for _, e := range d.Edges {
				require.True(t, ids[e.From] && ids[e.To])
			}
			three := read[forceData](w, "/data3d.json"+tc.query)
			ids, named, unnamed = nodes(t, three.Nodes)
			require.Equal(t, tc.named, named)
			require.Equal(t, tc.unnamed, unnamed)
			require.Len(t, three.Links, tc.edges)
			for _, e := range three.Links {
				require.True(t, ids[e.Source] && ids[e.Target])
			}
		})
	}
	requireProblem(t, http.StatusBadRequest, w.get("/data.json?focus=not%20a%20name"))
}

// nodes returns the ids of nodes, which must differ, and what is named and how many are not.
func nodes(t *testing.T, all []oldNode) (ids map[string]bool, named string, unnamed int) {
	t.Helper()
	ids = map[string]bool{}
	var labels []string
	for _, n := range all {
		ids[n.ID] = true
		if n.Label == nil {
			unnamed++
			continue
		}
		require.Equal(t, n.ID, *n.Label)
		labels = append(labels, *n.Label)
	}
	require.Len(t, ids, len(all))
	return ids, strings.Join(labels, " "), unnamed
}

// What a browser does around these requests: it asks again with what it has, and posts the form.
func TestOldPagesInABrowser(t *testing.T) {
	w := newWorld(t, Options{Look: visitor("one")})
	for _, path := range []string{"/data.json", "/data3d.json"} {
		r := w.get(path, "Accept", "application/json, text/javascript, */*; q=0.01", "X-Requested-With", "XMLHttpRequest", "Sec-Fetch-Site", "same-origin")
		require.Equal(t, "application/json", r.Header.Get("Content-Type"), "jQuery and fetch parse it by that")
		require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
		require.Equal(t, "*", r.Header.Get("Access-Control-Allow-Origin"))
		again := w.get(path, "If-None-Match", r.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Equal(t, http.StatusOK, w.do(http.MethodHead, path, "").StatusCode)
	}
	r := w.do(http.MethodPost, "/submit", "domain=new.test", "Content-Type", form+"; charset=UTF-8", "Sec-Fetch-Site", "same-origin", "Origin", "http://example.com")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "new.test opts in and reports its connections.\n", text(t, r))
}

func FuzzParameters(f *testing.F) {
	for _, q := range []string{"focus=a.test&depth=2", "mutual&fold", "at=2025-11-13T12:00:00Z", "q=a&sort=links&cursor=1~a.test", "from=1&to=2", "skipAnon", "points=3", "%zz", "a;b"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		w := newWorld(t, Options{History: history(), Limits: Limits{Exports: -1}})
		for _, path := range []string{"/graph", "/domains", "/diff", "/history", "/export/gml"} {
			r := httptest.NewRequest(http.MethodGet, base+path, nil)
			r.URL.RawQuery = q
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			require.Contains(t, []int{200, 400, 404, 410, 414}, rec.Code, path)
			require.NotContains(t, rec.Body.String(), "shy.test")
		}
	})
}
