package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/quick"
)

// What is answered without net/http is the same to the byte, and to the header field.
func TestQuickIsTheSame(t *testing.T) {
	w := newWorld(t, Options{})
	for i := range 30 {
		w.report("d"+string(rune('a'+i%26))+string(rune('a'+i/26))+".test", i, "a.test")
	}
	slow := httptest.NewServer(w)
	defer slow.Close()
	fast := httptest.NewUnstartedServer(w)
	fast.Listener = quick.Listen(fast.Listener, func(h quick.Head) []byte {
		out := w.Quick(h)
		require.NotNil(t, out, "%s", h.Path)
		return out
	})
	fast.Start()
	defer fast.Close()
	defer http.DefaultClient.CloseIdleConnections()

	get := func(url, coding, tag string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		if coding != "" {
			req.Header.Set("Accept-Encoding", coding)
		}
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		r, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: false}).RoundTrip(req)
		require.NoError(t, err)
		defer r.Body.Close()
		r.Header.Del("Date")
		return r, text(t, r)
	}
	for _, path := range []string{base + "/graph", "/data.json"} {
		for _, coding := range []string{"", "gzip", "zstd, gzip"} {
			want, body := get(slow.URL+path, coding, "")
			got, same := get(fast.URL+path, coding, "")
			require.Equal(t, want.Header, got.Header)
			require.Equal(t, want.StatusCode, got.StatusCode)
			require.Equal(t, body, same)
			tag := `"other", ` + want.Header.Get("ETag")
			want, _ = get(slow.URL+path, coding, tag)
			got, same = get(fast.URL+path, coding, tag)
			require.Equal(t, http.StatusNotModified, got.StatusCode)
			require.Equal(t, want.Header, got.Header)
			require.Empty(t, same)
		}
	}
	require.Nil(t, w.Quick(quick.Head{Path: []byte(base + "/graph?mutual")}))
	require.EqualValues(t, 12, w.asked["/data.json"].Load(), "each is counted, whoever answers")
}
