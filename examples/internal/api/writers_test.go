package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
)

// ends joins a hub so many times, and returns the clients' ends of the connections.
func ends(t *testing.T, h *hub, n int) []net.Conn {
	all := make([]net.Conn, n)
	for i := range all {
		c, _, err := h.join(netip.Addr{}, "")
		require.NoError(t, err)
		ours, theirs := net.Pipe()
		h.take(c, theirs, message("hello\n"))
		all[i] = ours
	}
	return all
}

func nextLine(t *testing.T, c net.Conn) string {
	t.Helper()
	s, err := bufio.NewReaderSize(c, 16).ReadString('\n')
	require.NoError(t, err)
	return s
}

// Those who don't read are cut off, and those who do get everything at once and in order, though there are more of the others than writers.
func TestSlowClientsDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{Limits: Limits{StreamsEach: -1}})
		defer s.Close()
		slow := ends(t, s.events, 3*mostWriters)
		quick := ends(t, s.events, 1)[0]
		require.Equal(t, "hello\n", nextLine(t, quick))
		ed := s.press.Current()
		began := time.Now()
		for i := range queue + 1 {
			m := strconv.Itoa(i) + "\n"
			s.events.broadcast(ed, message(m))
			require.Equal(t, m, nextLine(t, quick))
		}
		require.Less(t, time.Since(began), time.Second)
		n, cut := s.events.numbers()
		require.Equal(t, []int{1, len(slow)}, []int{n, int(cut)})
		for _, c := range slow {
			_, err := io.ReadAll(c)
			require.NoError(t, err)
		}
		_ = quick.Close()
		synctest.Wait()
		n, _ = s.events.numbers()
		require.Zero(t, n, "who goes is noticed at once")
	})
}

// Who falls behind for a while gets all that was missed, in order, and then keeps up again.
func TestClientCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{})
		defer s.Close()
		c := ends(t, s.events, 1)[0]
		time.Sleep(writeTime / 2) // in the bubble
		for i := range queue {
			s.events.broadcast(s.press.Current(), message(strconv.Itoa(i)+"\n"))
		}
		r := bufio.NewReader(c)
		want := []string{"hello\n"}
		for i := range queue {
			want = append(want, strconv.Itoa(i)+"\n")
		}
		for _, w := range append(want, "x\n") {
			if w == "x\n" {
				s.events.broadcast(s.press.Current(), message(w))
			}
			got, err := r.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, w, got)
		}
		_ = c.Close()
	})
}

func TestClientThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{})
		defer s.Close()
		ends(t, s.events, 1)
		time.Sleep(writeTime + time.Second) // in the bubble
		synctest.Wait()
		n, _ := s.events.numbers()
		require.Zero(t, n)
	})
}

// Where the connection must stay with net/http, as with HTTP/2 and TLS, the handler sends.
func TestEventsOverTLS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(strconv.FormatBool(h2), func(t *testing.T) {
			w := newWorld(t, Options{})
			srv := httptest.NewUnstartedServer(w)
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			defer w.Close()
			client := srv.Client()
			defer client.CloseIdleConnections()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+base+"/events", nil)
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, h2, resp.ProtoMajor == 2)
			l := &listener{t, bufio.NewReader(resp.Body), resp.Body}
			require.Equal(t, "hello", l.next().event)
			w.report("new.test", 5, "a.test")
			require.Equal(t, "joined", decode(t, l.next()).Events[0].Kind)
		})
	}
}

func TestHeadOfStream(t *testing.T) {
	w := newWorld(t, Options{})
	srv := httptest.NewServer(w)
	defer srv.Close()
	defer w.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET "+base+"/events HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.True(t, resp.Close)
	require.Equal(t, int64(-1), resp.ContentLength)
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*", "X-Accel-Buffering": "no",
		"X-Content-Type-Options": "nosniff", "Date": w.o.Now().UTC().Format(http.TimeFormat),
	} {
		require.Equal(t, want, resp.Header.Get(name), name)
	}
}
