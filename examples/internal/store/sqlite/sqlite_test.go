package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
)

func open(t testing.TB, file string, now func() time.Time) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		file := filepath.Join(t.TempDir(), "a.db")
		return func(t *testing.T, now func() time.Time) store.Store { return open(t, file, now) }
	})
}
