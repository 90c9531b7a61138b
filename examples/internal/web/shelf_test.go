package web

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"image/png"
	"net/http"
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
				doc, err := s.document(t.Context(), strconv.Itoa(i%4), func() (*edition.Document, error) {
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
		_, err := s.document(t.Context(), "0", nil)
		require.NoError(t, err, "it is there")
	})
}

func TestShelfIsBounded(t *testing.T) {
	s := newShelf()
	s.most = 10 * (shelfEntry + 2000)
	get := func(key string, size int) {
		t.Helper()
		_, err := s.document(t.Context(), key, docOf(size))
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
				_, err := s.document(t.Context(), key, func() (*edition.Document, error) {
					<-hold
					return nil, broken
				})
				require.ErrorIs(t, err, broken)
			})
		}
		synctest.Wait()
		_, err := s.document(t.Context(), "c", docOf(1))
		require.ErrorIs(t, err, errBusy)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.document(ctx, "a", nil)
		require.ErrorIs(t, err, context.Canceled)
		close(hold)
		all.Wait()
		_, err = s.document(t.Context(), "a", docOf(1))
		require.NoError(t, err, "it is tried again")
		_, err = s.document(t.Context(), "c", docOf(1))
		require.NoError(t, err)
	})
}

// A drawing that panics fails those who wait for it, and takes no place with it.
func TestShelfSurvivesPanics(t *testing.T) {
	s := newShelf()
	for range cap(s.queue) + 1 {
		require.Panics(t, func() {
			_, _ = s.document(t.Context(), "a", func() (*edition.Document, error) { panic("drawn badly") })
		})
	}
	_, err := s.document(t.Context(), "a", docOf(1))
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
