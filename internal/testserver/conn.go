package testserver

import (
	"errors"
	"net"
	"sync"
)

// Namespaces of streams.
const (
	nsStream    = "http://etherx.jabber.org/streams"
	nsClient    = "jabber:client"
	nsComponent = "jabber:component:accept"
)

// maxPending bounds the bytes that wait to be written to one connection before the server stops reading from it.
const maxPending = 16 << 20

// conn is one TCP connection: a goroutine that negotiates, reads and answers, and one that writes.
type conn struct {
	srv  *Server
	port int
	tcp  net.Conn

	// These belong to the reading goroutine.
	nc   net.Conn // tcp, or TLS over it
	f    *framer
	tree tree
	pay  []byte // scratch for a reply's payload

	recent [8]string // ids of the latest requests
	latest int

	// These are set once, before the session is registered.
	jid   string // full address of a client, domain of a component
	host  *Host  // the hosted domain that the session is local to
	space string

	out  outbox
	dead chan struct{}
	once sync.Once

	mu     sync.Mutex
	frozen chan struct{} // not nil while frozen
}

func newConn(s *Server, nc net.Conn, port int) *conn {
	c := &conn{srv: s, port: port, tcp: nc, nc: nc, dead: make(chan struct{})}
	c.out.init()
	return c
}

// kill closes the connection at once, and frees its address. The error is for the reader's eyes only.
func (c *conn) kill(error) {
	c.once.Do(func() {
		close(c.dead)
		_ = c.tcp.Close()
		c.out.close()
		s := c.srv
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sessions[c.jid] == c {
			delete(s.sessions, c.jid)
		}
	})
}

func (c *conn) serve() {
	defer c.forget()
	if err := c.negotiate(); err != nil {
		c.kill(err)
		return
	}
	var writer sync.WaitGroup
	writer.Go(c.write)
	err := c.read()
	switch {
	case errors.Is(err, errTooBig):
		c.endStream("policy-violation", "XML stanza is too big")
	case errors.Is(err, errFrame):
		c.endStream("not-well-formed", "")
	case err == nil:
		c.endStream("", "")
	default:
		c.kill(err)
	}
	writer.Wait()
	c.kill(nil)
}

func (c *conn) forget() {
	c.kill(nil)
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// read handles stanzas until the stream ends, which gives nil, or fails.
func (c *conn) read() error {
	for {
		kind, frame, err := c.f.next()
		if err != nil {
			return err
		}
		if err := c.wait(); err != nil {
			return err
		}
		switch kind {
		case frameClose:
			return nil
		case frameHeader:
			return errFrame
		case frameStanza:
			c.srv.received.Add(1)
			if err := c.handle(frame); err != nil {
				return err
			}
		}
		if !c.f.buffered() {
			c.out.flush()
			if err := c.out.drain(maxPending); err != nil {
				return err
			}
		}
	}
}

// wait blocks while the server is paused or the connection frozen.
func (c *conn) wait() error {
	c.mu.Lock()
	frozen := c.frozen
	c.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-c.dead:
			return errKilled
		}
	}
	select {
	case <-c.srv.gate():
		return nil
	case <-c.dead:
		return errKilled
	}
}

func (c *conn) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen == nil {
		c.frozen = make(chan struct{})
	}
}

func (c *conn) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen != nil {
		close(c.frozen)
		c.frozen = nil
	}
}

// write sends what is in the outbox until that is closed.
func (c *conn) write() {
	defer c.kill(nil)
	for {
		segs, ok := c.out.take()
		if !ok {
			return
		}
		for _, s := range segs {
			if c.wait() != nil || !c.writeSegment(s) {
				return
			}
		}
		c.out.recycle(segs)
	}
}

func (c *conn) writeSegment(s segment) bool {
	if s.kill {
		return false
	}
	step := len(s.b)
	if s.pause > 0 {
		step = max(1, s.step)
	}
	for b := s.b; len(b) > 0; {
		n := min(step, len(b))
		if _, err := c.nc.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
		if s.pause > 0 && len(b) > 0 {
			select {
			case <-c.srv.cfg.After(s.pause):
			case <-c.dead:
				return false
			}
		}
	}
	return true
}

// endStream ends the stream, with an error unless the condition is empty, and closes the connection when that is written.
func (c *conn) endStream(condition, text string) {
	c.out.add(appendStreamEnd(nil, condition, text), segment{kill: true})
	c.out.flush()
}

func appendStreamEnd(b []byte, condition, text string) []byte {
	if condition != "" {
		b = append(b, "<stream:error><"...)
		b = append(b, condition...)
		b = append(b, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"...)
		if text != "" {
			b = append(b, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"...)
			b = appendEscaped(b, text)
			b = append(b, "</text>"...)
		}
		b = append(b, "</stream:error>"...)
	}
	return append(b, "</stream:stream>"...)
}

// send queues whole stanzas that do not come from the reading goroutine, and has them written.
func (c *conn) send(b []byte) {
	c.srv.sent.Add(1)
	c.out.add(b)
	c.out.flush()
}

// sendAll queues the pieces of stanzas that do not come from the reading goroutine, and has them written.
func (c *conn) sendAll(pieces []segment) {
	c.srv.sent.Add(1)
	c.out.put(pieces...)
	c.out.flush()
}
