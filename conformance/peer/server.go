package peer

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// Config says how a network is put on the wire. The zero value works.
type Config struct {
	// Home is the domain that programs connect to, with its software.
	// Its default is the domain of the network's pubsub service, for example shakespeare.lit where that is
	// pubsub.shakespeare.lit, as a [StockProsody]; a [StockEjabberd] behaves like that one.
	Home Domain
	// Account is the local part of the one user, who administers the home domain, "admin" if empty.
	Account string
	// Password is that user's, and Secret what every component shares with the server; both are "secret" if empty.
	Password, Secret string
	// Listen is the address to listen on, 127.0.0.1 if empty.
	Listen string
	// Observe is called after each request to a domain of the [Network], nil means that nobody looks. It must not block.
	Observe func(Exchange)
	// Now is the clock of time stamps, nil means time.Now.
	Now func() time.Time
}

// Exchange is one request and what became of it.
type Exchange struct {
	// From asked To, each a full address.
	From, To string
	// Request is the payload of the request, and Reply the children of the answer, empty where none comes.
	Request, Reply string
	// Answered tells whether there is an answer.
	Answered bool
}

func (c Config) withDefaults(service string) Config {
	if c.Home.Name == "" {
		c.Home.Name = strings.TrimPrefix(service, "pubsub.")
	}
	if c.Home.Kind == 0 {
		c.Home.Kind = StockProsody
	}
	if c.Account == "" {
		c.Account = "admin"
	}
	if c.Password == "" {
		c.Password = "secret"
	}
	if c.Secret == "" {
		c.Secret = "secret"
	}
	return c
}

// Server is a network on the wire: a server on loopback TCP that clients and components of any language connect to.
//
// It answers for the domains of the [Network] as the behaviours there say, and for those of [Server.Add], which also publish.
// All methods are safe for concurrent use.
type Server struct {
	config Config
	inner  *testserver.Server
}

// Serve puts a network on the wire until [Server.Close].
//
// The error says why the address can't be listened on.
// This is no server for anything but tests: it trusts whoever connects, and everybody who may connect may do everything.
func Serve(n *Network, c Config) (*Server, error) {
	c = c.withDefaults(n.Service())
	inner, err := testserver.Open(testserver.Config{
		Home: c.Home.inner(), Accounts: map[string]string{c.Account: c.Password}, Secret: c.Secret, Listen: c.Listen, Now: c.Now,
		Answer: func(r testserver.Request) (testserver.Reply, bool) { return n.onWire(c, r) },
	})
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	return &Server{config: c, inner: inner}, nil
}

// onWire answers for the domains of the network. All else is left to the simulated ones.
func (n *Network) onWire(c Config, r testserver.Request) (testserver.Reply, bool) {
	if r.To == c.Home.Name && !strings.Contains(string(r.Payload), nsInfo) {
		// An administrator's requests, such as that for the list of connections.
		return testserver.Reply{}, false
	}
	a, answers, known := n.find(r.To, r.Type, r.Payload)
	if !known {
		return testserver.Reply{}, false
	}
	if c.Observe != nil {
		c.Observe(Exchange{From: r.From, To: r.To, Request: string(r.Payload), Reply: a.inner, Answered: answers})
	}
	if !answers {
		return testserver.Reply{}, true
	}
	return testserver.Reply{Type: a.typ, From: a.from, Inner: a.inner}, true
}

// Close ends all connections and waits for the server to end. It may be called more than once.
func (s *Server) Close() error { return s.inner.Close() }

// ComponentAddr is where components connect (XEP-0114), as host:port.
//
// Any subdomain of the home domain may, for example reporter.shakespeare.lit, with [Config.Secret].
func (s *Server) ComponentAddr() string { return s.inner.ComponentAddr() }

// ClientAddr is where clients connect, as host:port. They have to start TLS, and to authenticate by SCRAM or PLAIN.
func (s *Server) ClientAddr() string { return s.inner.ClientAddr() }

// DirectAddr is where clients connect that begin with TLS (XEP-0368), as host:port.
func (s *Server) DirectAddr() string { return s.inner.DirectAddr() }

// Account returns the address of the user, with whose [Config.Password] clients connect, and who administers the home domain.
func (s *Server) Account() jid.JID {
	j, err := jid.New(s.config.Account, s.config.Home.Name, "")
	if err != nil {
		return jid.JID{}
	}
	return j
}

// CertPool holds the authority that signed the server's certificate, and CertPEM is the same for programs that read a file.
func (s *Server) CertPool() *x509.CertPool { return s.inner.CertPool() }

// CertPEM is the certificate of the authority that signed the server's, in PEM.
func (s *Server) CertPEM() []byte { return s.inner.CertPEM() }

// Disconnect closes all connections without a word, as a crash does. Whoever connects again is welcome.
func (s *Server) Disconnect() { s.inner.KillConnections() }

// Stream is a server-to-server connection of the home domain, see [Server.SetStreams].
type Stream struct {
	// Remote is the domain on the other side, as it claims.
	Remote string
	// Outgoing tells the direction.
	Outgoing bool
	// Pending is a stream whose other side has not proved its name: no sign of a connection.
	Pending bool
}

// SetStreams replaces the connections that an administrator of the home domain sees:
// with Prosody through the ad-hoc command http://prosody.im/protocol/s2s#list, with ejabberd, which shows outgoing ones only,
// through disco#items of the node "outgoing s2s".
func (s *Server) SetStreams(all ...Stream) {
	conns := make([]testserver.Connection, len(all))
	for i, one := range all {
		conns[i] = testserver.Connection{Remote: one.Remote, Outgoing: one.Outgoing, Pending: one.Pending}
	}
	s.inner.Home().SetConnections(conns...)
}
