package testserver

import (
	"context"
	"errors"
	"strings"
)

// request is one IQ that a simulated address has to answer. Its slices are valid while it is handled.
type request struct {
	c       *conn
	host    *Host
	service bool // addressed to the PubSub service
	user    bool // addressed to a user of the domain
	to      string
	from    string // full address of the sender
	id      string
	set     bool
	payload node
}

// handle routes one stanza of the session. An error ends the session.
func (c *conn) handle(frame []byte) error {
	n, err := c.tree.parse(frame, c.space)
	if err != nil {
		return err
	}
	to, from := n.attr("to"), c.jid
	if c.port == portComponent {
		// ejabberd closes the stream without a from; so a session that forgets it is found out here, too.
		from = n.attr("from")
		if domainOf(from) != c.jid {
			c.endStream("invalid-from", "Improper 'from' attribute")
			return nil
		}
	}
	if to == "" {
		if c.port == portComponent {
			c.endStream("improper-addressing", "Missing 'to' attribute")
			return nil
		}
		to = bareOf(c.jid)
		if n.local() == "iq" {
			to = c.host.Name()
		}
	}
	if target := c.srv.session(to); target != nil {
		c.relay(target, n, from, to)
		return nil
	}
	if n.local() != "iq" {
		return nil // messages and presence to simulated addresses vanish, as most do
	}
	typ := n.attr("type")
	if typ != "get" && typ != "set" {
		c.srv.answered(n.attr("id"), from, n.raw())
		return nil
	}
	if c.elsewhere(n, typ, from, to) {
		return nil
	}
	h, service := c.srv.lookup(domainOf(to))
	if h == nil {
		c.unknown(n, from, to)
		return nil
	}
	r := request{c: c, host: h, service: service, user: strings.Contains(to, "@"),
		to: to, from: from, id: n.attr("id"), set: typ == "set", payload: n.first()}
	c.recent[c.latest%len(c.recent)] = r.id
	c.latest++
	r.serve()
	return nil
}

// elsewhere asks the configured function for an answer, and reports whether it took the request.
func (c *conn) elsewhere(n node, typ, from, to string) bool {
	answer := c.srv.cfg.Answer
	if answer == nil {
		return false
	}
	reply, ok := answer(Request{From: from, To: to, Type: typ, Payload: n.first().raw()})
	if !ok || reply.Type == "" {
		return ok
	}
	sender := to
	if reply.From != "" {
		sender = reply.From
	}
	b := appendAttr([]byte("<iq"), "type", reply.Type)
	b = appendAttr(b, "id", n.attr("id"))
	b = appendAttr(b, "from", sender)
	b = append(appendAttr(b, "to", from), '>')
	c.send(append(append(b, reply.Inner...), "</iq>"...))
	return true
}

// session finds the session that an address belongs to.
func (s *Server) session(addr string) *conn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.sessions[addr]; c != nil {
		return c
	}
	if c := s.sessions[domainOf(addr)]; c != nil {
		return c
	}
	if strings.Contains(addr, "@") && !strings.Contains(addr, "/") {
		for jid, c := range s.sessions {
			if bareOf(jid) == addr {
				return c
			}
		}
	}
	return nil
}

// relay passes a stanza on to another session of this server, with the true sender.
func (c *conn) relay(target *conn, n node, from, to string) {
	raw := n.raw()
	// The start tag is written anew: the sender of a client's stanza is set by its server.
	b := append([]byte(nil), '<')
	b = append(b, n.local()...)
	e := n.elem()
	for _, a := range c.tree.attrs[e.attr0:e.attr1] {
		if name := string(a.name); name != "from" && name != "to" {
			b = appendAttr(b, name, string(a.value))
		}
	}
	b = appendAttr(b, "from", from)
	b = appendAttr(b, "to", to)
	b = append(b, '>')
	if e.in1 > e.in0 {
		b = append(b, raw[e.in0-e.start:e.in1-e.start]...)
	}
	b = append(b, "</"...)
	b = append(b, n.local()...)
	target.send(append(b, '>'))
}

// unknown answers a request to a domain that does not exist, in the manner of the home server.
func (c *conn) unknown(n node, from, to string) {
	cfg := &c.srv.cfg
	if cfg.UnknownSilent {
		return
	}
	r := request{c: c, host: c.srv.home, to: to, from: from, id: n.attr("id"), payload: n.first()}
	reply := append([]byte(nil), r.unreachable("remote-server-not-found")...)
	if cfg.UnknownDelay <= 0 {
		c.out.add(reply)
		c.srv.sent.Add(1)
		return
	}
	c.srv.spawn(func() {
		if c.srv.pause(cfg.UnknownDelay, c.dead) {
			c.send(reply)
		}
	})
}

// unreachable renders the error that the session's own server gives in the name of a domain that cannot be reached.
func (r *request) unreachable(condition string) []byte {
	home := r.c.host
	e := stanzaError{typ: "cancel", condition: condition, by: home.Name(), text: "Server-to-server connection failed: NXDomain in A lookup"}
	if home.brand() == brandEjabberd {
		e.by, e.text = "", "DNS lookup failed: enoname"
	}
	if condition == "remote-server-timeout" {
		e.typ, e.text = "wait", "Server-to-server connection failed: connection timeout"
		if home.brand() == brandEjabberd {
			e.text = "Connection failed: connection refused"
		}
	}
	own := *r
	own.host = home
	return own.appendError(nil, home.brand(), e)
}

// serve answers a request to a simulated address.
func (r *request) serve() {
	h := r.host
	defer h.done()
	h.mu.Lock()
	h.requests++
	fault, turn := h.spec.Fault, h.requests-1
	pay, e, events := r.dispatch(r.c.pay[:0])
	r.c.pay = pay[:0]
	if fault != 0 {
		opts := h.spec.Options
		h.mu.Unlock()
		h.srv.deliver(events)
		r.misbehave(fault, opts, turn, pay, e)
		return
	}
	if len(events) > 0 {
		before := r.split(&events)
		h.srv.deliver(before)
	}
	r.reply(pay, e)
	h.mu.Unlock()
	h.srv.deliver(events)
}

// split separates the events that are sent before the reply.
func (r *request) split(events *[]event) (before []event) {
	var after []event
	for _, e := range *events {
		if e.before {
			before = append(before, e)
		} else {
			after = append(after, e)
		}
	}
	*events = after
	return before
}

// reply queues the answer.
func (r *request) reply(pay []byte, e *stanzaError) {
	r.c.srv.sent.Add(1)
	o := &r.c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	b := o.tail()
	before := len(b)
	if e != nil {
		b = r.appendError(b, r.host.brand(), *e)
	} else {
		b = r.appendResult(b, pay)
	}
	o.setTail(b, len(b)-before)
}

// appendResult appends an IQ result in the manner of the host's brand.
func (r *request) appendResult(b []byte, pay []byte) []byte {
	b = r.appendHead(b, "result", r.to)
	if len(pay) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	b = append(b, pay...)
	return append(b, "</iq>"...)
}

// appendHead appends the start tag of a reply, without its end.
func (r *request) appendHead(b []byte, typ, from string) []byte {
	b = append(b, "<iq"...)
	if r.host.brand() == brandEjabberd {
		// ejabberd repeats the language of the stream, which a component's has not.
		if r.c.port != portComponent || r.c.host.brand() != brandEjabberd {
			b = append(b, " xml:lang='en'"...)
		}
		b = appendAttr(b, "to", r.from)
		b = appendAttr(b, "from", from)
		b = appendAttr(b, "type", typ)
		return appendAttr(b, "id", r.id)
	}
	b = appendAttr(b, "id", r.id)
	b = appendAttr(b, "to", r.from)
	b = appendAttr(b, "from", from)
	return appendAttr(b, "type", typ)
}

// stanzaError is an error reply (RFC 6120 §8.3).
type stanzaError struct {
	typ, condition string
	text, by       string
	app            string // condition in the namespace of pubsub#errors
	feature        string // of the application condition "unsupported"
	after          string // further elements after <error>
}

const (
	nsStanzas      = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsPubSubErrors = "http://jabber.org/protocol/pubsub#errors"
)

// appendError appends an error reply: ejabberd repeats the request before the error and puts the application's condition first.
func (r *request) appendError(b []byte, by brand, e stanzaError) []byte {
	b = r.appendHead(b, "error", r.to)
	b = append(b, '>')
	if by == brandEjabberd {
		b = append(b, r.payload.raw()...)
	}
	b = append(b, "<error"...)
	b = appendAttr(b, "type", e.typ)
	if e.by != "" {
		b = appendAttr(b, "by", e.by)
	}
	b = append(b, '>')
	if by == brandEjabberd {
		b = e.appendApp(b)
	}
	b = append(b, '<')
	b = append(b, e.condition...)
	b = append(b, " xmlns='"+nsStanzas+"'/>"...)
	if e.text != "" {
		b = append(b, "<text"...)
		if by == brandEjabberd {
			b = append(b, " xml:lang='en'"...)
		}
		b = append(b, " xmlns='"+nsStanzas+"'>"...)
		b = appendEscaped(b, e.text)
		b = append(b, "</text>"...)
	}
	if by != brandEjabberd {
		b = e.appendApp(b)
	}
	b = append(b, "</error>"...)
	b = append(b, e.after...)
	return append(b, "</iq>"...)
}

func (e *stanzaError) appendApp(b []byte) []byte {
	if e.app == "" {
		return b
	}
	b = append(b, '<')
	b = append(b, e.app...)
	b = append(b, " xmlns='"+nsPubSubErrors+"'"...)
	if e.feature != "" {
		b = appendAttr(b, "feature", e.feature)
	}
	return append(b, "/>"...)
}

// event is a stanza for a session other than as a reply.
type event struct {
	to     string
	stanza []byte
	before bool // to be sent before the reply to the request that caused it
}

// deliver sends events to those of their addressees that are connected.
func (s *Server) deliver(events []event) {
	for _, e := range events {
		if c := s.session(e.to); c != nil {
			c.send(e.stanza)
		}
	}
}

// Inject writes raw bytes to every session, whole stanzas or not, and returns how many sessions there were.
func (s *Server) Inject(raw string) int {
	n := 0
	for _, c := range s.connections() {
		if s.session(c.address()) == c {
			c.send([]byte(raw))
			n++
		}
	}
	return n
}

// address returns the session's address, empty before it has one.
func (c *conn) address() string {
	c.srv.mu.RLock()
	defer c.srv.mu.RUnlock()
	return c.jid
}

// Request sends an IQ request of that type ("get" or "set") from a simulated address to a session, and returns the whole reply.
func (s *Server) Request(ctx context.Context, typ, from, to, payload string) (string, error) {
	c := s.session(to)
	if c == nil {
		return "", errors.New("testserver: no session has the address " + to)
	}
	id := s.token()
	reply := make(chan []byte, 1)
	s.mu.Lock()
	s.asked[id] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.asked, id)
		s.mu.Unlock()
	}()
	b := appendAttr([]byte("<iq"), "type", typ)
	b = appendAttr(b, "id", id)
	b = appendAttr(b, "from", from)
	b = appendAttr(b, "to", to)
	b = append(append(append(b, '>'), payload...), "</iq>"...)
	c.send(b)
	select {
	case r := <-reply:
		return string(r), nil
	case <-c.dead:
		return "", errKilled
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// answered hands a session's reply to whoever asked.
func (s *Server) answered(id, _ string, raw []byte) {
	s.mu.RLock()
	reply := s.asked[id]
	s.mu.RUnlock()
	if reply != nil {
		select {
		case reply <- append([]byte(nil), raw...):
		default:
		}
	}
}
