package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
)

func TestDemonstrationForgets(t *testing.T) {
	s, err := keptFor(t.Context(), &config{demo: true})
	require.NoError(t, err)
	dir := s.(*temporary).dir
	require.DirExists(t, dir)
	require.NoError(t, s.Close())
	_, err = os.Stat(dir)
	require.ErrorIs(t, err, os.ErrNotExist)

	none, err := keptFor(t.Context(), &config{})
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestObserveOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := &diary{start: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		observeOften(ctx, d, graph.New(graph.Options{}), slog.New(slog.NewTextHandler(&out, nil)))
		require.Equal(t, []time.Duration{3 * time.Second, 6 * time.Second, 9 * time.Second}, d.observed)
		require.Zero(t, out.Len())
	})
}
