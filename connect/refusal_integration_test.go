//go:build integration

package connect_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// counted makes a configuration count its attempts to connect.
func counted(cfg *connect.Config) *atomic.Int64 {
	n := new(atomic.Int64)
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		n.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return n
}

// TestRefusedByRealServers shows that what a real server refuses becomes an error of its kind that says what to do, after one attempt.
func TestRefusedByRealServers(t *testing.T) {
	lab := integration.Shared(t)
	strange, err := integration.NewAuthority()
	require.NoError(t, err)
	client, comp := realRoles[0], realRoles[1]
	direct := func(c *connect.Config, b brand) { c.Server, c.Direct = b.DirectTLS(), true }
	cases := []struct {
		name   string
		role   int
		change func(*connect.Config, brand)
		want   error
		op     string
		remedy string // part of it
	}{
		{"wrong password", 0, func(c *connect.Config, _ brand) { c.Password = "wrong" },
			connect.ErrCredentials, "auth", "password"},
		{"unknown account", 0, func(c *connect.Config, b brand) { c.JID = jid.MustParse("nobody@" + b.Domain()) },
			connect.ErrCredentials, "auth", "password"},
		{"unknown CA", 0, func(c *connect.Config, _ brand) { c.TLS = &tls.Config{RootCAs: strange.Pool()} },
			connect.ErrCertificate, "tls", "RootCAs"},
		{"no CA at all", 0, func(c *connect.Config, _ brand) { c.TLS = &tls.Config{RootCAs: x509.NewCertPool()} },
			connect.ErrCertificate, "tls", "RootCAs"},
		{"unknown CA, direct TLS", 0, func(c *connect.Config, b brand) {
			direct(c, b)
			c.TLS = &tls.Config{RootCAs: strange.Pool()}
		}, connect.ErrCertificate, "tls", "RootCAs"},
		{"certificate of another name", 0, func(c *connect.Config, _ brand) { c.TLS.ServerName = "other.test" },
			connect.ErrCertificate, "tls", "add other.test to the names"},
		{"unknown host", 0, func(c *connect.Config, _ brand) { c.JID = jid.MustParse("admin@nosuch.test") },
			connect.ErrHostUnknown, "stream", "does not serve nosuch.test"},
		{"wrong secret", 1, func(c *connect.Config, _ brand) { c.Secret = "wrong" },
			connect.ErrCredentials, "handshake", "secret"},
		{"unknown component", 1, func(c *connect.Config, _ brand) { c.JID = jid.MustParse("nosuch.test") },
			connect.ErrHostUnknown, "", "add the component nosuch.test"},
		{"component at the port for clients", 1, func(c *connect.Config, b brand) { c.Server = b.C2S() },
			nil, "", ""},
		{"client at the port for components", 0, func(c *connect.Config, b brand) { c.Server = b.Component() },
			nil, "", ""},
	}
	for _, b := range brands(lab) {
		for _, c := range cases {
			t.Run(b.name+", "+c.name, func(t *testing.T) {
				if b.name == "ejabberd" && errors.Is(c.want, connect.ErrHostUnknown) && c.role == 1 {
					// It does not tell an unknown component from a wrong secret, so the remedy names both.
					c.want, c.remedy = connect.ErrCredentials, "has one of this name"
				}
				role := client
				if c.role == 1 {
					role = comp
				}
				cfg := role.config(lab, b)
				c.change(&cfg, b)
				attempts := counted(&cfg)
				s, err := role.dial(testContext(t), cfg)
				require.Nil(t, s)
				t.Log(err)
				var e *connect.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, cfg.Server, e.Server)
				require.Contains(t, e.Remedy, c.remedy)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				}
				if c.op != "" {
					require.Equal(t, c.op, e.Op)
				}
				require.EqualValues(t, 1, attempts.Load())
			})
		}
	}
}

// TestRefusedByRealServersLater changes what a session relies on while it is connected, and then ends its connection.
func TestRefusedByRealServersLater(t *testing.T) {
	lab := integration.Shared(t)
	passwords := []func(password string){
		func(p string) { lab.Prosody.Ctl(t, "register", "bob", lab.Prosody.Domain(), p) },
		func(p string) { lab.Ejabberd.Ctl(t, "change_password", "bob", lab.Ejabberd.Domain(), p) },
	}
	for i, b := range brands(lab) {
		t.Run(b.name+", password changed", func(t *testing.T) {
			way := newStrait(t, b.C2S())
			cfg := hasty(realRoles[0].config(lab, b))
			cfg.JID, cfg.Server = jid.MustParse("bob@"+b.Domain()), way.addr()
			attempts := counted(&cfg)
			s := openReal(t, connect.Client, cfg)
			passwords[i]("another")
			defer passwords[i](integration.Password)
			way.cut()
			// The server ends the streams of an account whose password changes, or the cut does.
			await(t, s.Done(), "the end of the session")
			require.ErrorIs(t, s.Err(), connect.ErrCredentials)
			require.EqualValues(t, 2, attempts.Load(), "the wrong password is tried once")
			_, err := s.ExchangeIQ(testContext(t), stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse(b.Domain())}, []byte("<ping xmlns='urn:xmpp:ping'/>"))
			require.ErrorIs(t, err, connect.ErrDisconnected)
			require.ErrorIs(t, err, connect.ErrCredentials)
		})
		t.Run(b.name+", certificate no longer trusted", func(t *testing.T) {
			way := newStrait(t, b.C2S())
			cfg := hasty(realRoles[0].config(lab, b))
			cfg.Server = way.addr()
			var distrust atomic.Bool
			cfg.TLS.VerifyConnection = func(tls.ConnectionState) error {
				if distrust.Load() {
					return &tls.CertificateVerificationError{Err: errors.New("revoked")}
				}
				return nil
			}
			s := openReal(t, connect.Client, cfg)
			up := connections(s)
			await(t, up, "the first connection")
			distrust.Store(true)
			way.cut()
			// A certificate may be renewed at any moment, so that trying again makes sense, at growing intervals.
			require.Eventually(t, func() bool { return s.Counters().Failures >= 3 }, patience, pause)
			distrust.Store(false)
			await(t, up, "the next connection")
		})
	}
}
