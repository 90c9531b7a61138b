package testserver

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// Namespaces of the negotiation.
const (
	nsTLS  = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
)

// Stage is a point of the stream negotiation, for [Server.SetStall].
type Stage int

// The stages at which a negotiation can be made to stall; the server stays silent where it would answer next.
const (
	StallNever  Stage = iota
	StallStream       // before the first stream header
	StallTLS          // after <proceed/>, before the TLS handshake; for direct TLS, before the handshake
	StallAuth         // before the answer to the first SASL message or to the component's handshake
	StallBind         // before the answer to the resource binding
)

// pass blocks if the negotiation is to stall at a stage, and otherwise while the server is paused.
func (c *conn) pass(at Stage) error {
	c.srv.mu.RLock()
	stall := c.srv.stall
	c.srv.mu.RUnlock()
	if stall == at && at != StallNever {
		<-c.dead
		return errKilled
	}
	return c.wait()
}

// put writes during the negotiation, when there is no writing goroutine yet.
func (c *conn) put(s string) error {
	if err := c.wait(); err != nil {
		return err
	}
	_, err := c.nc.Write([]byte(s))
	return err
}

// fail ends a stream during the negotiation.
func (c *conn) fail(condition, text string) error {
	_ = c.put(string(appendStreamEnd(nil, condition, text)))
	return errAuth
}

func (c *conn) negotiate() error {
	if c.port == portComponent {
		return c.negotiateComponent()
	}
	return c.negotiateClient()
}

// open reads a stream header, answers it, and returns what it said. A header of the reply is always sent, before any error.
func (c *conn) open(ns string, limit int) (to string, id string, err error) {
	c.f = newFramer(c.nc, limit)
	kind, frame, err := c.f.next()
	if err != nil {
		return "", "", err
	}
	if kind != frameHeader {
		return "", "", errFrame
	}
	if err := c.pass(StallStream); err != nil {
		return "", "", err
	}
	// The header is a start tag without its end.
	n, err := c.tree.parse(append(append([]byte(nil), frame...), "</stream:stream>"...), ns)
	if err != nil || !n.is(nsStream, "stream") {
		return "", "", errFrame
	}
	to, id = n.attr("to"), c.srv.token()
	b := append([]byte(nil), "<?xml version='1.0'?><stream:stream xmlns='"...)
	b = append(b, ns...)
	b = append(b, "' xmlns:stream='"+nsStream+"' version='1.0' xml:lang='en'"...)
	b = appendAttr(b, "from", to)
	b = appendAttr(b, "id", id)
	return to, id, c.put(string(append(b, '>')))
}

// local returns the hosted domain of that name; a domain that is out on the network is hosted as well, if it is simulated.
func (s *Server) local(name string) *Host {
	h, service := s.lookup(name)
	if service {
		return nil
	}
	return h
}

// limit returns the size in bytes at which a stanza closes the stream.
func (c *conn) limit() int {
	limit := c.srv.cfg.MaxStanza
	if limit < 0 {
		return 0
	}
	if c.port == portComponent {
		limit *= 2
	}
	return limit
}

func (c *conn) negotiateComponent() error {
	c.space = nsComponent
	name, id, err := c.open(nsComponent, c.limit())
	if err != nil {
		return err
	}
	_, parent, _ := strings.Cut(name, ".")
	if c.host = c.srv.local(parent); c.host == nil || c.srv.local(name) != nil {
		return c.fail("host-unknown", name+" does not match any configured external components")
	}
	kind, frame, err := c.f.next()
	if err != nil {
		return err
	}
	if err := c.pass(StallAuth); err != nil {
		return err
	}
	n, err := c.tree.parse(frame, nsComponent)
	if kind != frameStanza || err != nil || n.local() != "handshake" {
		return c.fail("not-authorized", "")
	}
	sum := sha1.Sum([]byte(id + c.srv.cfg.Secret))
	if !hmac.Equal([]byte(strings.TrimSpace(n.text())), []byte(hex.EncodeToString(sum[:]))) {
		if c.host.brand() == brandEjabberd {
			return c.fail("not-authorized", "")
		}
		return c.fail("not-authorized", "Given token does not match calculated token")
	}
	if !c.srv.register(c, name, false) {
		return c.fail("conflict", "Component already connected")
	}
	return c.put("<handshake/>")
}

func (c *conn) negotiateClient() error {
	c.space = nsClient
	if c.port == portDirect {
		if err := c.secure(); err != nil {
			return err
		}
	} else if err := c.startTLS(); err != nil {
		return err
	}
	if err := c.openLocal(); err != nil {
		return err
	}
	const mechanisms = "<stream:features><mechanisms xmlns='" + nsSASL + "'><mechanism>SCRAM-SHA-256</mechanism>" +
		"<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	if err := c.put(mechanisms); err != nil {
		return err
	}
	user, err := c.authenticate()
	if err != nil {
		return err
	}
	if err := c.openLocal(); err != nil {
		return err
	}
	return c.bind(user)
}

// openLocal opens a client's stream to a hosted domain.
func (c *conn) openLocal() error {
	to, _, err := c.open(nsClient, c.limit())
	if err != nil {
		return err
	}
	if c.host = c.srv.local(to); c.host == nil {
		return c.fail("host-unknown", "This server does not serve "+to)
	}
	return nil
}

func (c *conn) startTLS() error {
	if err := c.openLocal(); err != nil {
		return err
	}
	if err := c.put("<stream:features><starttls xmlns='" + nsTLS + "'><required/></starttls></stream:features>"); err != nil {
		return err
	}
	_, frame, err := c.f.next()
	if err != nil {
		return err
	}
	n, err := c.tree.parse(frame, nsClient)
	if err != nil || !n.is(nsTLS, "starttls") {
		return c.fail("policy-violation", "Use of STARTTLS required")
	}
	if err := c.put("<proceed xmlns='" + nsTLS + "'/>"); err != nil {
		return err
	}
	return c.secure()
}

func (c *conn) secure() error {
	if err := c.pass(StallTLS); err != nil {
		return err
	}
	t := tls.Server(c.tcp, c.srv.tls.config(c.srv.home.Name()))
	if err := t.Handshake(); err != nil {
		return err
	}
	c.nc = t
	return nil
}

// authenticate runs SASL exchanges until one succeeds; a client may try again after a failure.
func (c *conn) authenticate() (user string, err error) {
	for {
		_, frame, err := c.f.next()
		if err != nil {
			return "", err
		}
		if err := c.pass(StallAuth); err != nil {
			return "", err
		}
		n, err := c.tree.parse(frame, nsClient)
		if err != nil {
			return "", errFrame
		}
		if !n.is(nsSASL, "auth") {
			return "", c.fail("not-authorized", "")
		}
		mechanism := n.attr("mechanism")
		first, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.text()))
		if err != nil {
			return "", c.fail("not-authorized", "")
		}
		var success []byte
		switch mechanism {
		case "PLAIN":
			user, err = c.plain(first)
		case "SCRAM-SHA-1", "SCRAM-SHA-256":
			user, success, err = c.scram(mechanism, first)
		default:
			if err := c.put("<failure xmlns='" + nsSASL + "'><invalid-mechanism/></failure>"); err != nil {
				return "", err
			}
			continue
		}
		if err == nil {
			return user, c.put("<success xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString(success) + "</success>")
		}
		if err != errAuth {
			return "", err
		}
		if err := c.put(c.notAuthorized()); err != nil {
			return "", err
		}
	}
}

func (c *conn) notAuthorized() string {
	text := "<text>Unable to authorize you with the authentication credentials you&apos;ve sent.</text>"
	if c.host.brand() == brandEjabberd {
		text = "<text xml:lang='en'>Invalid username or password</text>"
	}
	return "<failure xmlns='" + nsSASL + "'><not-authorized/>" + text + "</failure>"
}

func (c *conn) plain(first []byte) (string, error) {
	parts := strings.Split(string(first), "\x00")
	if len(parts) != 3 {
		return "", errAuth
	}
	password, ok := c.srv.cfg.Accounts[parts[1]]
	if !ok || password != parts[2] {
		return "", errAuth
	}
	return parts[1], nil
}

func (c *conn) scram(mechanism string, first []byte) (user string, final []byte, err error) {
	var x scram
	user, challenge, err := x.challenge(c.srv, mechanism, first)
	if err != nil {
		return "", nil, err
	}
	err = c.put("<challenge xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString(challenge) + "</challenge>")
	if err != nil {
		return "", nil, err
	}
	_, frame, err := c.f.next()
	if err != nil {
		return "", nil, err
	}
	n, err := c.tree.parse(frame, nsClient)
	if err != nil || !n.is(nsSASL, "response") {
		return "", nil, errAuth
	}
	response, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.text()))
	if err != nil {
		return "", nil, errAuth
	}
	final, err = x.verify(response)
	return user, final, err
}

// bind answers the resource binding, and by that makes the session known.
func (c *conn) bind(user string) error {
	err := c.put("<stream:features><bind xmlns='" + nsBind + "'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session></stream:features>")
	if err != nil {
		return err
	}
	_, frame, err := c.f.next()
	if err != nil {
		return err
	}
	if err := c.pass(StallBind); err != nil {
		return err
	}
	n, err := c.tree.parse(frame, nsClient)
	if err != nil || !n.is(nsClient, "iq") || !n.first().is(nsBind, "bind") {
		return c.fail("not-authorized", "")
	}
	resource := n.first().child("resource").text()
	if resource == "" {
		resource = c.srv.token()
	}
	jid := user + "@" + c.host.Name() + "/" + resource
	// The newcomer replaces an older session of the same address, as both servers do by default.
	c.srv.register(c, jid, true)
	b := appendAttr([]byte("<iq type='result'"), "id", n.attr("id"))
	b = append(b, "><bind xmlns='"+nsBind+"'><jid>"...)
	b = appendEscaped(b, jid)
	return c.put(string(append(b, "</jid></bind></iq>"...)))
}

// grace is how long a newcomer waits for the session that has its address to end, before it is refused:
// a client that closes its connection and comes back at once can be faster than the notice of its leaving.
const grace = 250 * time.Millisecond

// register makes a session reachable under its address, and reports whether it could.
func (s *Server) register(c *conn, jid string, replace bool) bool {
	s.mu.Lock()
	old := s.sessions[jid]
	if old != nil && !replace {
		s.mu.Unlock()
		select {
		case <-old.dead:
			return s.register(c, jid, true)
		case <-time.After(grace):
			return false
		}
	}
	select {
	case <-c.dead:
		s.mu.Unlock()
		return false
	default:
	}
	c.jid = jid
	s.sessions[jid] = c
	s.mu.Unlock()
	if old != nil {
		old.endStream("conflict", "Replaced by new connection")
	}
	return true
}
