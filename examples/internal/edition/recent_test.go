package edition

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
)

// maker counts how often it makes a document of so many bytes.
type maker struct{ made int }

func (m *maker) of(size int) func() (*Document, error) {
	return func() (*Document, error) {
		m.made++
		return NewDocument("text/plain", []byte(strings.Repeat("x", size))), nil
	}
}

func TestRecent(t *testing.T) {
	press := New(graph.New(graph.Options{}), Options{Pulse: -1})
	e := press.Current()
	var m maker
	get := func(key string, size int) {
		t.Helper()
		doc, err := e.Recent(key, m.of(size))
		require.NoError(t, err)
		require.Len(t, doc.Bytes(), size)
	}
	get("a", 1000)
	get("a", 1000)
	require.Equal(t, 1, m.made)

	t.Run("failures are not remembered", func(t *testing.T) {
		broken := errors.New("broken")
		_, err := e.Recent("b", func() (*Document, error) { return nil, broken })
		require.ErrorIs(t, err, broken)
		get("b", 5)
	})
	t.Run("what is asked for stays, and the rest goes", func(t *testing.T) {
		for i := range 3 * maxRecent {
			get("n"+strconv.Itoa(i), 10)
			get("a", 1000)
		}
		before := m.made
		get("n0", 10)
		require.Equal(t, before+1, m.made)
		require.Len(t, e.recent.byKey, maxRecent)
	})
	t.Run("bytes are bounded", func(t *testing.T) {
		for i := range 3 * maxRecent {
			get("large"+strconv.Itoa(i), 100_000)
		}
		require.LessOrEqual(t, e.recent.size, maxBytes)
		before := m.made
		get("huge", maxBytes)
		get("huge", maxBytes)
		require.Equal(t, before+2, m.made)
	})
	t.Run("nothing is left of an old edition", func(t *testing.T) {
		e.forget()
		require.Empty(t, e.recent.byKey)
		require.Zero(t, e.recent.order.Len())
	})
}

// A quick compression is one that clients read all the same.
func TestBrief(t *testing.T) {
	text := strings.Repeat("some text ", 1000)
	for _, c := range []coding{gzipped, zstded} {
		r := serve(NewDocument("text/plain", []byte(text)).Brief(), http.MethodGet, "Accept-Encoding", c.String())
		require.Equal(t, c.String(), r.Header.Get("Content-Encoding"))
		require.Equal(t, text, unpack(t, r))
	}
}
