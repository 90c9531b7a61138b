package quick

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestParse(t *testing.T) {
	const end = "\r\n\r\n"
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"simple":              {"GET /x HTTP/1.1\r\nHost: a" + end, true},
		"a browser's":         {"GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUser-Agent: M (X; Y) 1.0\r\nsec-ch-ua: \"a\";v=\"1\"\r\nAccept-Encoding: gzip, br" + end, true},
		"with a query":        {"GET /x?y HTTP/1.1\r\nHost: a" + end, true},
		"no host":             {"GET /x HTTP/1.1" + end, false},
		"two hosts":           {"GET /x HTTP/1.1\r\nHost: a\r\nhost: b" + end, false},
		"empty host":          {"GET /x HTTP/1.1\r\nHost: " + end, false},
		"not all there":       {"GET /x HTTP/1.1\r\nHost: a\r\n", false},
		"nothing":             {"", false},
		"short":               {"GET HTTP/1.1\r\nHost: a" + end, false},
		"more behind":         {"GET /x HTTP/1.1\r\nHost: a" + end + "GET", false},
		"old":                 {"GET /x HTTP/1.0\r\nHost: a" + end, false},
		"another method":      {"HEAD /x HTTP/1.1\r\nHost: a" + end, false},
		"lower case":          {"get /x HTTP/1.1\r\nHost: a" + end, false},
		"a body":              {"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5" + end, false},
		"chunks":              {"GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" + end, false},
		"space before colon":  {"GET /x HTTP/1.1\r\nHost : a" + end, false},
		"folded":              {"GET /x HTTP/1.1\r\nHost: a\r\n b" + end, false},
		"bare line feed":      {"GET /x HTTP/1.1\nHost: a\n\n", false},
		"line feed within":    {"GET /x HTTP/1.1\r\nHost: a\nContent-Length: 5" + end, false},
		"no colon":            {"GET /x HTTP/1.1\r\nHost: a\r\nfoo" + end, false},
		"no name":             {"GET /x HTTP/1.1\r\nHost: a\r\n: foo" + end, false},
		"not ASCII":           {"GET /x HTTP/1.1\r\nHost: a\r\nX: é" + end, false},
		"the last request":    {"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close" + end, false},
		"an upgrade":          {"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c" + end, false},
		"a range":             {"GET /x HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1" + end, false},
		"two conditions":      {"GET /x HTTP/1.1\r\nHost: a\r\nIf-None-Match: a\r\nIf-None-Match: b" + end, false},
		"begins with TLS":     {"\x16\x03\x01\x02\x00", false},
		"two accept-encoding": {"GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\naccept-encoding: zstd" + end, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, ok := parse([]byte(tc.text))
			require.Equal(t, tc.ok, ok)
		})
	}
	h, ok := parse([]byte("GET /x HTTP/1.1\r\nHost: a\r\nACCEPT-encoding:  gzip \r\nIf-none-match: \"t\"" + end))
	require.True(t, ok)
	require.Equal(t, `/x gzip "t"`, fmt.Sprintf("%s %s %s", h.Path, h.AcceptEncoding, h.IfNoneMatch))
}

// Whatever is taken for simple, net/http understands in the same way.
func FuzzParse(f *testing.F) {
	f.Add("GET /x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nIf-None-Match: \"t\"\r\n\r\n")
	f.Add("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parse([]byte(text))
		if !ok || string(h.Path) != "/x" {
			return
		}
		br := bufio.NewReader(strings.NewReader(text))
		r, err := http.ReadRequest(br)
		if err != nil {
			// Hosts that net/http does not like are of no concern for a document that is the same for all.
			require.ErrorContains(t, err, "malformed")
			return
		}
		require.Equal(t, "GET /x", r.Method+" "+r.URL.Path)
		require.Equal(t, string(h.AcceptEncoding), r.Header.Get("Accept-Encoding"))
		require.Equal(t, string(h.IfNoneMatch), r.Header.Get("If-None-Match"))
		require.Zero(t, r.ContentLength)
		require.False(t, r.Close)
		_, err = br.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}

// server answers /quick itself and leaves the rest to net/http, which says so.
func server(t *testing.T) *httptest.Server {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "slow %s %s %s", r.Method, r.URL.Path, b)
	})
	srv := httptest.NewUnstartedServer(slow)
	srv.Listener = Listen(srv.Listener, func(h Head) []byte {
		if string(h.Path) != "/quick" {
			return nil
		}
		return []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nquick")
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func ask(t *testing.T, c *http.Client, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

// A connection goes over to net/http with its first other request, and its next ones are all net/http's.
func TestHandover(t *testing.T) {
	srv := server(t)
	c := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer c.CloseIdleConnections()
	for range 3 {
		require.Equal(t, "quick", ask(t, c, http.MethodGet, srv.URL+"/quick", ""))
	}
	require.Equal(t, "slow POST /other body", ask(t, c, http.MethodPost, srv.URL+"/other", "body"))
	require.Equal(t, "slow GET /quick ", ask(t, c, http.MethodGet, srv.URL+"/quick", ""))
}

func TestPieces(t *testing.T) {
	srv := server(t)
	for name, pieces := range map[string][]string{
		"two pieces":   {"GET /quick HTTP/1.1\r\n", "Host: x\r\nConnection: close\r\n\r\n"},
		"two requests": {"GET /quick HTTP/1.1\r\nHost: x\r\n\r\nGET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
		"long":         {"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			defer c.Close()
			for _, p := range pieces {
				_, err = io.WriteString(c, p)
				require.NoError(t, err)
			}
			b, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Contains(t, string(b), "slow GET /quick")
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	srv := server(t)
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				require.Equal(t, "quick", ask(t, c, http.MethodGet, srv.URL+"/quick", ""))
			}
		})
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	q := Listen(l, func(Head) []byte { return nil })
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	waiting, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer waiting.Close()
	_, err = io.WriteString(waiting, "GET")
	require.NoError(t, err)
	require.NoError(t, q.Close())
	_, err = q.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = io.ReadAll(c)
	require.True(t, err == nil || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "reset"))
	_ = q.Close()
}
