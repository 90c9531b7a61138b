//go:build integration

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/integration"
)

const (
	startLimit = time.Minute
	pollEvery  = 20 * time.Millisecond
	// packaged is where Debian has the programs, which are not for users to start.
	packaged = "/usr/lib/postgresql"
)

// Server is a PostgreSQL with a folder of its own, that listens on a socket in it and nowhere else.
type Server struct {
	dir  string
	bin  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the server has ended
	next atomic.Int64
}

// Start starts a server, which ends with the test. It skips the test, with the reason, where PostgreSQL is not installed.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{bin: programs()}
	integration.Need(t, filepath.Join(s.bin, "initdb"), filepath.Join(s.bin, "postgres"))
	// A short path, because that of a socket may not be long, and one that another user may enter.
	dir, err := os.MkdirTemp("", "pg")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s.dir = dir
	if id := unprivileged(t); id != nil {
		require.NoError(t, os.Chown(dir, int(id.Uid), int(id.Gid)))
	}
	out, err := s.command(t, "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.Run(t)
	t.Cleanup(func() {
		if s.cmd != nil {
			s.end(t, syscall.SIGQUIT)
		}
	})
	return s
}

// programs is the folder of the newest version that is installed.
func programs() string {
	all, _ := filepath.Glob(packaged + "/*/bin")
	slices.SortFunc(all, func(a, b string) int { return major(a) - major(b) })
	if len(all) == 0 {
		return packaged
	}
	return all[len(all)-1]
}

func major(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// unprivileged is whom to be instead of root, whom PostgreSQL refuses to run as; nil for anybody else.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	// The kernel kills it with us, for the case of a test that panics.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged(t), Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Run starts the server again after [Server.Stop] or [Server.Kill], and returns once it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	require.Nil(t, s.cmd, "it runs already")
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s.launch(t)
	for {
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			require.NoError(t, c.Close(ctx))
			return
		}
		select {
		case <-s.done:
			// The children of one that was killed need a moment to notice.
			s.launch(t)
		default:
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			require.NoError(t, err, "the server does not answer; its log:\n%s", log)
		case <-time.After(pollEvery):
		}
	}
}

func (s *Server) launch(t testing.TB) {
	t.Helper()
	cmd := s.command(t, "postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=100", "-c", "shared_buffers=64MB")
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The kernel watches the thread that started it. The thread is never unlocked and ends with the goroutine.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	require.NoError(t, <-started)
	s.cmd, s.done = cmd, done
}

// Stop ends the server in good order, whoever is connected.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGINT)
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, syscall.SIGKILL)
}

func (s *Server) end(t testing.TB, sig syscall.Signal) {
	t.Helper()
	require.NotNil(t, s.cmd, "it does not run")
	if err := s.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		require.NoError(t, err)
	}
	<-s.done
	s.cmd = nil
}

// URL is how to connect to a database; there is one called postgres.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s", s.dir, database)
}

// PID is the process that starts all others of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Dir is a folder that the server can write to.
func (s *Server) Dir() string { return s.dir }

// Schema makes an empty schema and returns how to connect to it. It takes a fraction of the time of a database of one's own.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("t%d", s.next.Add(1))
	s.Exec(t, s.URL("postgres"), "CREATE SCHEMA "+name)
	return s.URL("postgres") + " search_path=" + name
}

// Exec executes statements, each by itself.
func (s *Server) Exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	for _, q := range statements {
		_, err := c.Exec(t.Context(), q)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close(t.Context()))
}
