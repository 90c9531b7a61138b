package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
)

// writerEnv names the file for a process of this test binary that only writes.
const writerEnv = "XMPPGRAPH_TEST_SQLITE_WRITER"

func write() int {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, os.Getenv(writerEnv), sqlite.Options{Now: clock})
	if err == nil {
		err = storetest.Write(ctx, s, os.Stdout)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestKilledWriter(t *testing.T) {
	rounds := killRounds
	if testing.Short() {
		rounds = 5
	}
	file := filepath.Join(t.TempDir(), "a.db")
	storetest.Crash(t, rounds,
		func() *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), writerEnv+"="+file)
			return cmd
		},
		func(t *testing.T) store.Store { return open(t, file, clock) })
	require.Equal(t, "ok", integrity(t, file))
}

// integrity is what SQLite itself finds wrong in a file, or "ok".
func integrity(t *testing.T, file string) (found string) {
	t.Helper()
	c, err := driver.OpenConn(file, driver.OpenReadWrite)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for _, q := range []string{"PRAGMA integrity_check", "PRAGMA foreign_key_check"} {
		require.NoError(t, sqlitex.ExecuteTransient(c, q, &sqlitex.ExecOptions{ResultFunc: func(st *driver.Stmt) error {
			found += st.ColumnText(0)
			return nil
		}}))
	}
	return found
}

// big is a record with a report of some size.
func big(i int) crawl.Record {
	r := record(fmt.Sprintf("d%d.test", i), "peer.test")
	r.Report.Software = strings.Repeat("x", 4000)
	return r
}

// TestDiskFull fills a file system of a megabyte.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("only root can make a small file system: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 300<<10), 0o600))
	file := filepath.Join(dir, "a.db")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{Now: clock})
	require.NoError(t, err)
	fillUp(t, s, func() { require.NoError(t, os.Remove(ballast)) })
	require.NoError(t, s.Close())
	require.Equal(t, "ok", integrity(t, file))
}

// fillUp saves until there is no space, reads on, and saves again once there is.
func fillUp(t *testing.T, s *sqlite.Store, makeRoom func()) {
	saved := 0
	var err error
	for ; saved < 10_000; saved++ {
		if err = s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{big(saved)}}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, store.ErrFull)
	require.NotZero(t, saved)
	for range 3 {
		err := s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{big(saved), big(saved + 1)}})
		require.ErrorIs(t, err, store.ErrFull)
		require.Len(t, records(t, s), saved)
		n := 0
		for _, err := range s.Live(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, saved, n)
	}
	makeRoom()
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{big(saved), big(saved + 1)}}))
	require.Len(t, records(t, s), saved+2)
}

// TestBusy has another process hold the database for a while.
func TestBusy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	s := open(t, file, clock)
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{record("a.test")}}))
	other, err := driver.OpenConn(file, driver.OpenReadWrite)
	require.NoError(t, err)
	require.NoError(t, sqlitex.ExecuteTransient(other, "BEGIN IMMEDIATE", nil))
	require.Len(t, records(t, s), 1, "reading goes on")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Save(ctx, crawl.Batch{Records: []crawl.Record{record("b.test")}}), context.DeadlineExceeded)
	require.NoError(t, sqlitex.ExecuteTransient(other, "COMMIT", nil))
	require.NoError(t, other.Close())
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{record("b.test")}}))
	require.Len(t, records(t, s), 2)
}
