package connect_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// TestRefusals shows that a connection that cannot be made fails with an error that says what to fix.
func TestRefusals(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	// The kernel accepts connections for it, and nobody ever reads them.
	waiting, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = waiting.Close() })
	client := func(change func(*connect.Config)) func(context.Context) (*connect.Session, error) {
		cfg := clientConfig(srv)
		change(&cfg)
		return func(ctx context.Context) (*connect.Session, error) { return connect.Client(ctx, cfg) }
	}
	component := func(change func(*connect.Config)) func(context.Context) (*connect.Session, error) {
		cfg := componentConfig(srv)
		change(&cfg)
		return func(ctx context.Context) (*connect.Session, error) { return connect.Component(ctx, cfg) }
	}
	for _, c := range []struct {
		name   string
		dial   func(context.Context) (*connect.Session, error)
		op     string
		kind   error
		remedy string
	}{
		{"wrong password", client(func(c *connect.Config) { c.Password = "wrong" }), "auth", connect.ErrCredentials, "password"},
		{"unknown account", client(func(c *connect.Config) { c.JID = jid.MustParse("nobody@me.test") }), "auth", connect.ErrCredentials, "account"},
		{"wrong secret", component(func(c *connect.Config) { c.Secret = "wrong" }), "handshake", connect.ErrCredentials, "secret"},
		{"unknown CA", client(func(c *connect.Config) { c.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }), "tls", connect.ErrCertificate, "RootCAs"},
		{"certificate of another host", client(func(c *connect.Config) { c.Direct, c.Dial = true, wrongHost(t, c) }), "tls", connect.ErrCertificate, "add me.test to the names of the server's certificate, which covers wrong.test only"},
		{"expired certificate", client(func(c *connect.Config) { c.TLS.Time = func() time.Time { return time.Now().AddDate(100, 0, 0) } }), "tls", connect.ErrCertificate, "renew"},
		{"unknown component", component(func(c *connect.Config) { c.JID = jid.MustParse("crawler.elsewhere.test") }), "handshake", connect.ErrHostUnknown, "add the component"},
		{"unknown domain", client(func(c *connect.Config) {
			c.JID = jid.MustParse("user@elsewhere.test")
			c.TLS.ServerName = testserver.HomeName
		}), "stream", connect.ErrHostUnknown, "check the JID"},
		{"no server", client(func(c *connect.Config) { c.Server = gone.Addr().String() }), "dial", connect.ErrUnreachable, "running"},
		{"no server for a component", component(func(c *connect.Config) { c.Server = gone.Addr().String() }), "dial", connect.ErrUnreachable, "running"},
		{"component on the port for clients", component(func(c *connect.Config) { c.Server = srv.ClientAddr() }), "", nil, ""},
		{"direct TLS on a port without", client(func(c *connect.Config) { c.Direct, c.Dial = true, plainText }), "tls", nil, "unset Direct"},
		{"direct TLS on a port that waits", client(func(c *connect.Config) {
			c.Server, c.Direct, c.ConnectTimeout = waiting.Addr().String(), true, 100*time.Millisecond
		}), "tls", context.DeadlineExceeded, "begins with TLS"},
		{"port with direct TLS", client(func(c *connect.Config) { c.Server = srv.DirectAddr() }), "", nil, ""},
		{"account without a local part", client(func(c *connect.Config) { c.JID = jid.MustParse("me.test") }), "config", nil, ""},
		{"no password", client(func(c *connect.Config) { c.Password = "" }), "config", nil, ""},
		{"component with a local part", component(func(c *connect.Config) { c.JID = jid.MustParse("a@me.test") }), "config", nil, ""},
		{"no secret", component(func(c *connect.Config) { c.Secret = "" }), "config", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.dial(testContext(t))
			require.True(t, s == nil)
			var e *connect.Error
			require.ErrorAs(t, err, &e)
			if c.op != "" {
				require.Equal(t, c.op, e.Op, "%v", err)
			}
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			}
			require.Contains(t, e.Remedy, c.remedy)
		})
	}
}

// wrongHost is a server whose certificate is for another domain than the one that is asked for.
func wrongHost(t *testing.T, c *connect.Config) func(context.Context, string, string) (net.Conn, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"wrong.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	c.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	c.TLS.RootCAs.AddCert(cert)
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}).Handshake()
		}()
		return client, nil
	}
}

// plainText is a server that answers in plain text at once.
func plainText(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		_, _ = io.WriteString(server, header)
	}()
	return client, nil
}

func TestDirectTLS(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	cfg := clientConfig(srv)
	cfg.Server, cfg.Direct = srv.DirectAddr(), true
	cfg.JID = jid.MustParse(testserver.Account + "/here")
	s := open(t, connect.Client, cfg)
	require.Equal(t, "here", s.LocalAddr().Resourcepart())
	_, err := disco.GetInfo(testContext(t), s, jid.MustParse("peer.example"), "")
	require.NoError(t, err)
}

// TestSilentPeer shows that every step of the negotiation gives up with its context.
func TestSilentPeer(t *testing.T) {
	for _, c := range []struct {
		name  string
		stage testserver.Stage
		role  int
		addr  func(*testserver.Server) string
	}{
		{"client, header", testserver.StallStream, 0, nil},
		{"client, TLS", testserver.StallTLS, 0, nil},
		{"client, direct TLS", testserver.StallTLS, 0, (*testserver.Server).DirectAddr},
		{"client, auth", testserver.StallAuth, 0, nil},
		{"client, bind", testserver.StallBind, 0, nil},
		{"component, header", testserver.StallStream, 1, nil},
		{"component, handshake", testserver.StallAuth, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.SetStall(c.stage)
			cfg := roles[c.role].config(srv)
			if c.addr != nil {
				cfg.Server, cfg.Direct = c.addr(srv), true
			}
			ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
			defer cancel()
			_, err := roles[c.role].dial(ctx, cfg)
			require.ErrorIs(t, err, context.DeadlineExceeded)

			cfg.ConnectTimeout = 100 * time.Millisecond
			_, err = roles[c.role].dial(testContext(t), cfg)
			require.ErrorIs(t, err, context.DeadlineExceeded, "without a deadline of the caller, the session's own holds")
		})
	}
}

const (
	header   = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='me.test' id='1' version='1.0'>"
	plainSet = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	bindSet  = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></stream:features>"
	tlsSet   = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
	success  = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	bound    = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>user@me.test/r</jid></bind></iq>"
	started  = "<iq type='result' id='session'/>"
)

// script is a server that says its lines, one for each thing it hears.
// What it hears ends with one of the given marks.
func script(t *testing.T, lines ...string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			r := bufio.NewReader(server)
			for _, line := range lines {
				if !hear(r) {
					return
				}
				if _, err := io.WriteString(server, line); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, r)
		}()
		return client, nil
	}
}

// hear reads until the client waits for an answer.
func hear(r *bufio.Reader) bool {
	var seen strings.Builder
	for {
		b, err := r.ReadByte()
		if err != nil {
			return false
		}
		seen.WriteByte(b)
		s := seen.String()
		if b != '>' || strings.HasSuffix(s, "?>") {
			continue
		}
		for _, mark := range []string{"</auth>", "</response>", "</iq>", "</handshake>", "</stream:stream>"} {
			if strings.HasSuffix(s, mark) {
				return true
			}
		}
		if strings.Contains(s, "<stream:stream") || strings.HasSuffix(s, "xmpp-tls'/>") {
			return true
		}
	}
}

// TestStrangeServers runs the client's side against servers that do what none should.
func TestStrangeServers(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  error
		text  string
	}{
		{"insecure login", []string{header + plainSet, success, header + bindSet, bound, started}, nil, ""},
		{"not XML", []string{"220 mail.example ESMTP\r\n"}, nil, "text outside"},
		{"another stream", []string{"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"}, connect.ErrProtocol, "jabber:server"},
		{"no stream", []string{"<html><body>"}, connect.ErrProtocol, "not an XMPP stream"},
		{"header too large", []string{"<stream:stream a='" + strings.Repeat("x", 1<<20) + "'>"}, nil, "header"},
		{"stanza in place of features", []string{header + "<message/>"}, connect.ErrProtocol, "features"},
		{"features too large", []string{header + "<stream:features><a x='" + strings.Repeat("x", 1<<20) + "'/></stream:features>"}, connect.ErrProtocol, "too large"},
		{"error in place of features", []string{header + "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>bye</text></stream:error>"}, stream.SystemShutdown, "bye"},
		{"no mechanism", []string{header + "<stream:features/>"}, connect.ErrMechanism, ""},
		{"unknown mechanism", []string{header + strings.Replace(plainSet, "PLAIN", "SCRAM-SHA-1-PLUS", 1)}, connect.ErrMechanism, "PLUS"},
		{"injection before TLS", []string{header + tlsSet, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>"}, connect.ErrProtocol, "clear text"},
		{"TLS refused", []string{header + tlsSet, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, connect.ErrProtocol, "STARTTLS"},
		{"account disabled", []string{header + plainSet, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/><text>no</text></failure>"}, connect.ErrCredentials, `"no"`},
		{"temporary failure", []string{header + plainSet, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>"}, nil, "temporary-auth-failure"},
		{"endless challenges", []string{header + plainSet, chal, chal, chal, chal, chal, chal}, connect.ErrProtocol, "too many"},
		{"not base64", []string{header + plainSet, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>!</challenge>"}, connect.ErrProtocol, "base64"},
		{"SCRAM without proof", []string{header + strings.Replace(plainSet, "PLAIN", "SCRAM-SHA-1", 1), success}, connect.ErrProtocol, "not proved"},
		{"no bind", []string{header + plainSet, success, header + "<stream:features/>"}, connect.ErrProtocol, "binding"},
		{"bind conflict", []string{header + plainSet, success, header + bindSet, "<iq type='error' id='bind'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"}, connect.ErrConflict, ""},
		{"address of another domain", []string{header + plainSet, success, header + bindSet, strings.Replace(bound, "me.test", "evil.test", 1)}, connect.ErrProtocol, "no address"},
		{"unreadable address", []string{header + plainSet, success, header + bindSet, strings.Replace(bound, "user@", "☃@", 1)}, connect.ErrProtocol, ""},
		{"reply to something else", []string{header + plainSet, success, header + bindSet, "<iq type='result' id='other'/>"}, connect.ErrProtocol, "no reply"},
		{"end of the stream", []string{header + plainSet, "</stream:stream>"}, nil, "closed by the server"},
		{"end of the connection", []string{header}, io.EOF, "port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := c.lines
			if c.want == io.EOF {
				lines = nil
			}
			dial := script(t, lines...)
			if c.want == io.EOF {
				dial = func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() { hear(bufio.NewReader(server)); server.Close() }()
					return client, nil
				}
			}
			s, err := connect.Client(testContext(t), connect.Config{
				JID: jid.MustParse(testserver.Account), Password: "p", Server: "x", Insecure: true, Dial: dial,
			})
			if c.want == nil && c.text == "" {
				require.NoError(t, err)
				require.Equal(t, "user@me.test/r", s.LocalAddr().String())
				require.NoError(t, s.Close())
				return
			}
			require.Nil(t, s)
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.ErrorContains(t, err, c.text)
		})
	}
	t.Run("no encryption", func(t *testing.T) {
		_, err := connect.Client(testContext(t), connect.Config{
			JID: jid.MustParse(testserver.Account), Password: "p", Server: "x", Dial: script(t, header+plainSet),
		})
		require.ErrorIs(t, err, connect.ErrUnencrypted)
	})
}

const chal = "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>YQ==</challenge>"

// TestBadCredentialsAreNotRetried shows that not even the next host of the same domain gets them.
func TestBadCredentialsAreNotRetried(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	dials := 0
	cfg := clientConfig(srv)
	cfg.Password = "wrong"
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	_, err := connect.Client(testContext(t), cfg)
	require.ErrorIs(t, err, connect.ErrCredentials)
	require.Equal(t, 1, dials)
}

func TestErrorText(t *testing.T) {
	hostile := &connect.Error{Op: "tls", Addr: "a@b", Err: errors.New("x\n\x1b[2J"), Remedy: "covers evil\x1b[31m.test"}
	require.EqualError(t, hostile, "connect: tls a@b: x��[2J (covers evil�[31m.test)")
	hostile.Err = errors.New(strings.Repeat("x", 1<<20))
	require.Less(t, len(hostile.Error()), 5000)
	err := &connect.Error{Op: "auth", Addr: "a@b", Server: "c:1", Kind: connect.ErrCredentials, Err: errors.New("x"), Remedy: "y"}
	require.EqualError(t, err, "connect: auth a@b at c:1: credentials refused: x (y)")
}
