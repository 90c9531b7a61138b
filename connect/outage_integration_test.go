//go:build integration

package connect_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// strait is a way to a server that can be blocked.
//
// While it is, nothing gets through, not even that a connection has been closed; afterwards all of it does, as TCP sends
// everything again.
type strait struct {
	l  net.Listener
	to string
	wg sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while things get through
	conns []net.Conn
}

func newStrait(t testing.TB, to string) *strait {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &strait{l: l, to: to, open: make(chan struct{})}
	close(s.open)
	s.wg.Go(s.accept)
	t.Cleanup(func() {
		l.Close()
		s.unblock()
		s.cut()
		s.wg.Wait()
	})
	return s
}

func (s *strait) addr() string { return s.l.Addr().String() }

func (s *strait) accept() {
	for {
		near, err := s.l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.carry(near) })
	}
}

// carry joins two connections until either ends.
func (s *strait) carry(near net.Conn) {
	defer near.Close()
	s.wait()
	far, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	defer far.Close()
	s.mu.Lock()
	s.conns = append(s.conns, near, far)
	s.mu.Unlock()
	var wg sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			s.wait()
			if n > 0 {
				if _, err := dst.Write(buf[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		near.Close()
		far.Close()
	}
	wg.Go(func() { pipe(near, far) })
	wg.Go(func() { pipe(far, near) })
	wg.Wait()
}

// wait returns once things get through.
func (s *strait) wait() {
	s.mu.Lock()
	open := s.open
	s.mu.Unlock()
	<-open
}

func (s *strait) block() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = make(chan struct{})
}

func (s *strait) unblock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.open:
	default:
		close(s.open)
	}
}

// cut ends all connections.
func (s *strait) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// logbook is a slog.Handler that counts messages.
type logbook struct {
	mu   sync.Mutex
	said map[string][]string // level and attributes by message
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (b *logbook) WithAttrs([]slog.Attr) slog.Handler { return b }

func (b *logbook) WithGroup(string) slog.Handler { return b }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := r.Level.String()
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if b.said == nil {
		b.said = make(map[string][]string)
	}
	b.said[r.Message] = append(b.said[r.Message], line)
	return nil
}

func (b *logbook) lines(message string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.said[message]...)
}

// survivor is a session that is to live through outages.
type survivor struct {
	*connect.Session
	log *logbook
	way *strait
	up  <-chan struct{}
}

// newSurvivor connects by a way that can be blocked, with limits so short that a test can wait for them.
func newSurvivor(t *testing.T, dial dialler, cfg connect.Config) *survivor {
	t.Helper()
	s := &survivor{log: new(logbook), way: newStrait(t, cfg.Server)}
	cfg.Server, cfg.Logger = s.way.addr(), slog.New(s.log)
	cfg.KeepAlive, cfg.IdleTimeout = 500*time.Millisecond, 2*time.Second
	cfg.MinBackoff, cfg.MaxBackoff = 20*time.Millisecond, 200*time.Millisecond
	cfg.ConnectTimeout = 3 * time.Second
	s.Session = openReal(t, dial, cfg)
	s.up = connections(s.Session)
	await(t, s.up, "the first connection")
	return s
}

// ask sends a request to a stranger that gives no answer, and returns what becomes of the request once it has arrived.
func (s *survivor) ask(t *testing.T, mute *stranger) <-chan error {
	t.Helper()
	for len(mute.asked) > 0 {
		<-mute.asked
	}
	failed := make(chan error, 1)
	go func() {
		_, err := disco.GetInfo(context.Background(), s, jid.MustParse(mute.name), "")
		failed <- err
	}()
	await(t, mute.asked, "the request at the other server")
	return failed
}

// outages are what happens between a session and its server.
var outages = []struct {
	name   string
	begin  func(*testing.T, brand, []*survivor)
	end    func(*testing.T, brand, []*survivor)
	reason string // what the log says
	// refused reports that attempts to connect fail in the meantime.
	refused bool
}{
	{
		"partition",
		func(_ *testing.T, _ brand, all []*survivor) {
			for _, s := range all {
				s.way.block()
			}
		},
		func(_ *testing.T, _ brand, all []*survivor) {
			for _, s := range all {
				s.way.unblock()
			}
		},
		"server silent for too long", true,
	},
	{
		"connection cut",
		func(_ *testing.T, _ brand, all []*survivor) {
			for _, s := range all {
				s.way.cut()
			}
		},
		func(*testing.T, brand, []*survivor) {},
		"", false,
	},
	{
		"server killed and started again",
		func(t *testing.T, b brand, _ []*survivor) { b.Kill(t) },
		func(t *testing.T, b brand, _ []*survivor) { b.Start(t) },
		"connection closed by the server", true,
	},
	{
		"server restarted politely",
		func(t *testing.T, b brand, _ []*survivor) { b.Restart(t) },
		func(*testing.T, brand, []*survivor) {},
		"", false,
	},
	{
		"server stopped for longer than the idle limit",
		func(t *testing.T, b brand, _ []*survivor) { b.Pause(t) },
		func(t *testing.T, b brand, _ []*survivor) { b.Resume(t) },
		"server silent for too long", true,
	},
}

// TestOutages shows that a session at a real server outlives whatever comes between the two: what is in flight fails at
// once with its type, the session connects again by itself, and counts and logs it.
func TestOutages(t *testing.T) {
	lab := integration.Shared(t)
	mute := newStranger(t, brand{"the quiet server", lab.Quiet}, "comp."+lab.Quiet.Domain())
	for _, b := range brands(lab) {
		t.Run(b.name, func(t *testing.T) {
			var all []*survivor
			for _, role := range realRoles {
				all = append(all, newSurvivor(t, role.dial, role.config(lab, b)))
			}
			// An idle connection is kept: its pings are answered.
			for _, s := range all {
				require.Eventually(t, func() bool { return s.Counters().Pings >= 3 }, patience, pause)
				require.EqualValues(t, 1, s.Counters().Connects)
			}
			for _, o := range outages {
				t.Run(o.name, func(t *testing.T) {
					outlive(t, b, all, mute, o.begin, o.end, o.reason, o.refused)
				})
			}
			for _, s := range all {
				c := s.Counters()
				// A server that is about to end may still let someone in.
				require.GreaterOrEqual(t, c.Losses, uint64(len(outages)))
				require.Equal(t, c.Losses+1, c.Connects)
				require.Len(t, s.log.lines("connection lost"), int(c.Losses))
				require.Len(t, s.log.lines("connected again"), int(c.Losses))
				require.Len(t, s.log.lines("cannot connect"), int(c.Failures))
				require.Empty(t, s.log.lines("connection given up"))
				require.NoError(t, s.Err())
				t.Logf("%+v", c)
			}
		})
	}
}

func outlive(t *testing.T, b brand, all []*survivor, mute *stranger, begin, end func(*testing.T, brand, []*survivor), reason string, refused bool) {
	t.Helper()
	var failed []<-chan error
	var before []connect.Counters
	for _, s := range all {
		failed = append(failed, s.ask(t, mute))
		before = append(before, s.Counters())
	}
	begin(t, b, all)
	for i, s := range all {
		require.ErrorIs(t, await(t, failed[i], "the request in flight"), connect.ErrDisconnected)
		n := int(before[i].Losses)
		require.Eventually(t, func() bool { return len(s.log.lines("connection lost")) > n }, patience, pause)
		require.Contains(t, s.log.lines("connection lost")[n], reason)
	}
	// What is asked in between waits.
	later := make([]chan error, len(all))
	for i, s := range all {
		later[i] = make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
			defer cancel()
			_, err := disco.GetInfo(ctx, s, jid.MustParse(b.Domain()), "")
			later[i] <- err
		}()
		if refused {
			require.Eventually(t, func() bool { return s.Counters().Failures > before[i].Failures }, patience, pause)
		}
	}
	end(t, b, all)
	for i, s := range all {
		await(t, s.up, "the next connection")
		require.NoError(t, await(t, later[i], "the answer"))
		// And so is another server's.
		_, err := disco.GetInfo(testContext(t), s, jid.MustParse(mute.name[len("comp."):]), "")
		require.NoError(t, err)
		require.Greater(t, s.Counters().Losses, before[i].Losses)
	}
}
