package providers

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

// shelf is a database with documents.
type shelf map[string]store.Cached

func (s shelf) Cached(_ context.Context, key string) (store.Cached, error) {
	if c, ok := s[key]; ok {
		return c, nil
	}
	return store.Cached{}, store.ErrNotFound
}

func (s shelf) Cache(_ context.Context, c store.Cached) error {
	s[c.Key] = c
	return nil
}

// broken is a database that is out of reach.
type broken struct{}

func (broken) Cached(context.Context, string) (store.Cached, error) {
	return store.Cached{}, store.ErrUnavailable
}
func (broken) Cache(context.Context, store.Cached) error { return store.ErrUnavailable }

func TestADatabaseKeepsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, db := &site{body: `["denmark.lit"]`, etag: `"1"`}, make(shelf)
		list := func() *List { l := s.list(""); l.Cache = db; return l }
		require.NoError(t, list().Load(t.Context()))
		require.Len(t, db, 1)
		require.Equal(t, `"1"`, db["providers/"+location].ETag)

		time.Sleep(13 * time.Hour)
		s.set(func() { s.err = io.ErrUnexpectedEOF })
		l := list()
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark))

		l = s.list("")
		l.Cache = broken{}
		require.Error(t, l.Load(t.Context()), "neither the site nor the database has it")
		s.set(func() { s.err = nil })
		l = s.list("")
		l.Cache = broken{}
		require.NoError(t, l.Load(t.Context()), "the database is no condition")
		require.True(t, l.Has(denmark))
	})
}
