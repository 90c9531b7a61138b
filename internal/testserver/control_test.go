package testserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// get renders a request of the component.
func get(id, to, payload string) string {
	return "<iq type='get' id='" + id + "' from='" + testserver.Component + "' to='" + to + "'>" + payload + "</iq>"
}

func set(id, to, payload string) string {
	return strings.Replace(get(id, to, payload), "'get'", "'set'", 1)
}

const (
	pingPayload = "<ping xmlns='urn:xmpp:ping'/>"
	infoPayload = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
	nsPubSub    = "http://jabber.org/protocol/pubsub"
)

func items(node string) string {
	return "<pubsub xmlns='" + nsPubSub + "'><items node='" + node + "'/></pubsub>"
}

func subscribe(node string) string {
	return "<pubsub xmlns='" + nsPubSub + "'><subscribe node='" + node + "' jid='" + testserver.Component + "'/></pubsub>"
}

func TestStopAndRestartOnTheSameAddress(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	addr := srv.ComponentAddr()
	s := rawSession(t, srv, testserver.Component)
	srv.Stop()
	_, err := s.r.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = net.Dial("tcp", addr)
	require.Error(t, err)
	require.NoError(t, srv.Restart())
	require.Equal(t, addr, srv.ComponentAddr())
	require.Contains(t, rawSession(t, srv, testserver.Component).ask(get("q", testserver.HomeName, pingPayload)), "result")
}

func TestRefuseLeavesSessionsAlone(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	srv.Refuse()
	_, err := net.Dial("tcp", srv.ComponentAddr())
	require.Error(t, err)
	require.Contains(t, s.ask(get("q", testserver.HomeName, pingPayload)), "result")
	require.NoError(t, srv.Restart())
}

func TestRestartAfterClose(t *testing.T) {
	srv := testserver.New(testserver.Config{})
	require.NoError(t, srv.Close())
	require.NoError(t, srv.Close())
	require.ErrorIs(t, srv.Restart(), net.ErrClosed)
}

func TestPauseAndResume(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	srv.Pause()
	srv.Pause()
	s.write(get("q", testserver.HomeName, pingPayload))
	require.NoError(t, s.nc.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := s.r.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is open and silent")
	require.NoError(t, s.nc.SetReadDeadline(time.Time{}))
	srv.Resume()
	require.Contains(t, s.next(), "result")
}

func TestCloseWhilePaused(t *testing.T) {
	srv := testserver.New(testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	srv.Pause()
	s.write(get("q", testserver.HomeName, pingPayload))
	require.NoError(t, srv.Close())
}

func TestEndStreams(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	srv.EndStreams("system-shutdown")
	b, err := io.ReadAll(s.r)
	require.NoError(t, err)
	require.Equal(t, "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", string(b))
}

func TestTooBigAStanzaEndsTheStream(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{MaxStanza: 1000})
	s := rawSession(t, srv, testserver.Component)
	s.write(get("q", testserver.HomeName, "<a>"+strings.Repeat("b", 3000)+"</a>"))
	b, _ := io.ReadAll(s.r)
	require.Contains(t, string(b), "policy-violation")
}

func TestNegotiationStalls(t *testing.T) {
	for _, tc := range []struct {
		name string
		at   testserver.Stage
		dial func(ctx context.Context, srv *testserver.Server) error
	}{
		{"component, stream", testserver.StallStream, stalledComponent},
		{"component, handshake", testserver.StallAuth, stalledComponent},
		{"direct TLS, handshake", testserver.StallTLS, func(ctx context.Context, srv *testserver.Server) error {
			d := tls.Dialer{Config: &tls.Config{RootCAs: srv.CertPool(), ServerName: testserver.HomeName}}
			_, err := d.DialContext(ctx, "tcp", srv.DirectAddr())
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.SetStall(tc.at)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			require.Error(t, tc.dial(ctx, srv))
		})
	}
}

// stalledComponent closes its connection when the context ends, for mellium's negotiation does not heed one over TCP.
func stalledComponent(ctx context.Context, srv *testserver.Server) error {
	nc, err := net.Dial("tcp", srv.ComponentAddr())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	_, err = component.NewSession(ctx, jid.MustParse(testserver.Component), []byte(testserver.Secret), nc)
	return err
}

func TestRequestAsksASession(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "a.example"})
	_, err := srv.Request(within(t), "get", "a.example", testserver.Component, infoPayload)
	require.Error(t, err, "nobody is connected")
	melliumComponent(t, srv)
	reply, err := srv.Request(within(t), "get", "a.example", testserver.Component, pingPayload)
	require.NoError(t, err)
	require.Contains(t, reply, `type="result"`)
}

func TestInjectReachesEverySession(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	c := rawSession(t, srv, testserver.Account)
	require.Equal(t, 2, srv.Inject("<zork/>"))
	require.Equal(t, "<zork/>", s.next())
	require.Equal(t, "<zork/>", c.next())
}

func TestSessionsReachEachOther(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	c := rawSession(t, srv, testserver.Account)
	c.write("<message to='" + testserver.Component + "' from='forged@me.test' type='chat'><body>a &amp; b</body></message>")
	got := s.next()
	require.Contains(t, got, "<body>a &amp; b</body>")
	require.Contains(t, got, "from='"+testserver.Account+"/", "the true sender")
	s.write("<message from='" + testserver.Component + "' to='" + testserver.Account + "'/>")
	require.Contains(t, c.next(), "from='"+testserver.Component+"'")
}

func TestComponentNames(t *testing.T) {
	for _, tc := range []struct {
		name, jid, want string
	}{
		{"below the home server", "bot.me.test", "handshake"},
		{"below a simulated domain", "reporter.a.example", "handshake"},
		{"below no hosted domain", "bot.nosuch.example", "host-unknown"},
		{"a hosted domain", "a.example", "host-unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "a.example"})
			if tc.want == "handshake" {
				rawSession(t, srv, tc.jid)
				return
			}
			nc := dial(t, srv.ComponentAddr())
			s := newRaw(t, nc, bufio.NewReader(nc))
			s.open("jabber:component:accept", tc.jid)
			require.Contains(t, s.next(), tc.want)
		})
	}
}

func TestSecondComponentOfAName(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	first := rawSession(t, srv, testserver.Component)
	_, err := component.NewSession(within(t), jid.MustParse(testserver.Component), []byte(testserver.Secret), dial(t, srv.ComponentAddr()))
	require.ErrorContains(t, err, "conflict")
	require.Contains(t, first.ask(get("q", testserver.HomeName, pingPayload)), "result")
}

func TestStanzaWithoutFromEndsAComponentsStream(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	s.write("<iq type='get' id='q' to='me.test'>" + pingPayload + "</iq>")
	b, _ := io.ReadAll(s.r)
	require.Contains(t, string(b), "invalid-from")
}

func TestUnknownDomains(t *testing.T) {
	t.Run("delayed", func(t *testing.T) {
		fire := make(chan time.Time)
		srv := testserver.Start(t, testserver.Config{UnknownDelay: time.Hour, After: func(time.Duration) <-chan time.Time { return fire }})
		s := rawSession(t, srv, testserver.Component)
		s.write(get("q1", "nosuch.example", pingPayload))
		require.Contains(t, s.ask(get("q2", testserver.HomeName, pingPayload)), "'q2'")
		fire <- time.Time{}
		require.Contains(t, s.next(), "remote-server-not-found")
	})
	t.Run("silent", func(t *testing.T) {
		srv := testserver.Start(t, testserver.Config{UnknownSilent: true})
		s := rawSession(t, srv, testserver.Component)
		s.write(get("q1", "nosuch.example", pingPayload))
		require.Contains(t, s.ask(get("q2", testserver.HomeName, pingPayload)), "'q2'")
	})
}
