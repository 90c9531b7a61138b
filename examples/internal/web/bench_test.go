package web

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// likeReal is a network of the shape of the real one, and its names, those with the most links first.
func likeReal(size int) (g *graph.Graph, names []string) {
	now := noon
	g = graph.New(graph.Options{Now: func() time.Time { return now }})
	until := now.Add(24 * time.Hour)
	for _, m := range testserver.Network(1, size).Domains {
		names = append(names, m.Name)
		g.Consent(xep.MustName(m.Name), until)
		if len(m.Peers) == 0 {
			continue
		}
		r := graph.Report{Domain: xep.MustName(m.Name), Until: until, Unnamed: m.Unnamed}
		for _, p := range m.Peers {
			r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(p.Name), Until: until, Directions: graph.In | graph.Out})
		}
		g.Apply(r)
	}
	return g, names
}

// BenchmarkPages asks for what depends on a domain in the address, about another domain each time: nothing of it has been asked for before.
func BenchmarkPages(b *testing.B) {
	for _, size := range []int{112, 6000} {
		g, names := likeReal(size)
		for name, path := range map[string]func(string) string{
			"card":    func(n string) string { return "/domains/" + n + "/og.png" },
			"picture": func(n string) string { return "/picture.svg?focus=" + n },
			"badge":   func(n string) string { return "/badge/" + n + ".svg" },
			"embed":   func(n string) string { return "/embed?focus=" + n },
			"domain":  func(n string) string { return "/domains/" + n },
			"map":     func(n string) string { return "/?focus=" + n },
		} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				// The first is for what all of them share, such as the layout.
				begin := func() *Server {
					h := New(edition.New(g, edition.Options{}), Options{Drawings: -1})
					serve(b, h, path(names[0]))
					return h
				}
				h, i := begin(), 0
				for b.Loop() {
					if i++; i == len(names) {
						b.StopTimer()
						h, i = begin(), 1
						b.StartTimer()
					}
					serve(b, h, path(names[i]))
				}
			})
		}
	}
}

// BenchmarkWhole asks for what is made once for an edition, each time of a new one.
func BenchmarkWhole(b *testing.B) {
	for _, size := range []int{112, 6000} {
		g, _ := likeReal(size)
		for name, path := range map[string]string{"card": "/og.png", "picture": "/picture.svg"} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					h := New(edition.New(g, edition.Options{}), Options{})
					_, err := h.press.Current().Layout(b.Context())
					require.NoError(b, err)
					b.StartTimer()
					serve(b, h, path)
				}
			})
		}
	}
}

// BenchmarkAgain asks for the same page of the same edition time and again, as a browser does.
func BenchmarkAgain(b *testing.B) {
	g, names := likeReal(6000)
	h := New(edition.New(g, edition.Options{}), Options{})
	for name, path := range map[string]string{
		"second": "/domains?page=2", "search": "/domains?q=a&sort=first", "domain": "/domains/" + names[0], "focus": "/?focus=" + names[0],
	} {
		b.Run(name+"/200", func(b *testing.B) {
			for b.Loop() {
				serve(b, h, path, "Accept-Encoding", "gzip")
			}
		})
		b.Run(name+"/304", func(b *testing.B) {
			tag := serve(b, h, path, "Accept-Encoding", "gzip").Get("Etag")
			for b.Loop() {
				serve(b, h, path, "Accept-Encoding", "gzip", "If-None-Match", tag)
			}
		})
	}
}

// serve asks for a path with header fields, names and values by turns, and returns those of the answer.
func serve(b *testing.B, h http.Handler, path string, fields ...string) http.Header {
	b.Helper()
	w := &discard{header: make(http.Header)}
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
	require.NoError(b, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	h.ServeHTTP(w, r)
	if w.status == http.StatusNotModified {
		require.NotEmpty(b, r.Header.Get("If-None-Match"))
		return w.header
	}
	require.Zero(b, w.status, path)
	require.NotZero(b, w.n)
	return w.header
}

// discard is a client that only counts.
type discard struct {
	header http.Header
	status int
	n      int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(b []byte) (int, error) {
	d.n += len(b)
	return len(b), nil
}
