package api

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// sse is one message of a stream.
type sse struct{ id, event, data string }

// parse reads messages as a browser does, without the comments.
func parse(t *testing.T, r *bufio.Reader) sse {
	t.Helper()
	var m sse
	for {
		s, err := r.ReadString('\n')
		require.NoError(t, err)
		s = strings.TrimSuffix(s, "\n")
		field, value, _ := strings.Cut(s, ": ")
		switch field {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			if m.event != "" {
				return m
			}
		}
	}
}

// listener is a client of a real server.
type listener struct {
	t *testing.T
	r *bufio.Reader
	io.Closer
}

func listen(t *testing.T, url, lastID string) *listener {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+base+"/events", nil)
	require.NoError(t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	return &listener{t, bufio.NewReader(resp.Body), resp.Body}
}

func (l *listener) next() sse { return parse(l.t, l.r) }

// told is what the tests read of changes.
type told struct {
	From, To uint64
	Counts   counts
	Events   []struct {
		Kind   string
		Domain *domain
		Index  *int
		Link   *link
	}
	Moved map[string][3]float64
}

func decode(t *testing.T, m sse) told {
	t.Helper()
	require.Equal(t, "changes", m.event)
	var c told
	require.NoError(t, json.Unmarshal([]byte(m.data), &c))
	return c
}

func TestEvents(t *testing.T) {
	w := newWorld(t, Options{})
	srv := httptest.NewServer(w)
	defer srv.Close()
	defer w.Close()
	defer http.DefaultClient.CloseIdleConnections()

	l := listen(t, srv.URL, "")
	hello := l.next()
	require.Equal(t, "hello", hello.event)
	require.JSONEq(t, `{"version":1,"at":"2025-11-13T12:00:00Z"}`, hello.data)

	w.report("new.test", 5, "a.test")
	first := l.next()
	c := decode(t, first)
	require.Equal(t, uint64(1), c.From)
	require.Equal(t, 4, c.Counts.Domains)
	require.Equal(t, "joined new.test", c.Events[0].Kind+" "+c.Events[0].Domain.Name)
	require.NotNil(t, c.Events[0].Domain.X)
	require.Equal(t, 5, c.Events[0].Domain.Unnamed)
	require.Equal(t, "linked a.test new.test one-sided", c.Events[1].Kind+" "+c.Events[1].Link.A+" "+c.Events[1].Link.B+" "+c.Events[1].Link.State)
	require.NotContains(t, c.Moved, "new.test", "its place came with it")

	w.g.Forget(xep.MustName("c.test"))
	second := l.next()
	gone := decode(t, second)
	require.Equal(t, c.To, gone.From)
	require.Equal(t, "renounced 2", gone.Events[0].Kind+" "+strconv.Itoa(*gone.Events[0].Index))
	require.NotContains(t, second.data, "c.test", "a name that is withdrawn is not told again")

	// Who comes back gets what happened meanwhile in one piece, and who comes back from elsewhere begins anew.
	back := listen(t, srv.URL, hello.id)
	require.Equal(t, "hello", back.next().event)
	resumed := back.next()
	require.Equal(t, second.id, resumed.id)
	require.Equal(t, []uint64{1, gone.To}, []uint64{decode(t, resumed).From, decode(t, resumed).To})
	require.NotContains(t, resumed.data, "c.test")
	for _, id := range []string{"x", "other-1", w.press.Epoch() + "-99", w.press.Epoch() + "-", strings.Repeat("1", 300)} {
		lost := listen(t, srv.URL, id)
		require.Empty(t, lost.next().id)
		reset := lost.next()
		require.Equal(t, []string{"reset", second.id}, []string{reset.event, reset.id})
	}
	same := listen(t, srv.URL, second.id)
	require.Equal(t, second.id, same.next().id)
}

func TestDiff(t *testing.T) {
	w := newWorld(t, Options{})
	v1 := read[compact](w, base+"/graph").Version
	w.report("brief.test", 0, "a.test")
	then := read[compact](w, base+"/graph")
	require.NotEmpty(t, read[told](w, base+"/diff?from=1&to=2").Events)
	w.g.Forget(xep.MustName("brief.test"))

	d := read[told](w, base+"/diff?from=2")
	require.Equal(t, then.Version, d.From)
	require.Equal(t, "renounced brief.test", d.Events[0].Kind+" "+then.Names[*d.Events[0].Index])
	require.Equal(t, uint64(1), v1)
	require.NotContains(t, text(t, w.get(base+"/diff?from=2")), "brief.test", "only who has the old version can tell which name it is")
	requireProblem(t, http.StatusGone, w.get(base+"/diff?from=1&to=2"))
	require.Empty(t, read[told](w, base+"/diff?from=1&to=1").Events)
	require.Empty(t, read[told](w, base+"/diff?from=3").Events)
	requireProblem(t, http.StatusGone, w.get(base+"/diff?from=77"))
	requireProblem(t, http.StatusBadRequest, w.get(base+"/diff?from=2&to=1"))
}

// The changes lead from one graph to the other.
func TestChangesAddUp(t *testing.T) {
	w := newWorld(t, Options{})
	known := read[compact](w, base+"/graph").Names
	version := "1"
	for i, n := range []string{"d.test", "e.test", "f.test"} {
		w.report(n, i, "a.test", "g.test")
		if i == 1 {
			w.g.Forget(xep.MustName("b.test"))
		}
		d := read[told](w, base+"/diff?from="+version)
		known = applied(known, d)
		g := read[compact](w, base+"/graph")
		require.Equal(t, known, g.Names)
		version = strconv.FormatUint(g.Version, 10)
	}
}

// applied changes a sorted list of names in the way that clients do.
func applied(names []string, c told) []string {
	after := slices.Clone(names)
	for _, e := range c.Events {
		switch e.Kind {
		case "joined":
			after = append(after, e.Domain.Name)
		case "left", "renounced":
			gone := names[*e.Index]
			after = slices.DeleteFunc(after, func(n string) bool { return n == gone })
		}
	}
	slices.Sort(after)
	return after
}

func TestLimitsOfStreams(t *testing.T) {
	w := newWorld(t, Options{Limits: Limits{Streams: 3, StreamsEach: 2}})
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	c, _, err := w.events.join(one, "")
	require.NoError(t, err)
	_, _, err = w.events.join(one, "")
	require.NoError(t, err)
	_, _, err = w.events.join(one, "")
	require.Equal(t, http.StatusTooManyRequests, err.(problem).Status)
	_, _, err = w.events.join(two, "")
	require.NoError(t, err)
	_, _, err = w.events.join(two, "")
	require.Equal(t, http.StatusServiceUnavailable, err.(problem).Status)
	w.events.leave(c)
	w.events.leave(c)
	_, _, err = w.events.join(two, "")
	require.NoError(t, err)
	w.Close()
	_, _, err = w.events.join(two, "")
	require.Error(t, err)
	n, _ := w.events.numbers()
	require.Zero(t, n)
}

// Who does not read is cut off, and nobody else waits for that.
func TestSlowClientIsCutOff(t *testing.T) {
	w := newWorld(t, Options{})
	slow, _, err := w.events.join(netip.MustParseAddr("192.0.2.1"), "")
	require.NoError(t, err)
	in := w.events.keep(slow)
	ed := w.press.Current()
	for range queue + 1 {
		w.events.broadcast(ed, message("x"))
	}
	got := 0
	for range in {
		got++
	}
	require.Equal(t, queue, got)
	n, cut := w.events.numbers()
	require.Equal(t, []uint64{0, 1}, []uint64{uint64(n), cut})
}

func TestHeartbeatAndRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := graph.New(graph.Options{})
		s := New(edition.New(g, edition.Options{}), Options{})
		defer s.Close()
		c, first, err := s.events.join(netip.Addr{}, "")
		require.NoError(t, err)
		require.Len(t, first, 1)
		began := time.Now()
		beat := <-s.events.keep(c)
		require.Equal(t, heartbeat, time.Since(began))
		require.True(t, strings.HasPrefix(string(beat), "id: "+s.press.Epoch()))
		s.events.leave(c)
		time.Sleep(look) // in the bubble: the hub sees that nobody is left
		synctest.Wait()
		require.False(t, s.events.working)
		_, _, err = s.events.join(netip.Addr{}, "")
		require.NoError(t, err)
		require.True(t, s.events.working)
	})
}

// pipes is a listener of connections within the process, which a synctest bubble can wait for.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// The limits of the http.Server are for whole requests, and a stream outlives them.
func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := graph.New(graph.Options{})
		s := New(edition.New(g, edition.Options{}), Options{})
		srv := &http.Server{Handler: s, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
		l := make(pipes)
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		c, theirs := net.Pipe()
		l <- theirs
		_, err := io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		r, events := bufio.NewReader(c), 0
		changes := time.AfterFunc(10*time.Minute, func() {
			g.Apply(graph.Report{Domain: xep.MustName("new.test"), Until: time.Now().Add(time.Hour)})
		})
		defer changes.Stop()
		for {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			if strings.HasPrefix(line, "event:") {
				if events++; events == 2 {
					require.Equal(t, "event: changes\n", line)
					break
				}
			}
		}
		_ = c.Close()
		close(l)
		require.ErrorIs(t, <-served, net.ErrClosed)
		s.Close()
		require.NoError(t, srv.Close())
		synctest.Wait()
	})
}

// A client that never ends its header costs a connection for a short time only.
func TestSlowHeader(t *testing.T) {
	w := newWorld(t, Options{})
	srv := httptest.NewUnstartedServer(w)
	srv.Config.ReadHeaderTimeout = 20 * time.Millisecond
	srv.Start()
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /api/v1/graph HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	require.NoError(t, err)
	_, err = io.ReadAll(c)
	require.NoError(t, err, "the server hangs up")
}
