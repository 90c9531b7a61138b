package connect

import (
	"context"
	"errors"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

const (
	nsClient       = stanza.NSClient
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	nsTLS          = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind         = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession      = "urn:ietf:params:xml:ns:xmpp-session"
)

// Client connects to a server as one of its accounts (RFC 6120).
//
// It returns when the session is ready, or else an [*Error], which wraps the error of ctx if that ended first.
// Afterwards ctx has no effect.
// Authentication is SCRAM without channel binding, or PLAIN over TLS if the server offers nothing better.
// The caller must close the session.
func Client(ctx context.Context, cfg Config) (*Session, error) {
	cfg = cfg.withDefaults(false)
	if cfg.JID.Localpart() == "" {
		return nil, &Error{Op: "config", Addr: cfg.JID.String(), Err: errors.New("an account's JID has a local part")}
	}
	if cfg.Password == "" {
		return nil, &Error{Op: "config", Addr: cfg.JID.String(), Err: errors.New("no password")}
	}
	return start(ctx, cfg, nsClient, connectClient)
}

// connectClient tries each place where the server may be until one can be connected to.
func connectClient(ctx context.Context, cfg *Config) (*negotiation, error) {
	places, err := targets(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, t := range places {
		n, err := negotiateClient(ctx, cfg, t)
		if err == nil {
			return n, nil
		}
		errs = append(errs, err)
		// Another host of the same domain is no reason to try refused credentials again.
		if permanent(err) || ctx.Err() != nil {
			return nil, err
		}
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

func negotiateClient(ctx context.Context, cfg *Config, t target) (*negotiation, error) {
	conn, err := dialServer(ctx, cfg, t)
	if err != nil {
		return nil, err
	}
	n := newNegotiation(cfg, nsClient, t.addr, conn, t.direct)
	var features offered
	steps := []func() error{
		func() (err error) { features, err = n.begin(); return err },
		func() (err error) { features, err = n.startTLS(ctx, features); return err },
		func() error { return n.authenticate(features) },
		func() (err error) { features, err = n.begin(); return err },
		func() error { return n.bind(features) },
	}
	if err := within(ctx, conn, steps...); err != nil {
		_ = n.w.conn.Close()
		return nil, err
	}
	return n, nil
}

// offered are the stream features that matter here.
type offered struct {
	tls, bind, session bool
	mechanisms         []string
}

// begin opens a stream and reads its features.
func (n *negotiation) begin() (offered, error) {
	var f offered
	if err := n.open(); err != nil {
		return f, err
	}
	s, err := n.element("stream")
	if err != nil {
		return f, err
	}
	if !s.Is(stream.NS, "features") {
		return f, n.fail("stream", ErrProtocol, errors.New("no stream features"), "")
	}
	for d := s.Depth(); s.Child(d); {
		switch {
		case s.Is(nsTLS, "starttls"):
			f.tls = true
		case s.Is(nsBind, "bind"):
			f.bind = true
		case s.Is(nsSession, "session"):
			f.session = !hasChild(s, nsSession, "optional")
		case s.Is(nsSASL, "mechanisms"):
			f.mechanisms = mechanisms(s)
		}
	}
	if s.Err() != nil {
		return f, n.fail("stream", ErrProtocol, s.Err(), "")
	}
	return f, nil
}

func hasChild(s *xmlscan.Scanner, space, local string) bool {
	found := false
	for d := s.Depth(); s.Child(d); {
		found = found || s.Is(space, local)
	}
	return found
}

func mechanisms(s *xmlscan.Scanner) []string {
	var list []string
	for d := s.Depth(); s.Child(d); {
		if !s.Is(nsSASL, "mechanism") {
			continue
		}
		if name, err := s.InnerText(64); err == nil && len(list) < 64 {
			list = append(list, strings.TrimSpace(name))
		}
	}
	return list
}

// startTLS encrypts the stream unless it already is (RFC 6120 §5).
func (n *negotiation) startTLS(ctx context.Context, f offered) (offered, error) {
	switch {
	case n.encrypted:
		return f, nil
	case !f.tls && n.cfg.Insecure:
		return f, nil
	case !f.tls:
		return f, n.fail("tls", ErrUnencrypted, nil, "enable TLS on the server; someone in between may also have removed the offer")
	}
	if err := n.write([]byte("<starttls xmlns='" + nsTLS + "'/>")); err != nil {
		return f, n.fail("tls", nil, err, "")
	}
	s, err := n.element("tls")
	if err != nil {
		return f, err
	}
	if !s.Is(nsTLS, "proceed") {
		return f, n.fail("tls", ErrProtocol, errors.New("STARTTLS refused"), "check the server's certificate and its log")
	}
	// What follows in clear text may have been put there by someone in between (RFC 7590).
	if !n.w.clean() {
		return f, n.fail("tls", ErrProtocol, errors.New("data in clear text after STARTTLS"), "")
	}
	conn, err := secure(ctx, n.cfg, n.w.conn, n.cfg.tlsConfig(), n.server)
	if err != nil {
		return f, err
	}
	n.w = newWire(conn, xmlscan.FrameLimits{Bytes: negotiateBytes, Depth: n.cfg.MaxDepth})
	n.encrypted = true
	return n.begin()
}

// bind asks for a resource (RFC 6120 §7).
func (n *negotiation) bind(f offered) error {
	if !f.bind {
		return n.fail("bind", ErrProtocol, errors.New("server offers no resource binding"), "")
	}
	req := []byte("<iq type='set' id='bind'><bind xmlns='" + nsBind + "'>")
	if r := n.cfg.JID.Resourcepart(); r != "" {
		req = append(req, "<resource>"...)
		req = append(xmlscan.AppendEscaped(req, r), "</resource>"...)
	}
	s, err := n.request(append(req, "</bind></iq>"...), "bind")
	if err != nil {
		return err
	}
	for d := s.Depth(); s.Child(d); {
		if !s.Is(nsBind, "bind") {
			continue
		}
		for d := s.Depth(); s.Child(d); {
			if !s.Is(nsBind, "jid") {
				continue
			}
			text, err := s.InnerText(3072)
			if err != nil {
				return n.fail("bind", ErrProtocol, err, "")
			}
			if n.local, err = jid.Parse(text); err != nil {
				return n.fail("bind", ErrProtocol, err, "")
			}
		}
	}
	if n.local.Resourcepart() == "" || !n.local.Domain().Equal(n.cfg.JID.Domain()) {
		return n.fail("bind", ErrProtocol, errors.New("no address bound"), "")
	}
	if !f.session {
		return nil
	}
	// Old servers insist on the session of RFC 3921 §3.
	_, err = n.request([]byte("<iq type='set' id='session'><session xmlns='"+nsSession+"'/></iq>"), "session")
	return err
}

// request sends an IQ and returns a scanner on its result.
func (n *negotiation) request(req []byte, id string) (*xmlscan.Scanner, error) {
	if err := n.write(req); err != nil {
		return nil, n.fail("bind", nil, err, "")
	}
	s, err := n.element("bind")
	if err != nil {
		return nil, err
	}
	typ, _ := s.Attr("type")
	if got, _ := s.Attr("id"); !s.Is(nsClient, "iq") || got != id {
		return nil, n.fail("bind", ErrProtocol, errors.New("no reply to the request for a resource"), "")
	}
	if typ == string(stanza.ResultIQ) {
		return s, nil
	}
	return nil, n.bindError(s)
}

func (n *negotiation) bindError(s *xmlscan.Scanner) error {
	condition := stanza.UndefinedCondition
	for d := s.Depth(); s.Child(d); {
		if s.Local() != "error" {
			continue
		}
		for d := s.Depth(); s.Child(d); {
			if s.Space() == stanza.NSError && s.Local() != "text" {
				condition = stanza.Condition(s.Local())
			}
		}
	}
	err := stanza.Error{Condition: condition}
	switch condition {
	case stanza.Conflict:
		return n.fail("bind", ErrConflict, err, "leave the resource out of the JID, or stop the other connection")
	case stanza.ResourceConstraint:
		return n.fail("bind", nil, err, "the account has too many connections")
	}
	return n.fail("bind", nil, err, "")
}
