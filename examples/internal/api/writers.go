package api

import (
	"errors"
	"net"
	"os"
	"slices"
	"time"
)

const (
	// mostWriters is how many goroutines write to those that keep up. More would only wait for each other.
	mostWriters = 4
	// briefly is how long a writer waits for one client before it leaves it to a goroutine of its own.
	briefly = 2 * time.Millisecond
)

// take gives a client's connection to the hub. What is first is sent before anything else.
//
// A stream costs the handler's stack, its buffers and what net/http has of a request for as long as it lasts, unless the
// connection is taken away from there. What remains is a goroutine that notices the client's departure.
func (h *hub) take(c *client, conn net.Conn, first message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[c]; !ok {
		_ = conn.Close()
		return
	}
	c.conn = conn
	c.waiting = append([]message{first}, c.waiting...)
	h.wake(c)
	h.s.running.Go(func() { h.watch(c, conn) })
}

// keep has a client's messages go to a handler, by the channel that it returns.
func (h *hub) keep(c *client) <-chan message {
	h.mu.Lock()
	defer h.mu.Unlock()
	in := make(chan message, queue)
	for _, m := range c.waiting {
		in <- m
	}
	c.waiting = nil
	if _, ok := h.clients[c]; ok {
		c.in = in
	} else {
		close(in)
	}
	return in
}

// watch waits for the end of a connection. What a client sends has no meaning.
func (h *hub) watch(c *client, conn net.Conn) {
	var b [64]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			h.leave(c)
			return
		}
	}
}

// wake has something written to a client that has messages waiting. The caller holds the lock.
func (h *hub) wake(c *client) {
	if c.conn == nil || c.busy {
		return
	}
	c.busy = true
	h.ready = append(h.ready, c)
	if h.writers < mostWriters {
		h.writers++
		h.s.running.Go(h.write)
	}
}

// write writes to those that are ready, until there are none.
func (h *hub) write() {
	for c := h.next(); c != nil; c = h.next() {
		m := h.pending(c)
		n, err := c.send(m, briefly)
		switch {
		case err == nil:
			h.done(c)
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The others don't wait for this one.
			h.s.running.Go(func() { h.insist(c, m[n:]) })
		default:
			h.leave(c)
		}
	}
}

// next returns somebody to write to, or nil where the writer is not needed any more.
func (h *hub) next() *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ready) == 0 {
		h.writers--
		return nil
	}
	c := h.ready[0]
	h.ready = h.ready[1:]
	return c
}

// pending takes what waits for a client, as one message.
func (h *hub) pending(c *client) message {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := c.waiting
	c.waiting = nil
	if len(all) == 1 {
		return all[0]
	}
	return slices.Concat(all...)
}

// done is called when all that was pending has been written.
func (h *hub) done(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.busy = false
	if len(c.waiting) > 0 {
		h.wake(c)
	}
}

// insist writes to a client that does not keep up, until it has caught up or is cut off.
func (h *hub) insist(c *client, m message) {
	for len(m) > 0 {
		if _, err := c.send(m, writeTime); err != nil {
			h.leave(c)
			return
		}
		m = h.pending(c)
	}
	h.done(c)
}

// send writes a message, and returns how much of it was written within a time.
func (c *client) send(m message, within time.Duration) (int, error) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(within))
	return c.conn.Write(m)
}
