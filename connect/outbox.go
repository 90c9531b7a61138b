package connect

import (
	"context"
	"net"
	"sync"
	"time"
)

// maxPending is how many bytes may wait to be written before senders wait too.
const maxPending = 1 << 20

// outbox is the one way in which stanzas reach the network.
//
// Senders add whole stanzas and one goroutine writes them, so that they cannot interleave, so that many leave in one write
// under load, and so that the reader never waits for a peer that does not read.
type outbox struct {
	mu      sync.Mutex
	more    sync.Cond // something to write, or closed
	space   sync.Cond // room for more, or closed
	pending []byte
	closed  bool
}

func newOutbox() *outbox {
	o := new(outbox)
	o.more.L, o.space.L = &o.mu, &o.mu
	return o
}

// add queues whole stanzas; it waits for room until ctx ends.
func (o *outbox) add(ctx context.Context, b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) > maxPending && !o.closed {
		stop := context.AfterFunc(ctx, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.space.Broadcast()
		})
		defer stop()
		for len(o.pending) > maxPending && !o.closed && ctx.Err() == nil {
			o.space.Wait()
		}
	}
	switch {
	case o.closed:
		return ErrDisconnected
	case ctx.Err() != nil:
		return ctx.Err()
	}
	o.pending = append(o.pending, b...)
	o.more.Signal()
	return nil
}

// tryAdd queues b unless too much waits already, and reports whether it did.
func (o *outbox) tryAdd(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.pending) > maxPending {
		return false
	}
	o.pending = append(o.pending, b...)
	o.more.Signal()
	return true
}

// close makes everyone stop; what is pending is lost.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Broadcast()
	o.space.Broadcast()
}

// run writes until the outbox is closed or a write fails.
func (o *outbox) run(conn net.Conn, timeout time.Duration, written func(int)) error {
	var out []byte
	for {
		o.mu.Lock()
		for len(o.pending) == 0 && !o.closed {
			o.more.Wait()
		}
		if o.closed {
			o.mu.Unlock()
			return ErrDisconnected
		}
		out, o.pending = o.pending, out[:0]
		o.space.Broadcast()
		o.mu.Unlock()
		if err := writeAll(conn, out, timeout, written); err != nil {
			return err
		}
		if cap(out) > 2*maxPending {
			out = nil
		}
	}
}

// writeChunk is how much is written under one deadline.
const writeChunk = 32 << 10

// writeAll gives a slow server time according to what it is sent: servers read at a few kilobytes a second from whom they
// want to slow down.
func writeAll(conn net.Conn, b []byte, timeout time.Duration, written func(int)) error {
	for len(b) > 0 {
		if err := conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		n, err := conn.Write(b[:min(len(b), writeChunk)])
		written(n)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
