package connect_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// patience bounds what a broken test may take, on a machine that is busy: the servers share two cores with other tests.
const patience = time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func clientConfig(srv *testserver.Server) connect.Config {
	return connect.Config{
		JID:      jid.MustParse(testserver.Account),
		Password: testserver.Password,
		Server:   srv.ClientAddr(),
		TLS:      &tls.Config{RootCAs: srv.CertPool()},
		Logger:   slog.New(slog.DiscardHandler),
	}
}

func componentConfig(srv *testserver.Server) connect.Config {
	return connect.Config{
		JID:    jid.MustParse(testserver.Component),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(),
		Logger: slog.New(slog.DiscardHandler),
	}
}

// roles are the two ways to connect.
var roles = []struct {
	name   string
	config func(*testserver.Server) connect.Config
	dial   func(context.Context, connect.Config) (*connect.Session, error)
}{
	{"client", clientConfig, connect.Client},
	{"component", componentConfig, connect.Component},
}

func open(t testing.TB, dial func(context.Context, connect.Config) (*connect.Session, error), cfg connect.Config) *connect.Session {
	t.Helper()
	s, err := dial(testContext(t), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestRoundTrip(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example", Advertise: true})
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			s := open(t, role.dial, role.config(srv))
			info, err := disco.GetInfo(testContext(t), s, jid.MustParse("peer.example"), "")
			require.NoError(t, err)
			require.True(t, info.Has("urn:xmpp:serverinfo:0"))
			require.True(t, s.Connected())
			c := s.Counters()
			require.EqualValues(t, 1, c.Requests)
			require.EqualValues(t, 1, c.Replies)
			require.Zero(t, c.Dropped)
		})
	}
}
