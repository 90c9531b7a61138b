package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// resolver is the part of net.Resolver that is needed.
type resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}

// The bounds on what strangers' DNS makes us do.
const (
	maxTargets   = 4
	maxAddresses = 4
	maxFeatures  = 64 << 10
	defaultPort  = 5269
)

// target is a place where other servers connect to.
type target struct {
	host   string
	port   int
	direct bool // TLS from the first byte (XEP-0368)
	addrs  []string
}

func (t target) String() string {
	s := net.JoinHostPort(t.host, strconv.Itoa(t.port))
	if t.direct {
		s += " (direct TLS)"
	}
	return s
}

// prober looks at a host as another server does.
type prober struct {
	world
	timeout time.Duration
	roots   *x509.CertPool // nil for those of the system
	now     func() time.Time
}

// errNotOffered is a domain whose SRV record says that there is no such service.
var errNotOffered = errors.New(`the SRV record is ".", which says that there is no server`)

// resolve finds the places to connect to (RFC 6120 §3.2, XEP-0368).
func (p *prober) resolve(ctx context.Context, name xep.Name) ([]target, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if name.IsIP() {
		addr := strings.Trim(name.String(), "[]")
		return []target{{host: addr, port: defaultPort, addrs: []string{addr}}}, nil
	}
	var all []target
	withdrawn := false
	for _, kind := range []struct {
		service string
		direct  bool
	}{{"xmpp-server", false}, {"xmpps-server", true}} {
		// No record is no error: the address of the name itself serves then.
		_, records, _ := p.resolver.LookupSRV(ctx, kind.service, "tcp", name.String())
		for _, r := range records {
			host := strings.TrimSuffix(r.Target, ".")
			if host == "" {
				withdrawn = withdrawn || !kind.direct
				continue
			}
			all = append(all, target{host: host, port: int(r.Port), direct: kind.direct})
		}
	}
	switch {
	case len(all) == 0 && withdrawn:
		return nil, errNotOffered
	case len(all) == 0:
		all = []target{{host: name.String(), port: defaultPort}}
	}
	return p.addresses(ctx, all[:min(len(all), maxTargets)])
}

// addresses resolves the hosts, and drops those that have no address.
func (p *prober) addresses(ctx context.Context, all []target) ([]target, error) {
	var found []target
	var failures []error
	for _, t := range all {
		addrs, err := p.resolver.LookupHost(ctx, t.host)
		if err != nil || len(addrs) == 0 {
			failures = append(failures, fmt.Errorf("%s has no address: %w", t.host, err))
			continue
		}
		t.addrs = addrs[:min(len(addrs), maxAddresses)]
		found = append(found, t)
	}
	if len(found) == 0 {
		return nil, errors.Join(failures...)
	}
	return found, nil
}

// greeting is what a host answered.
type greeting struct {
	where string
	state tls.ConnectionState
}

// streamError is what a host says in place of its features.
type streamError struct{ condition string }

func (e streamError) Error() string { return "the server ends the stream: " + e.condition }

// errNoTLS is a host that offers no encryption.
var errNoTLS = errors.New("the server offers no StartTLS")

// dialError is a place to which there is no connection, for a reason that may well be on our side.
type dialError struct{ error }

// unreachedError is a host that there was no connection to at all.
type unreachedError struct{ error }

// connect tries the places in their order until one gets as far as TLS.
func (p *prober) connect(ctx context.Context, name xep.Name, targets []target) (*greeting, error) {
	var failures []error
	reached := false
	for _, t := range targets {
		for _, addr := range t.addrs {
			state, err := p.greet(ctx, name, t, net.JoinHostPort(addr, strconv.Itoa(t.port)))
			if err == nil {
				return &greeting{where: t.String(), state: *state}, nil
			}
			var undialed dialError
			reached = reached || !errors.As(err, &undialed)
			failures = append(failures, fmt.Errorf("%s: %w", t, err))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	if !reached {
		return nil, unreachedError{errors.Join(failures...)}
	}
	return nil, errors.Join(failures...)
}

// greet opens a stream as another server would, as far as to the end of the TLS handshake.
func (p *prober) greet(ctx context.Context, name xep.Name, t target, address string) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, dialError{orTimeout(ctx, err)}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if !t.direct {
		if err := startTLS(conn, name); err != nil {
			return nil, orTimeout(ctx, err)
		}
	}
	// The certificate is looked at afterwards, so that what is wrong with it can be said.
	cfg := &tls.Config{ServerName: name.String(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if t.direct {
		cfg.NextProtos = []string{"xmpp-server"}
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, orTimeout(ctx, fmt.Errorf("TLS: %w", err))
	}
	state := secure.ConnectionState()
	return &state, nil
}

func orTimeout(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	return err
}

const header = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
	"to='%s' version='1.0'>"

// startTLS asks for encryption (RFC 6120 §5.4).
func startTLS(conn net.Conn, name xep.Name) error {
	if _, err := fmt.Fprintf(conn, header, name); err != nil {
		return err
	}
	features, err := readUntil(conn, "features>", "features/>", "error>")
	if err != nil {
		return err
	}
	switch {
	case bytes.Contains(features, []byte("error>")):
		return streamError{condition(features)}
	case !bytes.Contains(features, []byte("urn:ietf:params:xml:ns:xmpp-tls")):
		return errNoTLS
	}
	if _, err := conn.Write([]byte("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")); err != nil {
		return err
	}
	proceed, err := readUntil(conn, ">")
	if err != nil {
		return err
	}
	if !bytes.Contains(proceed, []byte("<proceed")) {
		return errors.New("the server refuses StartTLS")
	}
	return nil
}

// readUntil reads one byte at a time, since what follows <proceed/> belongs to TLS, until one of the ends has come:
// the end tag of an element with such a name, or of any if that is ">" alone.
func readUntil(conn net.Conn, ends ...string) ([]byte, error) {
	var b []byte
	one := make([]byte, 1)
	for len(b) < maxFeatures {
		if _, err := conn.Read(one); err != nil {
			return nil, fmt.Errorf("the server ended the connection: %w", err)
		}
		b = append(b, one[0])
		for _, end := range ends {
			if one[0] == '>' && bytes.HasSuffix(b, []byte(end)) && isEnd(b, end) {
				return b, nil
			}
		}
	}
	return nil, errors.New("the server's greeting has no end")
}

// isEnd tells an end tag from a start tag of the same name.
func isEnd(b []byte, end string) bool {
	if end == ">" || strings.HasSuffix(end, "/>") {
		return true
	}
	open := bytes.LastIndexByte(b, '<')
	return open >= 0 && bytes.HasPrefix(b[open:], []byte("</"))
}

// condition finds the name of the first element inside of a stream error (RFC 6120 §4.9).
func condition(b []byte) string {
	_, inner, ok := bytes.Cut(b, []byte("error>"))
	if !ok {
		return "unknown"
	}
	_, inner, _ = bytes.Cut(inner, []byte("<"))
	end := bytes.IndexAny(inner, " \t\r\n/>")
	if end <= 0 || end > 64 {
		return "unknown"
	}
	return strings.ToValidUTF8(string(inner[:end]), "")
}

// verify checks whether a certificate would satisfy another server (RFC 6120 §13.7): by a name of the DNS, of the service, or
// of XMPP.
func (p *prober) verify(name xep.Name, state tls.ConnectionState) (string, error) {
	if len(state.PeerCertificates) == 0 {
		return "", errors.New("there is no certificate")
	}
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	others := othersOf(leaf)
	if leaf.VerifyHostname(name.String()) != nil && !others.covers(name) {
		return "", fmt.Errorf("the certificate covers only %s", namesOf(leaf, others))
	}
	// The names were looked at, which package x509 would not do with those of XMPP alone.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidSubjectAltName.Equal)
	o := x509.VerifyOptions{Roots: p.roots, Intermediates: between}
	if p.now != nil {
		o.CurrentTime = p.now()
	}
	_, err := leaf.Verify(o)
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "", errors.New("the certificate is not signed by a known authority, or the one in between is missing")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "", fmt.Errorf("the certificate was valid from %s to %s only", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	case err != nil:
		return "", err
	}
	return "valid until " + leaf.NotAfter.Format(time.DateOnly), nil
}
