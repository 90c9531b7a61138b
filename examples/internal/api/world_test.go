package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

var noon = time.Date(2025, 11, 13, 12, 0, 0, 0, time.UTC)

// world is a network and a server for it, under a clock that moves only when told to.
//
// The network is a.test — b.test, b.test → c.test, a.test → shy.test, and unnamed peers of a.test and c.test; shy.test has no verdict.
type world struct {
	*Server
	t *testing.T
	g *graph.Graph

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, now: noon}
	w.g = graph.New(graph.Options{Now: w.clock})
	w.fill()
	o.Now = w.clock
	w.Server = New(edition.New(w.g, edition.Options{Pulse: -1, Now: w.clock, Exclude: o.Exclude}), o)
	t.Cleanup(w.Close)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) fill() {
	users := uint64(7)
	w.g.Apply(graph.Report{Domain: xep.MustName("a.test"), Until: noon.Add(time.Hour), Unnamed: 2, Software: "Prosody", Version: "13.0", Users: &users,
		Peers: []graph.Peer{w.peer("b.test", graph.In|graph.Out), {Name: xep.MustName("shy.test")}}})
	w.report("b.test", 0, "a.test", "c.test")
	w.report("c.test", 1)
}

func (w *world) peer(name string, d graph.Directions) graph.Peer {
	return graph.Peer{Name: xep.MustName(name), Until: w.clock().Add(time.Hour), Directions: d}
}

func (w *world) report(domain string, unnamed int, peers ...string) {
	r := graph.Report{Domain: xep.MustName(domain), Until: w.clock().Add(time.Hour), Unnamed: unnamed}
	for _, p := range peers {
		r.Peers = append(r.Peers, w.peer(p, graph.Bidi))
	}
	w.g.Apply(r)
}

// do answers one request. The header is pairs of name and value.
func (w *world) do(method, url, body string, header ...string) *http.Response {
	w.t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec.Result()
}

func (w *world) get(url string, header ...string) *http.Response {
	w.t.Helper()
	return w.do(http.MethodGet, url, "", header...)
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// read decodes the answer to a GET, which must be a success.
func read[T any](w *world, url string) T {
	w.t.Helper()
	r := w.get(url)
	body := text(w.t, r)
	require.Equal(w.t, http.StatusOK, r.StatusCode, "%s: %s", url, body)
	var v T
	require.NoError(w.t, json.Unmarshal([]byte(body), &v), url)
	return v
}

// requireProblem wants an error as RFC 9457 describes it.
func requireProblem(t *testing.T, status int, r *http.Response) problem {
	t.Helper()
	body := text(t, r)
	require.Equal(t, status, r.StatusCode, body)
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"), body)
	var p problem
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	require.Equal(t, status, p.Status)
	require.Equal(t, http.StatusText(status), p.Title)
	require.NotEmpty(t, p.Detail)
	return p
}

// past is a store.Public of moments, by rising time.
type past struct {
	moments []store.Moment
	seen    []store.Interval
	err     error
	asked   int
	store.Public
}

func (p *past) Moment(_ context.Context, at time.Time) (*store.Moment, error) {
	p.asked++
	if p.err != nil {
		return nil, p.err
	}
	for _, m := range slices.Backward(p.moments) {
		if !m.At.After(at) {
			return &m, nil
		}
	}
	return nil, store.ErrNotFound
}

func (p *past) Past(context.Context, xep.Name) (*store.Past, error) {
	return &store.Past{Seen: p.seen}, p.err
}

func (p *past) Series(_ context.Context, from, to time.Time, most int) (out []store.Count, err error) {
	for _, m := range p.moments {
		if !m.At.Before(from) && !m.At.After(to) {
			out = append(out, m.Count)
		}
	}
	if len(out) <= most {
		return out, p.err
	}
	var last []store.Count
	for i := range most {
		end := from.Add(to.Sub(from) / time.Duration(most) * time.Duration(i+1))
		if i == most-1 {
			end = to
		}
		var one *store.Count
		for len(out) > 0 && !out[0].At.After(end) {
			one, out = &out[0], out[1:]
		}
		if one != nil {
			last = append(last, *one)
		}
	}
	return last, p.err
}

// history is two moments: an hour ago a.test and old.test were linked, and half an hour ago a.test was alone.
func history() *past {
	a, old := xep.MustName("a.test"), xep.MustName("old.test")
	hour, half := noon.Add(-time.Hour), noon.Add(-30*time.Minute)
	return &past{
		moments: []store.Moment{
			{Count: store.Count{At: hour, Counts: graph.Counts{Domains: 2, Links: 1, Reporting: 1, Unnamed: 5}},
				Domains: []store.Domain{{Name: a, Reporting: true, Unnamed: 5}, {Name: old}}, Links: []store.Link{{A: a, B: old, Claims: store.ByA}}},
			{Count: store.Count{At: half, Counts: graph.Counts{Domains: 1}}, Domains: []store.Domain{{Name: a, Reporting: true}}},
		},
		seen: []store.Interval{{First: hour, Last: half, Open: true}},
	}
}

// visitor is a Look at a domain that opts in, with as many steps as there are words.
func visitor(words ...string) Look {
	return func(_ context.Context, _ string, onStep func(pubsub.Step)) (crawl.Account, error) {
		a := crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Until: noon.Add(time.Hour)}
		for _, word := range words {
			s := pubsub.Step{Name: pubsub.StepDomainInfo, Asked: word, Got: "an answer", Took: 84 * time.Millisecond}
			if word == "fail" {
				s.Status, s.Got = pubsub.StatusFailed, "no answer"
			}
			a.Trace = append(a.Trace, s)
			onStep(s)
		}
		return a, nil
	}
}

// UnmarshalText is for tests, which read what is only written elsewhere.
func (s *stamp) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.RFC3339, string(b))
	*s = stamp(t)
	return err
}
