//go:build integration

package main

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// BenchmarkStart starts the program on an SQLite database with 100,000 reports, and ends when it is ready to serve all of them.
func BenchmarkStart(b *testing.B) {
	file := filepath.Join(b.TempDir(), "a.db")
	db, err := sqlite.Open(b.Context(), file, sqlite.Options{})
	require.NoError(b, err)
	now := time.Now()
	for batch := range storetest.Network(100_000, now, now.Add(24*time.Hour)) {
		for i := range batch.Records {
			batch.Records[i].Due = now.Add(time.Hour)
		}
		require.NoError(b, db.Save(b.Context(), batch))
	}
	require.NoError(b, db.Close())
	srv := testserver.Start(b, testserver.Config{})
	args := []string{"-component", testserver.Component, "-secret-file", secret(b, testserver.Secret), "-server", srv.ComponentAddr(),
		"-contact", "mailto:ops@example.org", "-seed", testserver.HomeName, "-interval", "3h", "-database", file}
	var used time.Duration
	for b.Loop() {
		p := spawn(b, args...)
		ctx, cancel := context.WithTimeout(b.Context(), patience)
		await(ctx, p.url+"readyz", func(s string) bool { return strings.HasPrefix(s, "ready") })
		require.NoError(b, ctx.Err())
		cancel()
		b.StopTimer()
		require.NoError(b, p.cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(b, p.cmd.Wait())
		used += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		b.StartTimer()
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}
