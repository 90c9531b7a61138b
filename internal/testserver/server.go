package testserver

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The names and secrets of the home server with the zero [Config].
const (
	// HomeName is the home server's domain.
	HomeName = "me.test"
	// Account is the bare address of an ordinary user of the home server.
	Account = "user@" + HomeName
	// Admin is the bare address of the home server's administrator.
	Admin = "admin@" + HomeName
	// Component is the address of a component; any other subdomain of a hosted domain may connect as one, too.
	Component = "crawler." + HomeName
	// Password opens every account.
	Password = "account-password"
	// Secret is what every component shares with the server.
	Secret = "component-secret"
)

// Config is the configuration of a [Server]. Its zero value works.
type Config struct {
	// Seed makes everything that the server draws at random repeatable.
	Seed uint64
	// Home is the domain that the sessions connect to, by default [HomeName] with the profile [StockProsody].
	// Its brand decides how unknown domains, wrong passwords and oversize stanzas are answered.
	Home Domain
	// Accounts maps the local parts of the users of each domain to their passwords, by default "user" and "admin" to [Password].
	Accounts map[string]string
	// Secret is what the components share with the server, by default [Secret].
	Secret string
	// MaxStanza is the size in bytes beyond which a stanza from a client closes its stream, by default 256 KiB,
	// and twice that for a component, as with Prosody. A negative value means no limit.
	MaxStanza int
	// UnknownSilent leaves requests to unknown domains without any answer, in place of remote-server-not-found.
	UnknownSilent bool
	// UnknownDelay is how long the answer for an unknown domain takes, by default nothing.
	UnknownDelay time.Duration
	// Listen is the address of the loopback interface, by default 127.0.0.1.
	Listen string
	// Now is the clock of time stamps, by default time.Now.
	Now func() time.Time
	// After is the timer of delayed replies and slow drips, by default time.After.
	After func(time.Duration) <-chan time.Time
	// Answer is asked before a simulated domain is, and answers in its place if it returns true; nil leaves all to those.
	// It must return at once, for it holds up the connection that the request came on.
	Answer func(Request) (Reply, bool)
}

// Request is an IQ request to a simulated address, for [Config.Answer].
type Request struct {
	// From is the full address of the session that asks, To is whom it asks.
	From, To string
	// Type is get or set.
	Type string
	// Payload is the request's first child, valid until the answer is returned.
	Payload []byte
}

// Reply is an answer to a [Request]. The zero value means that none ever comes.
type Reply struct {
	// Type is result or error, or empty for no answer.
	Type string
	// From is who answers, if it is not who was asked.
	From string
	// Inner are the children of the iq.
	Inner string
}

func (c Config) withDefaults() Config {
	if c.Home.Name == "" {
		c.Home.Name = HomeName
	}
	if c.Home.Profile == 0 {
		c.Home.Profile = StockProsody
	}
	if c.Accounts == nil {
		c.Accounts = map[string]string{"user": Password, "admin": Password}
	}
	if c.Secret == "" {
		c.Secret = Secret
	}
	if c.MaxStanza == 0 {
		c.MaxStanza = 256 << 10
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	return c
}

// Server is a home server with listeners on loopback TCP, and the network behind it.
// All its methods may be called from any goroutine.
type Server struct {
	cfg  Config
	home *Host
	tls  *authority

	ids      atomic.Uint64 // stream ids, resources, item ids
	received atomic.Uint64
	sent     atomic.Uint64

	mu       sync.RWMutex
	hosts    map[string]*Host
	services map[string]*Host // services that are not called pubsub.<domain>
	sessions map[string]*conn // by full address of a client, by domain of a component
	conns    map[*conn]struct{}
	ports    [3]listener
	resumed  chan struct{} // closed while not paused
	stall    Stage
	asked    map[string]chan []byte // replies to Request, by id
	salted   map[string][]byte
	closed   bool

	wg   sync.WaitGroup
	done chan struct{}
}

// The listeners of a server.
const (
	portClient = iota
	portDirect
	portComponent
)

type listener struct {
	l    net.Listener
	addr string // kept while the listener is closed, so that it can return there
}

// New starts a server, and panics if the loopback interface cannot be listened on, as net/http/httptest does.
// Call Close when done.
func New(cfg Config) *Server {
	s, err := Open(cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// TB is the part of testing.TB that [Start] needs; the package keeps clear of testing, for it runs in demonstrations, too.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Start starts a server that is closed when the test ends.
func Start(tb TB, cfg Config) *Server {
	tb.Helper()
	s, err := Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// Open starts a server. Call Close when done.
func Open(cfg Config) (*Server, error) {
	s := &Server{
		cfg:      cfg.withDefaults(),
		hosts:    make(map[string]*Host),
		services: make(map[string]*Host),
		sessions: make(map[string]*conn),
		conns:    make(map[*conn]struct{}),
		asked:    make(map[string]chan []byte),
		salted:   make(map[string][]byte),
		resumed:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	close(s.resumed)
	var err error
	if s.tls, err = newAuthority(); err != nil {
		return nil, err
	}
	s.home = s.AddDomain(s.cfg.Home)
	for i := range s.ports {
		s.ports[i].addr = net.JoinHostPort(s.cfg.Listen, "0")
	}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	return s, nil
}

// Home returns the home server's own domain.
func (s *Server) Home() *Host { return s.home }

// ClientAddr is the address of the client listener (StartTLS), as host:port.
func (s *Server) ClientAddr() string { return s.addr(portClient) }

// DirectAddr is the address of the client listener that expects TLS from the first byte.
func (s *Server) DirectAddr() string { return s.addr(portDirect) }

// ComponentAddr is the address of the component listener (XEP-0114).
func (s *Server) ComponentAddr() string { return s.addr(portComponent) }

// CertPool holds the authority that signed the certificates of all hosted domains.
func (s *Server) CertPool() *x509.CertPool { return s.tls.pool }

// CertPEM is the certificate of that authority, for programs that read it from a file.
func (s *Server) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.tls.cert.Raw})
}

func (s *Server) addr(port int) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ports[port].addr
}

// Close ends all connections and waits for every goroutine of the server. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	s.Stop()
	s.wg.Wait()
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless the server is closed already.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(f)
	return true
}

func (s *Server) accept(port int, l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		c := newConn(s, nc, port)
		s.mu.Lock()
		refused := s.closed || s.ports[port].l != l
		if !refused {
			s.conns[c] = struct{}{}
			s.wg.Go(c.serve)
		}
		s.mu.Unlock()
		if refused {
			_ = nc.Close()
		}
	}
}

// Stop closes the listeners and kills all connections without a word, as the death of a server does.
// New connections are refused until Restart.
func (s *Server) Stop() {
	s.Refuse()
	s.KillConnections()
}

// Refuse closes the listeners, so that new connections are refused, and leaves the present ones alone until Restart.
func (s *Server) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ports {
		if l := s.ports[i].l; l != nil {
			_ = l.Close()
			s.ports[i].l = nil
		}
	}
}

// Restart listens again on the same addresses after Stop or Refuse. It leaves open listeners alone.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	for i := range s.ports {
		if s.ports[i].l != nil {
			continue
		}
		l, err := net.Listen("tcp", s.ports[i].addr)
		if err != nil {
			return fmt.Errorf("testserver: %w", err)
		}
		s.ports[i] = listener{l, l.Addr().String()}
		s.wg.Go(func() { s.accept(i, l) })
	}
	return nil
}

// KillConnections closes all connections without ending their streams first.
func (s *Server) KillConnections() {
	for _, c := range s.connections() {
		c.kill(nil)
	}
}

// EndStreams ends all streams in good order, with a stream error of that condition if it is not empty, for example "system-shutdown".
func (s *Server) EndStreams(condition string) {
	for _, c := range s.connections() {
		c.endStream(condition, "")
	}
}

// Pause makes the server go silent: it neither reads nor writes nor accepts, while every TCP connection stays open.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.resumed:
		s.resumed = make(chan struct{})
	default:
	}
}

// Resume ends Pause, and thaws every connection that a [HalfOpen] domain froze.
func (s *Server) Resume() {
	s.mu.Lock()
	select {
	case <-s.resumed:
	default:
		close(s.resumed)
	}
	s.mu.Unlock()
	for _, c := range s.connections() {
		c.thaw()
	}
}

// SetStall makes the negotiation of new connections stop at a stage and stay silent, so that the peer waits in vain.
func (s *Server) SetStall(at Stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stall = at
}

// Counts are figures of a server's life.
type Counts struct {
	// Received and Sent count stanzas.
	Received, Sent uint64
	// Connections are the present TCP connections, Sessions those that have negotiated.
	Connections, Sessions int
}

// Counts returns the present figures.
func (s *Server) Counts() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Counts{s.received.Load(), s.sent.Load(), len(s.conns), len(s.sessions)}
}

func (s *Server) connections() []*conn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

func (s *Server) gate() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.resumed
}

func (s *Server) nextID() uint64 { return s.ids.Add(1) }

// token returns an identifier that looks drawn at random and is repeatable.
func (s *Server) token() string {
	x := s.nextID()*0x9e3779b97f4a7c15 + s.cfg.Seed
	x ^= x >> 31
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 29
	return strconv.FormatUint(x|1<<63, 16)
}

// bareOf cuts the resource off an address.
func bareOf(addr string) string {
	bare, _, _ := strings.Cut(addr, "/")
	return bare
}

// domainOf returns the domain part of an address.
func domainOf(addr string) string {
	bare := bareOf(addr)
	if i := strings.LastIndexByte(bare, '@'); i >= 0 {
		return bare[i+1:]
	}
	return bare
}

var errKilled = errors.New("testserver: connection killed")
