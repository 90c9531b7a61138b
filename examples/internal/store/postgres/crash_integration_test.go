//go:build integration

package postgres_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
)

// writerEnv names the database for a process of this test binary that only writes.
const writerEnv = "XMPPGRAPH_TEST_POSTGRES_WRITER"

func write() int {
	ctx := context.Background()
	s, err := postgres.Open(ctx, os.Getenv(writerEnv), postgres.Options{Now: clock})
	if err == nil {
		err = storetest.Write(ctx, s, os.Stdout)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func writer(t *testing.T, url string) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), writerEnv+"="+url)
		return cmd
	}
}

func killedWriter(t *testing.T, server *pgtest.Server) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	url := server.Schema(t)
	storetest.Crash(t, rounds, writer(t, url), func(t *testing.T) store.Store { return open(t, url, clock) })
}

// TestCrash needs a server that comes and goes.
func TestCrash(t *testing.T) {
	server := pgtest.Start(t)
	t.Run("killed server", func(t *testing.T) { killedServer(t, server) })
	t.Run("restarted server", func(t *testing.T) { restartedServer(t, server) })
}

// killedServer has the server crash under load: the writer ends with an error, and nothing is lost that was acknowledged.
func killedServer(t *testing.T, server *pgtest.Server) {
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	url := server.Schema(t)
	storetest.CrashBy(t, rounds, writer(t, url),
		func(*exec.Cmd) { server.Kill(t) },
		func(t *testing.T) store.Store {
			server.Run(t)
			return open(t, url, clock)
		})
}

// restartedServer goes away and comes back while a store is open.
func restartedServer(t *testing.T, server *pgtest.Server) {
	s := open(t, server.Schema(t), clock)
	save := func(d string) error { return s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{record(d)}}) }
	require.NoError(t, save("a.test"))
	for _, end := range []func(testing.TB){server.Stop, server.Kill} {
		end(t)
		// One that was killed goes on for as long as its children take to notice.
		for failed := 0; failed < 5; {
			if err := save("a.test"); err != nil {
				require.ErrorIs(t, err, store.ErrUnavailable)
				failed++
			}
		}
		_, err := s.Moment(t.Context(), noon)
		require.ErrorIs(t, err, store.ErrUnavailable)
		server.Run(t)
		// A connection of before may be what the first attempt gets.
		_ = save("b.test")
		require.NoError(t, save("b.test"))
		require.Len(t, records(t, s), 2)
	}
}

// diskFull has the database on a file system of a few megabytes. That of the log is the server's own.
func diskFull(t *testing.T, server *pgtest.Server) {
	dir := filepath.Join(server.Dir(), "small")
	require.NoError(t, os.Mkdir(dir, 0o755))
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("only root can make a small file system: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	space := filepath.Join(dir, "space")
	require.NoError(t, os.Mkdir(space, 0o700))
	info, err := os.Stat(server.Dir())
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	require.NoError(t, os.Chown(space, int(owner.Uid), int(owner.Gid)))
	server.Exec(t, server.URL("postgres"), fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", space), "CREATE DATABASE small TABLESPACE small")
	// What the server still has to write there would otherwise fail in the sessions of other tests.
	defer server.Exec(t, server.URL("postgres"), "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
	s := open(t, server.URL("small"), clock)

	saved := 0
	for ; saved < 10_000; saved++ {
		if err = s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{big(saved)}}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, store.ErrFull)
	require.NotZero(t, saved)
	require.Len(t, records(t, s), saved, "reading goes on")
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{big(saved), big(saved + 1)}}))
	require.Len(t, records(t, s), saved+2)
}

// big is a record with a report of some size.
func big(i int) crawl.Record {
	r := record(fmt.Sprintf("d%d.test", i), "peer.test")
	r.Report.Software = strings.Repeat("x", 20_000)
	return r
}
