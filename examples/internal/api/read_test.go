package api

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// compact is what the tests read of the compact form.
type compact struct {
	Format  string    `json:"format"`
	Version uint64    `json:"version"`
	Names   []string  `json:"names"`
	Counts  []int     `json:"counts"`
	Links   int       `json:"links"`
	X       []float64 `json:"x"`
	R       []float64 `json:"r"`
}

func TestGraph(t *testing.T) {
	tests := map[string]struct {
		query  string
		names  string
		counts []int
		links  int
	}{
		"everything":       {"", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"focus":            {"?focus=A.test", "a.test b.test", []int{3, 0}, 1},
		"focus, far":       {"?focus=a.test&depth=2", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"focus, near":      {"?focus=a.test&depth=0", "a.test", []int{3}, 0},
		"focus, unknown":   {"?focus=x.test", "", nil, 0},
		"focus, unnamed":   {"?focus=shy.test", "", nil, 0},
		"mutual":           {"?mutual", "a.test b.test c.test", []int{3, 0, 1}, 1},
		"mutual, off":      {"?mutual=false", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"reporting":        {"?reporting=1", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"fold":             {"?fold", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"without unnamed":  {"?unnamed=hide", "a.test b.test c.test", []int{0, 0, 0}, 2},
		"combined":         {"?unnamed=combine", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"all at once":      {"?focus=a.test&mutual&fold&reporting&unnamed=hide", "a.test b.test", []int{0, 0}, 1},
		"unknown is left":  {"?utm_source=x", "a.test b.test c.test", []int{3, 0, 1}, 2},
		"at, an hour ago":  {"?at=2025-11-13T11:00:00Z", "a.test old.test", []int{5, 0}, 1},
		"at, in between":   {"?at=2025-11-13T12:15:00%2B01:00", "a.test old.test", []int{5, 0}, 1},
		"at, plus as is":   {"?at=2025-11-13T12:15:00+01:00", "a.test old.test", []int{5, 0}, 1},
		"at, mutual":       {"?at=2025-11-13T11:00:00Z&mutual", "a.test", []int{5}, 0},
		"at, with a focus": {"?at=2025-11-13T11:45:00Z&focus=a.test", "a.test", []int{0}, 0},
	}
	w := newWorld(t, Options{History: history()})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			g := read[compact](w, base+"/graph"+tc.query)
			require.Equal(t, "xmppgraph/1", g.Format)
			require.Equal(t, tc.names, strings.Join(g.Names, " "))
			require.Equal(t, len(g.Names), len(g.X), "every domain has a place")
			if tc.counts != nil {
				require.Equal(t, tc.counts, g.Counts)
			}
			require.Equal(t, tc.links, g.Links)
		})
	}
}

func TestMistakesInParameters(t *testing.T) {
	w := newWorld(t, Options{History: history()})
	for _, url := range []string{
		"/graph?focus=not%20a%20name", "/graph?focus=", "/graph?focus=a.test&depth=-1", "/graph?focus=a.test&depth=99", "/graph?depth=1",
		"/graph?mutual=perhaps", "/graph?unnamed=show", "/graph?at=yesterday", "/graph?at=9999-01-01T00:00:00Z", "/graph?a=%zz", "/graph?a;b",
		"/domains?limit=0", "/domains?limit=201", "/domains?limit=x", "/domains?sort=size", "/domains?order=up", "/domains?cursor=x", "/domains?cursor=1~",
		"/domains?q=" + strings.Repeat("a", 300),
		"/diff", "/diff?from=x", "/diff?from=-1", "/diff?from=99999999999999999999",
		"/history?points=0", "/history?from=x", "/history?to=x", "/history?from=2025-11-13T12:00:00Z&to=2025-11-13T11:00:00Z",
		"/export/gexf?unnamed=none",
	} {
		requireProblem(t, http.StatusBadRequest, w.get(base+url))
	}
	requireProblem(t, http.StatusRequestURITooLong, w.get(base+"/graph?x="+strings.Repeat("y", maxQuery)))
}

func TestDomains(t *testing.T) {
	w := newWorld(t, Options{})
	w.g.Apply(graph.Report{Domain: xep.MustName("bücher.test"), Until: noon.Add(time.Hour)})
	tests := map[string]struct{ query, names string }{
		"by name":          {"", "a.test b.test c.test xn--bcher-kva.test"},
		"by name, falling": {"?order=desc", "xn--bcher-kva.test c.test b.test a.test"},
		"by links":         {"?sort=links", "b.test a.test c.test xn--bcher-kva.test"},
		"by links, rising": {"?sort=links&order=asc", "xn--bcher-kva.test a.test c.test b.test"},
		"by unnamed":       {"?sort=unnamed", "a.test c.test b.test xn--bcher-kva.test"},
		"by report":        {"?sort=reported", "a.test b.test c.test xn--bcher-kva.test"},
		"by age":           {"?sort=first", "a.test b.test c.test xn--bcher-kva.test"},
		"search":           {"?q=B.T", "b.test"},
		"search, unicode":  {"?q=B%C3%BC", "xn--bcher-kva.test"},
		"search, unnamed":  {"?q=shy", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := read[listing](w, base+"/domains"+tc.query)
			require.Equal(t, tc.names, namesOf(l))
			require.Equal(t, len(l.Domains), l.Total)
			require.Empty(t, l.Next)
		})
	}
	all := read[listing](w, base+"/domains").Domains
	require.Equal(t, "Prosody 13.0", all[0].Software+" "+all[0].SoftwareVersion)
	require.Equal(t, []int{3, 1, 1}, []int{all[0].Unnamed, all[0].Links, all[0].Mutual})
	require.Equal(t, "bücher.test", all[3].Label)
	require.Empty(t, all[0].Label)
	require.EqualValues(t, 7, *all[0].Users)
	require.Nil(t, all[1].Users)
}

func namesOf(l listing) string {
	var out []string
	for _, d := range l.Domains {
		out = append(out, d.Name)
	}
	return strings.Join(out, " ")
}

// Every domain comes once, in whatever order and with whatever page, also while others come and go.
func TestPaging(t *testing.T) {
	for _, sort := range []string{"name", "links", "unnamed", "reported", "first"} {
		for _, order := range []string{"asc", "desc"} {
			t.Run(sort+" "+order, func(t *testing.T) {
				w := newWorld(t, Options{})
				for _, n := range []string{"d.test", "e.test", "f.test", "g.test"} {
					w.report(n, len(n)%2, "a.test")
				}
				q := base + "/domains?limit=2&sort=" + sort + "&order=" + order
				want := namesOf(read[listing](w, strings.Replace(q, "limit=2", "limit=200", 1)))
				var got []string
				for next := ""; ; {
					l := read[listing](w, q+"&cursor="+url.QueryEscape(next))
					require.LessOrEqual(t, len(l.Domains), 2)
					require.Equal(t, 7, l.Total)
					got = append(got, namesOf(l))
					if next = l.Next; next == "" {
						break
					}
				}
				require.Equal(t, want, strings.Join(got, " "))
			})
		}
	}
	w := newWorld(t, Options{})
	first := read[listing](w, base+"/domains?limit=1")
	w.g.Forget(xep.MustName("a.test"))
	require.Equal(t, "b.test", namesOf(read[listing](w, base+"/domains?limit=1&cursor="+first.Next)), "the domain at the cursor is gone")
}

func TestDomain(t *testing.T) {
	w := newWorld(t, Options{History: history(), Account: func(n xep.Name) (crawl.Account, bool) {
		return crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Trace: pubsub.Trace{
			{Name: pubsub.StepOptIn, Asked: "disco", Got: "fine\x1b[31m\u202e", Took: 84 * time.Millisecond},
			{Name: pubsub.StepForm, Status: pubsub.StatusFailed, Asked: "form"},
		}}, n == xep.MustName("a.test")
	}})
	d := read[map[string]any](w, base+"/domains/A.test")
	require.Equal(t, "a.test", d["name"])
	require.Equal(t, []any{map[string]any{
		"name": "b.test", "state": "mutual", "claimed": "both", "first": "2025-11-13T12:00:00Z", "last": "2025-11-13T12:00:00Z",
		"directions": map[string]any{"self": []any{"incoming", "outgoing"}, "other": []any{"bidi"}},
	}}, d["neighbours"])
	require.Equal(t, map[string]any{"named": true, "reason": "advertised", "until": "2025-11-13T13:00:00Z"}, d["verdict"])
	require.Equal(t, []any{map[string]any{"first": "2025-11-13T11:00:00Z", "last": "2025-11-13T11:30:00Z", "open": true}}, d["seen"])
	trace := d["trace"].(map[string]any)
	steps := trace["steps"].([]any)
	require.Len(t, steps, 2)
	require.Equal(t, map[string]any{"step": "opt-in", "status": "ok", "asked": "disco", "got": "fine [31m ", "ms": 84.0}, steps[0])
	require.NotEmpty(t, steps[1].(map[string]any)["fix"])
	require.Contains(t, d, "x")

	c := read[detail](w, base+"/domains/c.test")
	require.Equal(t, "one-sided other", c.Neighbours[0].State+" "+c.Neighbours[0].Claimed)
	b := read[detail](w, base+"/domains/b.test")
	require.Equal(t, "one-sided self", b.Neighbours[1].State+" "+b.Neighbours[1].Claimed)
	require.Nil(t, b.Trace)
}

// What may not be named, what is excluded and what nobody knows have the same answer, to the byte.
func TestUnnamedIsUnknown(t *testing.T) {
	out := xep.MustName("c.test")
	w := newWorld(t, Options{History: history(), Exclude: func(n xep.Name) bool { return n == out }})
	unknown := text(t, w.get(base+"/domains/x.test"))
	for _, name := range []string{"shy.test", "c.test", "not%20a%20name", "%F0%9F%92%A9", strings.Repeat("a", 400)} {
		r := w.get(base + "/domains/" + name)
		require.Equal(t, http.StatusNotFound, r.StatusCode, name)
		require.Equal(t, unknown, text(t, r), name)
	}
	for _, path := range []string{"/graph", "/domains", "/domains/b.test", "/export/gexf", "/diff?from=1", "/stats"} {
		require.NotContains(t, text(t, w.get(base+path)), "shy.test", path)
		require.NotContains(t, text(t, w.get(base+path)), "c.test", path)
	}
}

// A name is gone with its verdict, from documents that were made before, too.
func TestNamesLapse(t *testing.T) {
	w := newWorld(t, Options{})
	paths := []string{base + "/graph", base + "/domains", base + "/export/csv-nodes", "/data.json", "/data3d.json", base + "/graph?focus=a.test"}
	for _, p := range paths {
		require.Contains(t, text(t, w.get(p)), "b.test", p)
	}
	w.advance(time.Hour)
	for _, p := range paths {
		require.NotContains(t, text(t, w.get(p)), "b.test", p)
	}
	requireProblem(t, http.StatusNotFound, w.get(base+"/domains/b.test"))
}

func TestStats(t *testing.T) {
	st := crawl.Stats{Known: 9, Visits: map[crawl.Outcome]uint64{crawl.OutcomeReport: 3}, Failures: map[crawl.Failure]uint64{crawl.FailureTimeout: 1}}
	w := newWorld(t, Options{History: history(), Crawl: func() (crawl.Stats, bool) { return st, true }})
	s := read[stats](w, base+"/stats")
	require.Equal(t, counts{Domains: 3, Reporting: 3, Links: 2, Mutual: 1, Unnamed: 4}, s.Counts)
	require.Equal(t, []software{{"Prosody", 1}}, s.Software)
	require.Equal(t, 9, s.Crawl.Known)
	require.Equal(t, map[string]uint64{"report": 3}, s.Crawl.Visits)
	require.Equal(t, "2025-11-13T11:00:00Z 2025-11-13T11:30:00Z", stampText(t, s.History.From)+" "+stampText(t, s.History.To))

	bare := read[map[string]any](newWorld(t, Options{}), base+"/stats")
	require.NotContains(t, bare, "crawl")
	require.NotContains(t, bare, "history")
}

func stampText(t *testing.T, s stamp) string {
	b, err := s.MarshalText()
	require.NoError(t, err)
	return string(b)
}

func TestHistory(t *testing.T) {
	w := newWorld(t, Options{History: history()})
	h := read[series](w, base+"/history")
	require.Len(t, h.Points, 2)
	require.Equal(t, 5, h.Points[0].Unnamed)
	require.Equal(t, "2025-11-13T11:00:00Z", stampText(t, h.From))
	require.Len(t, read[series](w, base+"/history?from=2025-11-13T11:15:00Z").Points, 1)
	require.Len(t, read[series](w, base+"/history?to=2025-11-13T11:15:00Z&points=1").Points, 1)
	require.Empty(t, read[series](w, base+"/history?to=2025-11-12T00:00:00Z").Points)
	requireProblem(t, http.StatusNotFound, w.get(base+"/graph?at=2025-11-12T00:00:00Z"))
}

func TestFirstOfALongHistory(t *testing.T) {
	p := new(past)
	for i := range 5000 {
		p.moments = append(p.moments, store.Moment{Count: store.Count{At: noon.Add(time.Duration(i-5000) * 5 * time.Minute)}})
	}
	w := newWorld(t, Options{History: p})
	s := read[stats](w, base+"/stats")
	require.Equal(t, stampText(t, stamp(p.moments[0].At)), stampText(t, s.History.From))
}

func TestWithoutHistory(t *testing.T) {
	w := newWorld(t, Options{})
	requireProblem(t, http.StatusNotFound, w.get(base+"/history"))
	requireProblem(t, http.StatusNotFound, w.get(base+"/graph?at=2025-11-13T11:00:00Z"))
	broken := newWorld(t, Options{History: &past{err: store.ErrUnavailable}})
	for _, path := range []string{"/history", "/graph?at=2025-11-13T11:00:00Z"} {
		r := broken.get(base + path)
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		requireProblem(t, http.StatusServiceUnavailable, r)
	}
	require.Equal(t, http.StatusOK, broken.get(base+"/stats").StatusCode, "the present goes on")
	require.Equal(t, http.StatusOK, broken.get(base+"/domains/a.test").StatusCode)
}

func TestMomentsAreKeptForAWhile(t *testing.T) {
	p := history()
	w := newWorld(t, Options{History: p})
	for range 3 {
		w.get(base + "/graph?at=2025-11-13T11:00:00Z")
		w.get(base + "/graph?at=2025-11-13T11:00:00Z&mutual")
	}
	require.Equal(t, 1, p.asked)
	w.advance(momentLife)
	w.get(base + "/graph?at=2025-11-13T11:00:00Z")
	require.Equal(t, 2, p.asked, "a name that is gone may not stay")
	for i := range 3 * maxMoments {
		w.get(base + "/graph?at=" + noon.Add(-time.Duration(i)*time.Second).Format(time.RFC3339))
	}
	require.LessOrEqual(t, len(w.moments.all), maxMoments)
}

func TestExports(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Exports: -1}})
	formats := read[struct{ Formats []format }](w, base+"/formats").Formats
	require.Len(t, formats, len(export.Formats()))
	files := map[string]bool{}
	for _, f := range formats {
		r := w.get(f.URL + "?focus=a.test")
		require.Equal(t, http.StatusOK, r.StatusCode, f.Name)
		require.Equal(t, f.MediaType, r.Header.Get("Content-Type"))
		body := text(t, r)
		require.Contains(t, body, "b.test", f.Name)
		require.NotContains(t, body, "c.test", f.Name)
		if strings.HasSuffix(f.MediaType, "xml") {
			require.NoError(t, xml.Unmarshal([]byte(body), new(struct{})), f.Name)
		}
		name := r.Header.Get("Content-Disposition")
		require.Regexp(t, `^attachment; filename="xmppgraph-\d{8}T\d{6}Z-[a-z0-9-]+\.[a-z.]+"$`, name)
		files[name] = true
	}
	require.Len(t, files, len(formats))
	requireProblem(t, http.StatusNotFound, w.get(base+"/export/pdf"))
	h := newWorld(t, Options{History: history()})
	require.Equal(t, `attachment; filename="xmppgraph-20251113T110000Z-gexf.gexf"`,
		h.get(base+"/export/gexf?at=2025-11-13T11:00:00Z").Header.Get("Content-Disposition"))
}
