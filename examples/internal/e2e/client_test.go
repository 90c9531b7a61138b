package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// The test server is trusted by every other test, so a client that we did not write has to find it plausible.
// That client's mechanisms are a module that the library does not depend on, which is why the test is here.

// within returns a context that ends well before the test binary's own limit.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve runs a session's handler until the session is closed, which happens before the server's own cleanup.
func serve(t testing.TB, s *xmpp.Session, nc net.Conn, h xmpp.Handler) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(h)
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func features(i disco.Info) []string {
	var vars []string
	for _, f := range i.Features {
		vars = append(vars, info.Feature(f).Var)
	}
	return vars
}

func melliumClient(t testing.TB, srv *testserver.Server, password string, mechanism sasl.Mechanism) (*xmpp.Session, error) {
	t.Helper()
	nc := dial(t, srv.ClientAddr())
	me := jid.MustParse(testserver.Account + "/test")
	s, err := xmpp.NewClientSession(within(t), me, nc,
		xmpp.StartTLS(&tls.Config{RootCAs: srv.CertPool(), ServerName: me.Domainpart()}),
		xmpp.SASL("", password, mechanism), xmpp.BindResource())
	if err != nil {
		return nil, err
	}
	serve(t, s, nc, mux.New(stanza.NSClient, ping.Handle()))
	return s, nil
}

func TestMelliumClient(t *testing.T) {
	for _, tc := range []struct {
		name      string
		mechanism sasl.Mechanism
	}{
		{"PLAIN", sasl.Plain},
		{"SCRAM-SHA-1", sasl.ScramSha1},
		{"SCRAM-SHA-256", sasl.ScramSha256},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "a.example", Advertise: true})
			s, err := melliumClient(t, srv, testserver.Password, tc.mechanism)
			require.NoError(t, err)
			// mellium v0.22.0 asks for its resource with an empty element, so that the server picks one.
			require.Equal(t, testserver.Account, s.LocalAddr().Bare().String())
			require.NoError(t, ping.Send(within(t), s, jid.MustParse("a.example")))
			info, err := disco.GetInfo(within(t), "", jid.MustParse("a.example"), s)
			require.NoError(t, err)
			require.Contains(t, features(info), "urn:xmpp:serverinfo:0")
		})
		t.Run(tc.name+", wrong password", func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			_, err := melliumClient(t, srv, "wrong", tc.mechanism)
			require.ErrorContains(t, err, "Unable to authorize you")
		})
	}
}

func TestMelliumDirectTLS(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	me := jid.MustParse(testserver.Account + "/direct")
	raw := dial(t, srv.DirectAddr())
	nc := tls.Client(raw, &tls.Config{RootCAs: srv.CertPool(), ServerName: me.Domainpart()})
	s, err := xmpp.NewSession(within(t), me.Domain(), me, nc, xmpp.Secure, xmpp.NewNegotiator(
		func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{
				xmpp.SASL("", testserver.Password, sasl.ScramSha256), xmpp.BindResource()}}
		}))
	require.NoError(t, err)
	serve(t, s, raw, nil)
	require.NoError(t, ping.Send(within(t), s, jid.MustParse(testserver.HomeName)))
}
