package web

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

func docOf(size int) func() (*edition.Document, error) {
	return func() (*edition.Document, error) { return edition.NewDocument("image/png", make([]byte, size)), nil }
}

func always() error { return nil }

// Who has had many pictures drawn waits for another one, but not for one that is there, and nobody else waits.
func TestDrawingsOfOneAddress(t *testing.T) {
	now := noon
	s := New(press(&now), Options{Drawings: 2, DrawEvery: 10 * time.Second, Now: func() time.Time { return now }})
	from := func(address, path string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}
	const one, other = "192.0.2.1:1", "[2001:db8::1]:1"
	for _, path := range []string{"/domains/a.test/og.png", "/picture.svg?focus=a.test"} {
		require.Equal(t, http.StatusOK, from(one, path).StatusCode)
	}
	refused := from(one, "/domains/b.test/og.png")
	require.Equal(t, http.StatusTooManyRequests, refused.StatusCode)
	require.Equal(t, "10", refused.Header.Get("Retry-After"))
	require.Contains(t, body(t, refused), "too many")
	require.Equal(t, http.StatusOK, from(one, "/domains/a.test/og.png").StatusCode)
	require.Equal(t, http.StatusOK, from(one, "/picture.svg").StatusCode, "that of everything is made once for all")
	require.Equal(t, http.StatusNotFound, from(one, "/domains/shy.test/og.png").StatusCode)
	require.Equal(t, http.StatusOK, from(other, "/domains/b.test/og.png").StatusCode)
	require.Equal(t, http.StatusOK, from(one, "/domains/b.test/og.png").StatusCode)
	now = now.Add(10 * time.Second)
	require.Equal(t, http.StatusOK, from(one, "/picture.svg?focus=b.test").StatusCode)

	unlimited := New(press(&now), Options{Drawings: -1})
	for _, theme := range []string{"light", "dark", "auto"} {
		require.Equal(t, http.StatusOK, get(t, unlimited, "/picture.svg?focus=a.test&theme="+theme).StatusCode)
	}
}

// What many ask for at once is made once, and not more at a time than there are places.
func TestShelfMakesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.slots = make(chan struct{}, 1)
		var made, at, most int
		var all sync.WaitGroup
		hold := make(chan struct{})
		for i := range 20 {
			all.Go(func() {
				doc, err := s.document(t.Context(), strconv.Itoa(i%4), always, func() (*edition.Document, error) {
					made, at = made+1, at+1
					most = max(most, at)
					<-hold
					at--
					return docOf(10)()
				})
				require.NoError(t, err)
				require.NotNil(t, doc)
			})
		}
		synctest.Wait()
		require.Equal(t, 1, made)
		close(hold)
		all.Wait()
		require.Equal(t, []int{4, 1}, []int{made, most})
		_, err := s.document(t.Context(), "0", always, nil)
		require.NoError(t, err, "it is there")
	})
}

func TestShelfIsBounded(t *testing.T) {
	s := newShelf()
	s.most = 10 * (shelfEntry + 2000)
	get := func(key string, size int) {
		t.Helper()
		_, err := s.document(t.Context(), key, always, docOf(size))
		require.NoError(t, err)
	}
	for i := range 100 {
		get("often", 900)
		get(strconv.Itoa(i), 900)
		require.LessOrEqual(t, s.used, s.most)
		require.Contains(t, s.docs, "often", "what is asked for stays")
	}
	require.Equal(t, s.order.Len(), len(s.docs))
	require.NotContains(t, s.docs, "0")
	get("huge", s.most)
	require.NotContains(t, s.docs, "huge")
	require.Contains(t, s.docs, "often", "nothing makes room for what has none")
}

// Who can't be served soon is told so at once; errors are not kept; and who leaves does not end what others wait for.
func TestShelfRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.slots, s.queue = make(chan struct{}, 1), make(chan struct{}, 2)
		hold := make(chan struct{})
		broken := errors.New("broken")
		var all sync.WaitGroup
		for _, key := range []string{"a", "b"} {
			all.Go(func() {
				_, err := s.document(t.Context(), key, always, func() (*edition.Document, error) {
					<-hold
					return nil, broken
				})
				require.ErrorIs(t, err, broken)
			})
		}
		synctest.Wait()
		_, err := s.document(t.Context(), "c", always, docOf(1))
		require.ErrorIs(t, err, errBusy)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.document(ctx, "a", always, nil)
		require.ErrorIs(t, err, context.Canceled)
		close(hold)
		all.Wait()
		_, err = s.document(t.Context(), "a", always, docOf(1))
		require.NoError(t, err, "it is tried again")
		_, err = s.document(t.Context(), "c", always, docOf(1))
		require.NoError(t, err)
	})
}

// A drawing that panics fails those who wait for it, and takes no place with it.
func TestShelfSurvivesPanics(t *testing.T) {
	s := newShelf()
	for range cap(s.queue) + 1 {
		require.Panics(t, func() {
			_, _ = s.document(t.Context(), "a", always, func() (*edition.Document, error) { panic("drawn badly") })
		})
	}
	_, err := s.document(t.Context(), "a", always, docOf(1))
	require.NoError(t, err)
}

// The numbers on a card are those of now, and the network behind them is drawn once a minute.
func TestCardsShareTheirBackdrop(t *testing.T) {
	now := noon
	g := network(&now)
	s := New(pressOf(&now, g), Options{Now: func() time.Time { return now }})
	a := body(t, get(t, s, "/domains/a.test/og.png"))
	first := s.backdrops.cur
	require.Equal(t, a, body(t, get(t, s, "/domains/a.test/og.png")))
	require.NotEqual(t, a, body(t, get(t, s, "/domains/b.test/og.png")))
	require.Same(t, first, s.backdrops.cur)

	g.Apply(graph.Report{Domain: xep.MustName("a.test"), Until: noon.Add(time.Hour), Unnamed: 99, At: now})
	require.NotEqual(t, a, body(t, get(t, s, "/domains/a.test/og.png")), "another number")
	require.Same(t, first, s.backdrops.cur)
	g.Forget(xep.MustName("b.test"))
	require.Equal(t, http.StatusNotFound, get(t, s, "/domains/b.test/og.png").StatusCode, "a card goes with its domain")
	g.Apply(graph.Report{Domain: xep.MustName("new.test"), Until: noon.Add(time.Hour), At: now})
	require.Equal(t, http.StatusOK, get(t, s, "/domains/new.test/og.png").StatusCode)
	second := s.backdrops.cur
	require.NotSame(t, first, second, "the one before lacks the domain")
	now = now.Add(backdropLife)
	get(t, s, "/og.png")
	require.NotSame(t, second, s.backdrops.cur)
}

func TestNearestColours(t *testing.T) {
	s := shades()
	require.LessOrEqual(t, len(s.palette), 256)
	c := newCanvas(4, 4, cardGround)
	c.line(0, 2, 4, 2, 2)
	c.fill(cardInk)
	b, err := c.png()
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, color.RGBAModel.Convert(cardGround), img.At(0, 0))
	require.Equal(t, color.RGBAModel.Convert(cardInk), img.At(2, 2))
}
