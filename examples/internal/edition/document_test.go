package edition

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func serve(d *Document, method string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.Serve(w, r)
	return w.Result()
}

func unpack(t *testing.T, r *http.Response) string {
	t.Helper()
	var rd io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		zr, err := gzip.NewReader(r.Body)
		require.NoError(t, err)
		rd = zr
	case "zstd":
		zr, err := zstd.NewReader(r.Body)
		require.NoError(t, err)
		defer zr.Close()
		rd = zr
	}
	b, err := io.ReadAll(rd)
	require.NoError(t, err)
	return string(b)
}

func TestServe(t *testing.T) {
	text := strings.Repeat("the same again ", 200)
	d := NewDocument("text/plain", []byte(text))
	tags := map[string]bool{}
	for accept, coding := range map[string]string{"": "", "gzip": "gzip", "gzip, zstd, br": "zstd"} {
		r := serve(d, http.MethodGet, "Accept-Encoding", accept)
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.Equal(t, coding, r.Header.Get("Content-Encoding"))
		require.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
		require.Equal(t, "text/plain", r.Header.Get("Content-Type"))
		require.Equal(t, text, unpack(t, r))
		tag := r.Header.Get("ETag")
		tags[tag] = true

		again := serve(d, http.MethodGet, "Accept-Encoding", accept, "If-None-Match", `"other"`, "If-None-Match", "W/"+tag)
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Equal(t, tag, again.Header.Get("ETag"))
		require.Empty(t, again.Header.Get("Content-Encoding"))
		require.Empty(t, unpack(t, again))

		head := serve(d, http.MethodHead, "Accept-Encoding", accept)
		require.Equal(t, r.Header, head.Header)
		require.Zero(t, head.ContentLength-r.ContentLength)
		b, err := io.ReadAll(head.Body)
		require.NoError(t, err)
		require.Empty(t, b)
	}
	require.Len(t, tags, 3, "a strong tag stands for bytes")
}

// deadlines is a ResponseWriter that notes until when it may be written to.
type deadlines struct {
	*httptest.ResponseRecorder
	write time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// A client with a slow line gets a large document whole, and none holds the server for longer than that takes.
func TestTimeToSend(t *testing.T) {
	for name, tc := range map[string]struct {
		size int
		want time.Duration
	}{
		"short": {10, 30 * time.Second},
		"large": {slowest * 600, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				NewDocument("text/plain", make([]byte, tc.size)).Serve(w, httptest.NewRequest(http.MethodGet, "/", nil))
				require.Equal(t, tc.want, time.Until(w.write))
			})
		})
	}
}

func TestLargeDocumentIsLeftToOthers(t *testing.T) {
	require.Nil(t, NewDocument("text/plain", make([]byte, maxWire+1)).Response(nil, nil, "", time.Now()))
	require.NotNil(t, NewDocument("text/plain", make([]byte, maxWire)).Response(nil, nil, "", time.Now()))
}

func TestShortDocumentStaysPlain(t *testing.T) {
	r := serve(NewDocument("text/plain", []byte("short")), http.MethodGet, "Accept-Encoding", "gzip, zstd")
	require.Empty(t, r.Header.Get("Content-Encoding"))
	require.Empty(t, r.Header.Get("Vary"))
	require.Equal(t, "5", r.Header.Get("Content-Length"))
}

func TestAccepted(t *testing.T) {
	tests := map[string]coding{
		"": identity, "gzip": gzipped, "GZIP": gzipped, "x-gzip": gzipped, "deflate, gzip;q=0.1": gzipped, "gzip;q=0": identity,
		"gzip; q=0.000": identity, "*": zstded, "*;q=0": identity, "zstd;q=0, *": gzipped, "gzip;q=0, zstd;q=0, *": identity,
		"br": identity, "gzip;q=0.001": gzipped, "gzip, deflate, br, zstd": zstded, "gzip;Q=0": identity, ",, gzip ,": gzipped,
	}
	for field, want := range tests {
		require.Equal(t, want, accepted(field), field)
	}
}

func FuzzAccepted(f *testing.F) {
	f.Add("gzip;q=0, *", `W/"a", "b"`)
	f.Fuzz(func(t *testing.T, accept, known string) {
		d := NewDocument("text/plain", bytes.Repeat([]byte("abc "), 200))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Accept-Encoding"], r.Header["If-None-Match"] = []string{accept}, []string{known}
		w := httptest.NewRecorder()
		d.Serve(w, r)
		if w.Code == http.StatusOK {
			require.Len(t, unpack(t, w.Result()), 800)
		}
	})
}
