package connect

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// Config says how to connect; only JID and Password or Secret are needed.
type Config struct {
	// JID is the account of a client, or the domain of a component.
	// A client that names no resource is given one by the server.
	JID jid.JID
	// Password is the account's password, for [Client].
	Password string
	// Secret is the component's secret, for [Component].
	Secret string

	// Server is the host and port to connect to.
	// If empty, a client looks the SRV records of its domain up (RFC 6120 §3.2.1, XEP-0368), and a component connects to
	// localhost:5347.
	Server string
	// Direct begins with TLS at once instead of asking for it in the stream (XEP-0368), on the Server that is given.
	// A component connects without TLS unless this is set, so that whoever is in between can read and forge everything and
	// try out secrets at leisure: without it, let Server be on the same host or in a network that can be trusted.
	Direct bool
	// TLS holds settings such as RootCAs for a CA of one's own.
	// If nil or without a ServerName, the certificate must be for the JID's domain.
	TLS *tls.Config
	// Insecure permits a client to send its password over a connection without TLS, to whoever is at the other end or in
	// between.
	Insecure bool
	// Dial opens connections, a net.Dialer if nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolver looks SRV records up, net.DefaultResolver if nil.
	Resolver *net.Resolver

	// Handler gets the stanzas that are not replies to our requests, one at a time; nil refuses requests and ignores the
	// rest.
	// A mux.ServeMux will do, made for component.NSAccept in the case of a component.
	// What it returns or panics with costs no more than the stanza.
	// It may use the session; while it is busy, others wait as far as MaxWaiting allows.
	Handler xmpp.Handler
	// Logger gets what happens to the connection, and what was dropped at a bounded rate; slog.Default() if nil.
	Logger *slog.Logger

	// ConnectTimeout bounds one attempt to connect, 30 s if zero.
	ConnectTimeout time.Duration
	// KeepAlive is the silence after which the server is pinged (XEP-0199), 1 min if zero.
	KeepAlive time.Duration
	// IdleTimeout is the silence after which the connection counts as dead, twice KeepAlive if zero or no longer than that.
	IdleTimeout time.Duration
	// WriteTimeout bounds one write to the network, of 32 KiB at most, 30 s if zero.
	WriteTimeout time.Duration
	// MinBackoff is the mean pause before the first attempt to reconnect, 1 s if zero; it doubles with every failure.
	MinBackoff time.Duration
	// MaxBackoff is the greatest pause between attempts, 1 min if zero.
	MaxBackoff time.Duration

	// MaxBytes is the greatest size of a stanza that is read, 1 MiB if zero.
	MaxBytes int
	// MaxDepth is the greatest number of nested elements in a stanza that is read, 64 if zero.
	MaxDepth int
	// MaxWaiting is how many bytes may wait for the handler, 64 MiB if zero; each stanza counts for 1 KiB more than it has.
	// Domains take turns, and each may have a 32nd of that waiting, a single stanza of MaxBytes at least.
	// For this, all domains below one of two labels are one, for those can be made up at will.
	// What exceeds this is dropped, from whichever domain has most waiting.
	// What the own server itself sends has every other turn, and room of its own.
	MaxWaiting int
	// MaxSend is the greatest size of a stanza that is sent, 256 KiB for a client and 512 KiB for a component if zero.
	// Stock servers close the stream of whoever exceeds these.
	MaxSend int
	// MaxInFlight is the greatest number of requests in flight made through this module's roles, 1,024 if zero.
	MaxInFlight int
	// MaxInFlightPerDomain is the greatest number of those to one domain, 16 if zero.
	// All domains below one of two labels have an eighth of MaxInFlight together, for those can be made up at will.
	MaxInFlightPerDomain int
}

// withDefaults returns a copy whose zero fields are filled in.
func (c Config) withDefaults(component bool) Config {
	if component && c.Server == "" {
		c.Server = "localhost:5347"
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	orDuration(&c.ConnectTimeout, 30*time.Second)
	orDuration(&c.KeepAlive, time.Minute)
	if c.IdleTimeout <= c.KeepAlive {
		c.IdleTimeout = 2 * c.KeepAlive
	}
	orDuration(&c.WriteTimeout, 30*time.Second)
	orDuration(&c.MinBackoff, time.Second)
	orDuration(&c.MaxBackoff, time.Minute)
	if c.MaxBytes <= 0 {
		c.MaxBytes = 1 << 20
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = 64 << 20
	}
	if c.MaxSend <= 0 {
		c.MaxSend = 256 << 10
		if component {
			c.MaxSend = 512 << 10
		}
	}
	return c
}

func orDuration(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// tlsConfig returns the settings for a connection to the domain.
func (c *Config) tlsConfig() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		cfg = c.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = c.JID.Domainpart()
	}
	return cfg
}
