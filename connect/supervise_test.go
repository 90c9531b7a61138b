package connect_test

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

var peer = jid.MustParse("peer.example")

// hasty makes a session notice and repair losses without delay.
func hasty(cfg connect.Config) connect.Config {
	cfg.MinBackoff, cfg.MaxBackoff = time.Millisecond, 20*time.Millisecond
	return cfg
}

// connections returns a channel that gets a value for every connection from now on.
func connections(s *connect.Session) <-chan struct{} {
	c := make(chan struct{}, 100)
	s.OnConnect(func(context.Context) { c <- struct{}{} })
	return c
}

func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain for "+what)
		panic("unreachable")
	}
}

// inFlight sends a request that is not answered, and returns what becomes of it.
func inFlight(t testing.TB, srv *testserver.Server, s *connect.Session) <-chan error {
	t.Helper()
	mute := srv.AddDomain(testserver.Domain{Name: "mute.example", Fault: testserver.NoReply})
	failed := make(chan error, 1)
	go func() {
		_, err := disco.GetInfo(context.Background(), s, jid.MustParse("mute.example"), "")
		failed <- err
	}()
	require.NoError(t, mute.AwaitRequests(testContext(t), 1))
	return failed
}

// TestLosses shows that a lost connection fails what is in flight at once, and is made again.
func TestLosses(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(*testserver.Server)
		back func(*testserver.Server)
	}{
		{"connections killed", (*testserver.Server).KillConnections, func(*testserver.Server) {}},
		{"streams ended", func(s *testserver.Server) { s.EndStreams("system-shutdown") }, func(*testserver.Server) {}},
		{"streams closed", func(s *testserver.Server) { s.EndStreams("") }, func(*testserver.Server) {}},
		{"server killed and restarted", (*testserver.Server).Stop, func(s *testserver.Server) { _ = s.Restart() }},
		{"server stopped for longer than the idle limit", (*testserver.Server).Pause, (*testserver.Server).Resume},
		{"half-open", func(s *testserver.Server) { s.Domain("half.example").SetFault(testserver.HalfOpen) }, (*testserver.Server).Resume},
		{"closed within a stanza", func(s *testserver.Server) { s.Inject("<message><a"); s.KillConnections() }, func(*testserver.Server) {}},
		{"not well-formed", func(s *testserver.Server) { s.Inject("<!DOCTYPE x>") }, func(*testserver.Server) {}},
		{"text outside of stanzas", func(s *testserver.Server) { s.Inject("hello") }, func(*testserver.Server) {}},
		{"stream begun anew", func(s *testserver.Server) {
			s.Inject("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'></stream:stream></stream:stream>")
		}, func(*testserver.Server) {}},
	} {
		for _, role := range roles {
			t.Run(c.name+", "+role.name, func(t *testing.T) {
				srv := testserver.Start(t, testserver.Config{})
				srv.AddDomain(testserver.Domain{Name: "peer.example"})
				srv.AddDomain(testserver.Domain{Name: "half.example"})
				cfg := hasty(role.config(srv))
				cfg.KeepAlive, cfg.IdleTimeout = 100*time.Millisecond, 300*time.Millisecond
				s := open(t, role.dial, cfg)
				up := connections(s)
				await(t, up, "the first connection")
				failed := inFlight(t, srv, s)

				c.lose(srv)
				if c.name == "half-open" {
					go func() { _, _ = disco.GetInfo(testContext(t), s, jid.MustParse("half.example"), "") }()
				}
				require.ErrorIs(t, await(t, failed, "the request in flight"), connect.ErrDisconnected)
				c.back(srv)
				srv.Domain("half.example").SetFault(0)
				await(t, up, "the second connection")
				_, err := disco.GetInfo(testContext(t), s, peer, "")
				require.NoError(t, err)
				require.NoError(t, s.Err())
				require.Positive(t, s.Counters().Losses)
			})
		}
	}
}

// TestRequestWaitsForConnection shows that what is asked in between is asked once there is a connection.
func TestRequestWaitsForConnection(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	s := open(t, connect.Component, hasty(componentConfig(srv)))
	failed := inFlight(t, srv, s)
	srv.Stop()
	require.ErrorIs(t, await(t, failed, "the request in flight"), connect.ErrDisconnected)

	short, cancel := context.WithTimeout(testContext(t), 20*time.Millisecond)
	defer cancel()
	_, err := s.ExchangeIQ(short, stanza.IQ{Type: stanza.GetIQ, To: peer}, []byte("<a xmlns='u'/>"))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	got := make(chan error, 1)
	go func() {
		_, err := disco.GetInfo(testContext(t), s, peer, "")
		got <- err
	}()
	require.NoError(t, srv.Restart())
	require.NoError(t, await(t, got, "the answer"))
}

// TestClose shows that closing fails what is in flight, ends the stream in good order and leaves nothing behind.
func TestClose(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			s, err := role.dial(testContext(t), role.config(srv))
			require.NoError(t, err)
			failed := inFlight(t, srv, s)
			require.NoError(t, s.Err())
			require.NoError(t, s.Close())
			require.ErrorIs(t, await(t, failed, "the request in flight"), connect.ErrDisconnected)
			<-s.Done()
			require.ErrorIs(t, s.Err(), connect.ErrClosed)
			_, err = disco.GetInfo(testContext(t), s, peer, "")
			require.ErrorIs(t, err, connect.ErrClosed)
			require.ErrorIs(t, s.Send(testContext(t), stanza.Message{To: peer}.Wrap(nil)), connect.ErrClosed)
			require.NoError(t, s.Close(), "twice is harmless")
		})
	}
	t.Run("while disconnected", func(t *testing.T) {
		srv := testserver.Start(t, testserver.Config{})
		s, err := connect.Component(testContext(t), componentConfig(srv))
		require.NoError(t, err)
		failed := inFlight(t, srv, s)
		srv.Stop()
		await(t, failed, "the loss")
		require.NoError(t, s.Close())
	})
	t.Run("server that does not answer", func(t *testing.T) {
		srv := testserver.Start(t, testserver.Config{})
		s, err := connect.Component(testContext(t), componentConfig(srv))
		require.NoError(t, err)
		srv.Pause()
		require.NoError(t, s.Close())
		srv.Resume()
	})
}

// TestCredentialsChanged shows that a session gives up when its credentials are refused later on.
func TestCredentialsChanged(t *testing.T) {
	before := testserver.Start(t, testserver.Config{})
	after := testserver.Start(t, testserver.Config{Secret: "another"})
	var moved atomic.Bool
	cfg := hasty(componentConfig(before))
	cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		addr := before.ComponentAddr()
		if moved.Load() {
			addr = after.ComponentAddr()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	s := open(t, connect.Component, cfg)
	moved.Store(true)
	before.KillConnections()
	await(t, s.Done(), "the end")
	require.ErrorIs(t, s.Err(), connect.ErrCredentials)
	_, err := disco.GetInfo(testContext(t), s, peer, "")
	require.ErrorIs(t, err, connect.ErrDisconnected)
	require.ErrorIs(t, err, connect.ErrCredentials)
}

// pipeServer is the server's side of a component, over a pipe in a bubble.
type pipeServer struct {
	mu    sync.Mutex
	conns []net.Conn
	times []time.Time
	heard []string
	// mute makes new connections fail.
	mute bool
}

func (p *pipeServer) dial(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, time.Now())
	if p.mute {
		return nil, errors.New("refused")
	}
	client, server := net.Pipe()
	p.conns = append(p.conns, server)
	go p.serve(server)
	return client, nil
}

func (p *pipeServer) serve(c net.Conn) {
	r := bufio.NewReader(c)
	if !hear(r) {
		return
	}
	_, _ = io.WriteString(c, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>")
	if !hear(r) {
		return
	}
	_, _ = io.WriteString(c, "<handshake/>")
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			p.mu.Lock()
			p.heard = append(p.heard, string(buf[:n]))
			p.mu.Unlock()
		}
		if err != nil {
			c.Close()
			return
		}
	}
}

func (p *pipeServer) snapshot() (heard []string, times []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(heard, p.heard...), append(times, p.times...)
}

func (p *pipeServer) write(s string) {
	p.mu.Lock()
	c := p.conns[len(p.conns)-1]
	p.mu.Unlock()
	_, _ = io.WriteString(c, s)
}

func pipeConfig(p *pipeServer) connect.Config {
	return connect.Config{JID: jid.MustParse("crawler.me.test"), Secret: "s", Dial: p.dial}
}

// TestKeepAlive shows when a silent server is pinged and when it counts as dead.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pipeServer)
		s, err := connect.Component(t.Context(), pipeConfig(p))
		require.NoError(t, err)
		pings := func() int {
			heard, _ := p.snapshot()
			return strings.Count(strings.Join(heard, ""), "urn:xmpp:ping")
		}

		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Zero(t, pings())
		p.write("<message/>") // any sign of life puts the ping off
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Zero(t, pings())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, pings())
		heard, _ := p.snapshot()
		require.Contains(t, heard[0], "from='crawler.me.test' to='crawler.me.test'")
		p.write(heard[0]) // a component's ping comes back from its server
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, pings())
		require.EqualValues(t, 1, s.Counters().Connects)
		require.EqualValues(t, 1, s.Counters().Handled, "the message, but not our own ping")

		time.Sleep(61*time.Second + 100*time.Millisecond) // two minutes of silence
		synctest.Wait()
		require.GreaterOrEqual(t, pings(), 2)
		require.False(t, s.Connected())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.True(t, s.Connected())
		require.EqualValues(t, 1, s.Counters().Losses)
		require.NoError(t, s.Close())
	})
}

// TestBackoff shows how the pauses between attempts grow, and that they start over after a good connection.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pipeServer)
		s, err := connect.Component(t.Context(), pipeConfig(p))
		require.NoError(t, err)
		p.mu.Lock()
		p.mute = true
		conn := p.conns[0]
		p.mu.Unlock()
		time.Sleep(time.Second)
		lost := time.Now()
		conn.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()

		_, times := p.snapshot()
		previous := lost
		for i, at := range times[1:] {
			pause := at.Sub(previous)
			mean := min(time.Second<<i, time.Minute)
			require.GreaterOrEqual(t, pause, mean/2, "attempt %d", i)
			require.Less(t, pause, mean*3/2, "attempt %d", i)
			previous = at
		}
		require.GreaterOrEqual(t, len(times), 10)
		require.EqualValues(t, len(times)-1, s.Counters().Failures)

		p.mu.Lock()
		p.mute = false
		p.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.True(t, s.Connected())
		require.NoError(t, s.Close())
	})
}

func TestOnConnectEndsWithConnection(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := open(t, connect.Component, hasty(componentConfig(srv)))
	begun, ended := make(chan int, 10), make(chan int, 10)
	n := 0
	s.OnConnect(func(ctx context.Context) {
		n++
		begun <- n
		<-ctx.Done()
		ended <- n
	})
	for i := 1; i <= 3; i++ {
		require.Equal(t, i, await(t, begun, "the hook"))
		srv.KillConnections()
		require.Equal(t, i, await(t, ended, "the end of its context"))
	}
	await(t, begun, "the last connection")
}

// TestOnConnectPanics shows that a function that panics costs that call only.
func TestOnConnectPanics(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	s := open(t, connect.Component, hasty(componentConfig(srv)))
	begun := make(chan struct{}, 10)
	s.OnConnect(func(context.Context) {
		begun <- struct{}{}
		panic("broken")
	})
	await(t, begun, "the first connection")
	srv.KillConnections()
	await(t, begun, "the second connection")
	_, err := disco.GetInfo(testContext(t), s, peer, "")
	require.NoError(t, err)
}

// TestHandlerStaysAlone shows that a handler still busy with a stanza of the last connection gets none of the next one.
func TestHandlerStaysAlone(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	entered, leave := make(chan string, 10), make(chan struct{})
	var inside atomic.Int64
	cfg := hasty(componentConfig(srv))
	cfg.Handler = xmpp.HandlerFunc(func(_ xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		if inside.Add(1) > 1 {
			t.Error("two at once")
		}
		defer inside.Add(-1)
		entered <- start.Name.Local
		<-leave
		return nil
	})
	s := open(t, connect.Component, cfg)
	up := connections(s)
	await(t, up, "the first connection")
	srv.Inject("<message from='peer.example'/><message from='peer.example'/>")
	require.Equal(t, "message", await(t, entered, "the handler"))
	srv.KillConnections()
	await(t, up, "the second connection")
	srv.Inject("<presence from='peer.example'/>")
	_, err := disco.GetInfo(testContext(t), s, peer, "")
	require.NoError(t, err)
	close(leave)
	require.Equal(t, "presence", await(t, entered, "the next stanza, the second of the lost connection being gone"))
}

func ExampleSession_OnConnect() {
	srv := testserver.New(testserver.Config{})
	defer srv.Close()
	s, err := connect.Component(context.Background(), connect.Config{
		JID:    jid.MustParse(testserver.Component),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	done := make(chan struct{})
	s.OnConnect(func(ctx context.Context) {
		defer close(done)
		presence := stanza.Presence{To: jid.MustParse("friend@me.test")}
		fmt.Println("presence sent:", s.Send(ctx, presence.Wrap(nil)) == nil)
	})
	<-done
	// Output: presence sent: true
}
