package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

var epoch = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// aggregator serves a graph in the way of the HTTP API.
type aggregator struct {
	*httptest.Server
	mu     sync.Mutex
	g      *graph.Graph
	now    time.Time
	broken string // served in place of the graph
	events chan string
	asked  []string
}

func newAggregator(t *testing.T) *aggregator {
	t.Helper()
	a := &aggregator{now: epoch, events: make(chan string)}
	a.g = graph.New(graph.Options{Now: a.clock})
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *aggregator) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *aggregator) pass(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = a.now.Add(d)
}

// report has a domain report peers, all of whom may be named for an hour.
func (a *aggregator) report(domain string, unnamed int, peers ...string) {
	r := graph.Report{Domain: xep.MustName(domain), Until: a.clock().Add(time.Hour), Unnamed: unnamed, Software: "Prosody"}
	for _, p := range peers {
		r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(p), Until: r.Until})
	}
	a.g.Apply(r)
}

func (a *aggregator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.Path)
	broken := a.broken
	a.mu.Unlock()
	s := a.g.Snapshot()
	switch r.URL.Path {
	case "/map/api/v1/graph":
		if broken != "" {
			fmt.Fprint(w, broken)
			return
		}
		var b bytes.Buffer
		_ = export.Compact.Write(&b, s)
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, s.Version()))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b.Bytes()))
	case "/map/api/v1/domains":
		a.domains(w, r, s)
	case "/map/api/v1/events":
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for {
			select {
			case e := <-a.events:
				fmt.Fprint(w, e)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	default:
		http.NotFound(w, r)
	}
}

// domains gives out the list in pages of two.
func (a *aggregator) domains(w http.ResponseWriter, r *http.Request, s *graph.Snapshot) {
	all := slices.Collect(s.Domains())
	var from int
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &from)
	page := map[string]any{}
	var rows []map[string]any
	for _, d := range all[from:min(from+2, len(all))] {
		rows = append(rows, map[string]any{"name": d.Name, "software": d.Software, "first": d.First, "until": d.Until})
	}
	page["domains"] = rows
	if from+2 < len(all) {
		page["next"] = fmt.Sprint(from + 2)
	}
	_ = json.NewEncoder(w).Encode(page)
}

func newMirror(t *testing.T, a *aggregator) *Mirror {
	t.Helper()
	m, err := New(a.URL + "/map/?focus=x")
	require.NoError(t, err)
	m.Now, m.Client, m.Logger = a.clock, a.Client(), slog.New(slog.DiscardHandler)
	return m
}

func TestFetch(t *testing.T) {
	a := newAggregator(t)
	a.report("a.example", 3, "b.example", "e.example")
	a.pass(time.Minute)
	a.report("b.example", 0, "a.example", "c.example")
	a.report("c.example", 0)
	a.pass(time.Minute)
	a.report("d.example", 1)
	m := newMirror(t, a)
	require.Zero(t, m.Snapshot().Len())
	require.NoError(t, m.Fetch(t.Context()))

	want, got := a.g.Snapshot(), m.Snapshot()
	require.Equal(t, want.Counts(), got.Counts())
	require.Equal(t, pairs(want), pairs(got))
	for d := range want.Domains() {
		g, ok := got.Domain(d.Name)
		require.True(t, ok)
		require.Equal(t, d.First, g.First, d.Name)
		require.Equal(t, d.Software, g.Software)
		require.Equal(t, d.Reporting, g.Reporting)
	}
	require.Len(t, got.Path(xep.MustName("e.example"), xep.MustName("c.example")), 4)

	// Nothing has changed, so the list is not read again, and the names last on.
	a.mu.Lock()
	a.asked = nil
	a.mu.Unlock()
	require.NoError(t, m.Fetch(t.Context()))
	require.Equal(t, []string{"/map/api/v1/graph"}, a.asked)

	a.g.Forget(xep.MustName("e.example"))
	require.NoError(t, m.Fetch(t.Context()))
	_, ok := m.Snapshot().Domain(xep.MustName("e.example"))
	require.False(t, ok)
}

// A name is gone with its verdict, and when nothing is heard of the aggregator.
func TestNamesEnd(t *testing.T) {
	a := newAggregator(t)
	a.report("long.example", 0)
	a.g.Apply(graph.Report{Domain: xep.MustName("short.example"), Until: epoch.Add(5 * time.Minute)})
	m := newMirror(t, a)
	require.NoError(t, m.Fetch(t.Context()))
	require.Equal(t, 2, m.Snapshot().Len())
	a.pass(6 * time.Minute)
	require.Equal(t, 1, m.Snapshot().Len())
	a.broken = "garbage"
	require.Error(t, m.Fetch(t.Context()))
	require.Equal(t, 1, m.Snapshot().Len(), "one failure is survived")
	a.pass(5 * time.Minute)
	require.Zero(t, m.Snapshot().Len())
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "map.example", "ftp://map.example", "https://", "https://%zz"} {
		_, err := New(bad)
		require.Error(t, err, bad)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ body, err string }{
		"no JSON":           {"<html>", "invalid character"},
		"another format":    {`{"format":"xmppgraph/2"}`, "is not"},
		"lists of unequal":  {`{"format":"xmppgraph/1","names":["a.example"]}`, "don't fit"},
		"no name":           {`{"format":"xmppgraph/1","names":["a b"],"counts":[0],"reports":[1]}`, "no domain name"},
		"names not sorted":  {`{"format":"xmppgraph/1","names":["b.example","a.example"],"counts":[0,0],"reports":[1,1]}`, "not sorted"},
		"link to nowhere":   {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[0,1,1],"mutual":"0"}`, "don't fit"},
		"link from nowhere": {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[5,1,1],"mutual":"0"}`, "don't fit"},
		"link to itself":    {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[0,1,0],"mutual":"0"}`, "don't fit"},
		"cut short":         {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[0],"mutual":""}`, "don't fit"},
		"backwards":         {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[-1,1,1],"mutual":"0"}`, "don't fit"},
		"mutual of none":    {`{"format":"xmppgraph/1","names":["a.example"],"counts":[0],"reports":[1],"edges":[],"mutual":"0"}`, "don't fit"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAggregator(t)
			a.broken = c.body
			require.ErrorContains(t, newMirror(t, a).Fetch(t.Context()), c.err)
		})
	}
	a := newAggregator(t)
	m, err := New(a.URL + "/elsewhere")
	require.NoError(t, err)
	require.ErrorContains(t, m.Fetch(t.Context()), "404")
}

// An event of the aggregator is followed by a look, and whoever watches is told.
func TestRun(t *testing.T) {
	a := newAggregator(t)
	a.report("a.example", 0)
	m := newMirror(t, a)
	m.breath, m.Interval = time.Millisecond, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { m.Run(ctx) })
	await := func(n int) {
		for c := range m.Watch(ctx) {
			if c.Snapshot.Len() == n {
				return
			}
		}
	}
	await(1)
	a.report("b.example", 0)
	a.events <- ": hello\n\nevent: hello\ndata: {}\n\n"
	a.events <- "event: changes\ndata: " + strings.Repeat("x", 100_000) + "event: changes\n\n"
	await(2)
	cancel()
	parts.Wait()
}

// Whatever an aggregator sends, it is refused or a network.
func FuzzNetwork(f *testing.F) {
	f.Add([]byte(`{"format":"xmppgraph/1","names":["a.example","b.example"],"counts":[2,0],"reports":[1,0],"edges":[0,1,1],"mutual":"0"}`))
	f.Add([]byte(`{"format":"xmppgraph/1","names":["a.example"],"counts":[9223372036854775807],"reports":[1],"edges":[0,1,9223372036854775807],"mutual":"1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := new(compact)
		if json.Unmarshal(b, c) != nil {
			return
		}
		n, err := c.network()
		if err != nil {
			return
		}
		now := func() time.Time { return epoch }
		s := n.graph(epoch, time.Minute, now).Snapshot()
		require.LessOrEqual(t, s.Len(), len(n.names))
		require.LessOrEqual(t, s.Counts().Links, len(n.links))
	})
}

func pairs(s *graph.Snapshot) (all [][2]int) {
	for i, j := range s.Pairs() {
		all = append(all, [2]int{i, j})
	}
	return all
}
