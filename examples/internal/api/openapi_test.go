package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// document is what the tests read of the description.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
	}
}

type operation struct {
	Parameters []parameter
	Responses  map[string]response
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Schema   struct{ Enum []string }
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema json.RawMessage }
}

func described(t *testing.T) document {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(openAPI, &d))
	return d
}

// resolve returns a response in place of what refers to it.
func (d document) resolve(r response) (response, string) {
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		return d.Components.Responses[name], r.Ref
	}
	return r, ""
}

// call is a request that leads to a status of an operation.
type call struct {
	url, body string
	header    []string
	world     func(t *testing.T) *world
}

var (
	jsonBody = []string{"Content-Type", jsonType}
	formBody = []string{"Content-Type", form}
)

// full is a server that has everything.
func full(t *testing.T) *world {
	return newWorld(t, Options{
		History: history(), Look: visitor("one", "fail"),
		Crawl: func() (crawl.Stats, bool) {
			return crawl.Stats{Known: 3, Visits: map[crawl.Outcome]uint64{crawl.OutcomeReport: 2}, Failures: map[crawl.Failure]uint64{crawl.FailureTimeout: 1}}, true
		},
		Account: func(xep.Name) (crawl.Account, bool) {
			return crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Trace: pubsub.Trace{{Name: pubsub.StepOptIn, Asked: "x", Got: "y"}}}, true
		},
	})
}

func broken(t *testing.T) *world {
	return newWorld(t, Options{History: &past{err: store.ErrUnavailable}, Limits: Limits{Streams: 0}})
}

func empty(t *testing.T) *world {
	w := newWorld(t, Options{})
	w.advance(time.Hour)
	return w
}

// spent is a server where the test's address has used up what it may.
func spent(t *testing.T) *world {
	w := newWorld(t, Options{Look: visitor(), Limits: Limits{Submissions: 1, Exports: 1, StreamsEach: 1}})
	w.do(http.MethodPost, base+"/submit", "domain=a.test", formBody...)
	w.get(base + "/export/gml")
	_, _, err := w.events.join(limit.Address(limit.Remote(&http.Request{RemoteAddr: "192.0.2.1:1"})), "")
	require.NoError(t, err)
	return w
}

// crowded is a server that has no stream left.
func crowded(t *testing.T) *world {
	w := newWorld(t, Options{Limits: Limits{Streams: 1}})
	_, _, err := w.events.join(limit.Address(limit.Remote(&http.Request{RemoteAddr: "198.51.100.1:1"})), "")
	require.NoError(t, err)
	return w
}

// changed is a server whose graph has had two versions.
func changed(t *testing.T) *world {
	w := full(t)
	_, err := w.press.Current().Layout(t.Context())
	require.NoError(t, err)
	w.report("new.test", 1, "a.test", "c.test")
	w.report("b.test", 5, "c.test")
	w.g.Forget(xep.MustName("a.test"))
	return w
}

// calls has at least one request for each status of each operation.
// Those with 304 and 405 are made from the others, and so are those with 414.
var calls = map[string][]call{
	"GET /api/v1/graph 200": {{url: base + "/graph", world: full}, {url: base + "/graph?focus=a.test&fold&unnamed=hide", world: full},
		{url: base + "/graph?at=2025-11-13T11:10:00Z", world: full}},
	"GET /api/v1/graph 400":           {{url: base + "/graph?focus=%20", world: full}},
	"GET /api/v1/graph 404":           {{url: base + "/graph?at=2025-11-13T11:10:00Z", world: empty}},
	"GET /api/v1/graph 503":           {{url: base + "/graph?at=2025-11-13T11:10:00Z", world: broken}},
	"GET /api/v1/domains 200":         {{url: base + "/domains", world: full}, {url: base + "/domains?limit=1&q=b&sort=links", world: full}},
	"GET /api/v1/domains 400":         {{url: base + "/domains?limit=1000", world: full}},
	"GET /api/v1/domains/{name} 200":  {{url: base + "/domains/a.test", world: full}, {url: base + "/domains/b.test", world: broken}},
	"GET /api/v1/domains/{name} 404":  {{url: base + "/domains/shy.test", world: full}},
	"GET /api/v1/stats 200":           {{url: base + "/stats", world: full}, {url: base + "/stats", world: empty}},
	"GET /api/v1/history 200":         {{url: base + "/history", world: full}},
	"GET /api/v1/history 400":         {{url: base + "/history?points=x", world: full}},
	"GET /api/v1/history 404":         {{url: base + "/history", world: empty}},
	"GET /api/v1/history 503":         {{url: base + "/history", world: broken}},
	"GET /api/v1/diff 200":            {{url: base + "/diff?from=1", world: changed}},
	"GET /api/v1/diff 400":            {{url: base + "/diff", world: full}},
	"GET /api/v1/diff 410":            {{url: base + "/diff?from=99", world: full}},
	"GET /api/v1/events 429":          {{url: base + "/events", world: spent}},
	"GET /api/v1/events 503":          {{url: base + "/events", world: crowded}},
	"GET /api/v1/formats 200":         {{url: base + "/formats", world: full}},
	"GET /api/v1/export/{format} 200": {{url: base + "/export/gexf", world: full}},
	"GET /api/v1/export/{format} 400": {{url: base + "/export/gexf?depth=1", world: full}},
	"GET /api/v1/export/{format} 404": {{url: base + "/export/pdf", world: full}},
	"GET /api/v1/export/{format} 429": {{url: base + "/export/gexf", world: spent}},
	"GET /api/v1/export/{format} 503": {{url: base + "/export/gexf?at=2025-11-13T11:10:00Z", world: broken}},
	"GET /api/v1/openapi.json 200":    {{url: base + "/openapi.json", world: full}},
	"POST /api/v1/submit 200":         {{url: base + "/submit", body: `{"domain":"a.test"}`, header: jsonBody, world: full}, {url: base + "/submit", body: "domain=192.0.2.1", header: formBody, world: full}},
	"POST /api/v1/submit 400":         {{url: base + "/submit", body: `{`, header: jsonBody, world: full}},
	"POST /api/v1/submit 403":         {{url: base + "/submit", body: "domain=a.test", header: append([]string{"Sec-Fetch-Site", "cross-site"}, formBody...), world: full}},
	"POST /api/v1/submit 413":         {{url: base + "/submit", body: strings.Repeat("a", maxBody+1), header: formBody, world: full}},
	"POST /api/v1/submit 415":         {{url: base + "/submit", body: "a.test", world: full}},
	"POST /api/v1/submit 429":         {{url: base + "/submit", body: "domain=a.test", header: formBody, world: spent}},
	"POST /api/v1/submit 503":         {{url: base + "/submit", body: "domain=a.test", header: formBody, world: empty}},
	"GET /data.json 200":              {{url: "/data.json", world: full}, {url: "/data.json?skipAnon", world: full}},
	"GET /data.json 400":              {{url: "/data.json?focus=a%20b", world: full}},
	"GET /data3d.json 200":            {{url: "/data3d.json?combineAnon", world: full}},
	"GET /data3d.json 400":            {{url: "/data3d.json?focus=a%20b", world: full}},
	"POST /submit 200":                {{url: "/submit", body: "domain=a.test", header: formBody, world: full}},
	"POST /submit 400":                {{url: "/submit", body: "domain=", header: formBody, world: full}},
	"POST /submit 403":                {{url: "/submit", body: "domain=a.test", header: append([]string{"Sec-Fetch-Site", "cross-site"}, formBody...), world: full}},
	"POST /submit 413":                {{url: "/submit", body: strings.Repeat("a", maxBody+1), header: formBody, world: full}},
	"POST /submit 415":                {{url: "/submit", body: "a.test", world: full}},
	"POST /submit 429":                {{url: "/submit", body: "domain=a.test", header: formBody, world: spent}},
	"POST /submit 503":                {{url: "/submit", body: "domain=a.test", header: formBody, world: empty}},
	"GET /healthz 200":                {{url: "/healthz", world: empty}},
	"GET /readyz 200":                 {{url: "/readyz", world: full}},
	"GET /readyz 503":                 {{url: "/readyz", world: empty}},
	"GET /metrics 200":                {{url: "/metrics", world: full}},
}

// The description and the handlers agree: each path, each method and each status is real, and what is answered is what is described.
func TestOpenAPI(t *testing.T) {
	d := described(t)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI))
	require.NoError(t, err)
	require.NoError(t, c.AddResource("openapi.json", doc))
	seen := map[string]bool{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			method = strings.ToUpper(method)
			for status := range op.Responses {
				key := fmt.Sprintf("%s %s %s", method, path, status)
				seen[key] = true
				t.Run(key, func(t *testing.T) {
					for _, one := range d.requests(t, key, method, path, status) {
						r := one.world(t).do(orElse(one.method, method), one.url, one.body, one.header...)
						d.check(t, c, r, op, path, strings.ToLower(method), status)
					}
				})
			}
		}
	}
	for key := range calls {
		require.True(t, seen[key], "%s is tested and not described", key)
	}
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

type request struct {
	call
	method string
}

// requests returns what leads to a status.
func (d document) requests(t *testing.T, key, method, path, status string) (out []request) {
	if key == "GET /api/v1/events 200" {
		return nil // an answer without an end: see TestEvents
	}
	example := strings.NewReplacer("{name}", "a.test", "{format}", "gexf").Replace(path)
	if path == base+"/diff" {
		example += "?from=1"
	}
	switch status {
	case "304":
		w := full(t)
		tag := w.get(example).Header.Get("ETag")
		require.NotEmpty(t, tag)
		return []request{{call{example, "", []string{"If-None-Match", tag}, func(*testing.T) *world { return w }}, ""}}
	case "405":
		return []request{{call{url: example, world: full}, http.MethodDelete}}
	case "414":
		return []request{{call{url: path + "?x=" + strings.Repeat("y", maxQuery), world: full}, ""}}
	}
	require.Contains(t, calls, key, "described and not tested")
	for _, c := range calls[key] {
		out = append(out, request{c, ""})
	}
	return out
}

// check holds an answer against what the description says about it.
func (d document) check(t *testing.T, c *jsonschema.Compiler, r *http.Response, op operation, path, method, status string) {
	t.Helper()
	body := text(t, r)
	require.Equal(t, status, strconv.Itoa(r.StatusCode), body)
	want, ref := d.resolve(op.Responses[status])
	if len(want.Content) == 0 {
		require.Empty(t, body)
		return
	}
	kind := r.Header.Get("Content-Type")
	if _, any := want.Content["*/*"]; any {
		require.NotEmpty(t, kind)
		return
	}
	require.Contains(t, want.Content, kind)
	if !strings.HasSuffix(kind, "json") {
		return
	}
	pointer := "#/paths/" + escape(path) + "/" + method + "/responses/" + status
	if ref != "" {
		pointer = ref
	}
	schema, err := c.Compile("openapi.json" + pointer + "/content/" + escape(kind) + "/schema")
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(v), body)
}

// escape writes a member's name as a part of a JSON pointer in an URL.
func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", " ", "%20").Replace(s)
}

// Every route is described, and every method of it that is not is refused.
func TestEveryRouteIsDescribed(t *testing.T) {
	d := described(t)
	s := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{})
	defer s.Close()
	require.Len(t, d.Paths, len(s.used))
	for _, rt := range s.used {
		require.Contains(t, d.Paths[rt.path], strings.ToLower(rt.method), rt.path)
		require.Len(t, d.Paths[rt.path], 1, rt.path)
		require.True(t, Handles(rt.path), rt.path)
	}
}

// Each described value of a parameter is taken.
func TestDescribedParameters(t *testing.T) {
	d := described(t)
	w := newWorld(t, Options{History: history(), Limits: Limits{Exports: -1}})
	for path, operations := range d.Paths {
		for _, p := range operations["get"].Parameters {
			if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
				p = d.Components.Parameters[name]
			}
			for _, v := range p.Schema.Enum {
				r := w.get(strings.ReplaceAll(path, "{format}", "gexf") + "?" + p.Name + "=" + v)
				require.Equal(t, http.StatusOK, r.StatusCode, "%s %s=%s", path, p.Name, v)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	w := full(t)
	for _, rt := range w.used {
		path := strings.NewReplacer("{name}", "a.test", "{format}", "gexf").Replace(rt.path)
		r := w.do(http.MethodOptions, path, "")
		require.Equal(t, http.StatusNoContent, r.StatusCode, path)
		require.Contains(t, r.Header.Get("Allow"), rt.method)
		require.Equal(t, rt.method == http.MethodGet, r.Header.Get("Access-Control-Allow-Origin") == "*", path)
		if rt.method != http.MethodGet || slices.Contains([]string{base + "/diff"}, path) {
			continue
		}
		head := w.do(http.MethodHead, path, "")
		require.Equal(t, http.StatusOK, head.StatusCode, path)
		require.Empty(t, text(t, head), path)
		require.NotEmpty(t, head.Header.Get("Content-Type"), path)
	}
	for _, path := range []string{"/api", "/api/", "/api/v1", "/api/v2/graph", "/nowhere"} {
		requireProblem(t, http.StatusNotFound, w.get(path))
	}
}
