//go:build integration

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// process is the program as a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
}

func spawn(t testing.TB, args ...string) *process {
	t.Helper()
	cmd := exec.Command("aggregator", append(args, "-listen", "localhost:0")...)
	log := new(lockedBuilder)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s", args, log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s", log)
	return &process{cmd, strings.TrimSpace(line)}
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wire is a proxy before the database that can stop forwarding without closing anything, as a broken network does.
type wire struct {
	l   net.Listener
	mu  sync.Mutex
	cut chan struct{} // nil while it forwards
}

func newWire(t *testing.T, socket string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{l: l}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		w.pass(true)
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				up, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer up.Close()
				all.Go(func() { w.copy(up, c) })
				w.copy(c, up)
			})
		}
	})
	return w
}

func (w *wire) copy(dst, src net.Conn) {
	defer dst.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		w.mu.Lock()
		cut := w.cut
		w.mu.Unlock()
		if cut != nil {
			<-cut
		}
		if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// pass lets traffic pass or not.
func (w *wire) pass(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case on && w.cut != nil:
		close(w.cut)
		w.cut = nil
	case !on && w.cut == nil:
		w.cut = make(chan struct{})
	}
}

// cost is what processes have used so far.
type cost struct {
	cpu    time.Duration
	memory int64 // resident, in bytes
}

func (c cost) String() string {
	return fmt.Sprintf("%s of CPU, %d MB", c.cpu.Round(10*time.Millisecond), c.memory>>20)
}

// costOf adds up what processes have used, with their children where those have ended.
func costOf(pids ...int) (all cost) {
	const tick = time.Second / 100 // USER_HZ
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		for _, f := range fields[11:15] {
			n, _ := strconv.ParseInt(f, 10, 64)
			all.cpu += time.Duration(n) * tick
		}
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		all.memory += pages * int64(os.Getpagesize())
	}
	return all
}

// children lists the processes that a process has started and that have not ended.
func children(pid int) (pids []int) {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range all {
		list, _ := os.ReadFile(f)
		for _, s := range strings.Fields(string(list)) {
			n, _ := strconv.Atoi(s)
			pids = append(pids, n)
		}
	}
	return pids
}

// leases are who holds the domains, as the database knows it.
type leases struct{ db *pgx.Conn }

func openLeases(t *testing.T, url string) leases {
	db, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	return leases{db}
}

// close ends the connection. It is made by hand, as PostgreSQL ends before the test's cleanup.
func (l leases) close(t *testing.T) { require.NoError(t, l.db.Close(t.Context())) }

// owners returns how many parts each crawler holds, and those that nobody holds under "".
func (l leases) owners(t *testing.T) map[string]int {
	t.Helper()
	rows, err := l.db.Query(t.Context(), `SELECT owner, count(*) FROM parts GROUP BY owner`)
	require.NoError(t, err)
	owners := make(map[string]int)
	var owner string
	var parts int
	_, err = pgx.ForEachRow(rows, []any{&owner, &parts}, func() error {
		owners[owner] = parts
		return nil
	})
	require.NoError(t, err)
	return owners
}

// divided waits until that many crawlers hold all parts, and returns how long that took.
func (l leases) divided(t *testing.T, crawlers int, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		owners := l.owners(t)
		if _, some := owners[""]; !some && len(owners) == crawlers {
			return time.Since(began)
		}
		require.Less(t, time.Since(began), limit, "%v", owners)
		time.Sleep(10 * time.Millisecond)
	}
}

// size is that of the database in bytes.
func (l leases) size(t *testing.T) (bytes int64) {
	t.Helper()
	require.NoError(t, l.db.QueryRow(t.Context(), `SELECT pg_database_size(current_database())`).Scan(&bytes))
	return bytes
}

// named waits until a process shows enough domains.
func named(ctx context.Context, t *testing.T, p *process, enough int) {
	t.Helper()
	last := await(ctx, p.url+"api/v1/stats", func(s string) bool {
		_, s, _ = strings.Cut(s, `"domains":`)
		digits, _, _ := strings.Cut(s, ",")
		n, err := strconv.Atoi(digits)
		return err == nil && n >= enough
	})
	require.NoError(t, ctx.Err(), "%.300s", last)
}
