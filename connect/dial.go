package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
)

// target is a place where a server may be found.
type target struct {
	addr   string
	direct bool
}

// dialServer connects to one place, with TLS if that comes first there.
func dialServer(ctx context.Context, cfg *Config, t target) (net.Conn, error) {
	conn, err := cfg.Dial(ctx, "tcp", t.addr)
	if err != nil {
		return nil, inTime(ctx, &Error{Op: "dial", Addr: cfg.JID.String(), Server: t.addr, Kind: ErrUnreachable, Err: err,
			Remedy: "check the server's address and that it is running"})
	}
	if !t.direct {
		return conn, nil
	}
	config := cfg.tlsConfig()
	if config.NextProtos == nil && cfg.Secret == "" {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §3
	}
	return secure(ctx, cfg, conn, config, t.addr)
}

// secure performs the TLS handshake, and closes conn if that fails.
func secure(ctx context.Context, cfg *Config, conn net.Conn, config *tls.Config, server string) (net.Conn, error) {
	tc := tls.Client(conn, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, inTime(ctx, tlsError(cfg, config, server, err))
	}
	return tc, nil
}

func tlsError(cfg *Config, config *tls.Config, server string, err error) *Error {
	e := &Error{Op: "tls", Addr: cfg.JID.String(), Server: server, Err: err}
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &host):
		e.Kind = ErrCertificate
		e.Remedy = fmt.Sprintf("add %s to the names of the server's certificate, which covers %s only",
			config.ServerName, names(host.Certificate))
	case errors.As(err, &authority):
		e.Kind = ErrCertificate
		e.Remedy = "use a certificate of a public CA, or put the server's own CA in TLS.RootCAs"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Kind = ErrCertificate
		e.Remedy = fmt.Sprintf("renew the server's certificate, valid from %s to %s",
			invalid.Cert.NotBefore.Format("2006-01-02"), invalid.Cert.NotAfter.Format("2006-01-02"))
	case errors.As(err, new(*tls.CertificateVerificationError)):
		e.Kind = ErrCertificate
	case errors.As(err, &plain):
		e.Remedy = "the port does not begin with TLS: unset Direct"
	}
	return e
}

func names(cert *x509.Certificate) string {
	if cert == nil || len(cert.DNSNames) == 0 {
		return "no domain"
	}
	return strings.Join(cert.DNSNames[:min(len(cert.DNSNames), 10)], ", ")
}

// targets returns the places where the server of a client's domain may be found, best first.
func targets(ctx context.Context, cfg *Config) ([]target, error) {
	if cfg.Server != "" {
		return []target{{cfg.Server, cfg.Direct}}, nil
	}
	domain := cfg.JID.Domainpart()
	if net.ParseIP(strings.Trim(domain, "[]")) != nil {
		return fallback(domain, cfg.Direct), nil
	}
	found, refused, err := lookup(ctx, cfg, domain)
	switch {
	case len(found) > 0:
		return found, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case refused:
		return nil, &Error{Op: "dial", Addr: cfg.JID.String(), Kind: ErrUnreachable,
			Err: fmt.Errorf("the SRV records of %s say that it has no XMPP service", domain), Remedy: "check the domain of the JID"}
	}
	// No records at all, or none that could be read: the domain itself may still answer (RFC 6120 §3.2.2).
	var dns *net.DNSError
	if err != nil && errors.As(err, &dns) && !dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout {
		cfg.Logger.Debug("no SRV records", "domain", domain, "error", err)
	}
	return fallback(domain, cfg.Direct), nil
}

func fallback(domain string, direct bool) []target {
	if direct {
		return []target{{net.JoinHostPort(domain, "5223"), true}}
	}
	return []target{{net.JoinHostPort(domain, "5222"), false}}
}

// lookup reads both kinds of SRV records and merges them by priority (XEP-0368 §3).
// Refused reports that the records deny the service.
func lookup(ctx context.Context, cfg *Config, domain string) (found []target, refused bool, err error) {
	type record struct {
		target
		priority uint16
	}
	var records []record
	for _, service := range []string{"xmpps-client", "xmpp-client"} {
		direct := service == "xmpps-client"
		if cfg.Direct && !direct {
			continue
		}
		_, srvs, e := cfg.Resolver.LookupSRV(ctx, service, "tcp", domain)
		if e != nil {
			err = e
		}
		for _, srv := range srvs {
			if srv.Target == "." {
				refused = true
				continue
			}
			host := strings.TrimSuffix(srv.Target, ".")
			addr := net.JoinHostPort(host, strconv.Itoa(int(srv.Port)))
			records = append(records, record{target{addr, direct}, srv.Priority})
		}
	}
	sort.SliceStable(records, func(i, j int) bool { return records[i].priority < records[j].priority })
	for _, r := range records {
		found = append(found, r.target)
	}
	return found, refused && len(found) == 0, err
}
