// Package quick answers the few requests that are most of a busy server's load before they reach net/http.
//
// A client that asks again and again for a document that is ready costs two system calls here and little else: its request is
// recognized as it stands in the buffer, and the whole answer is one write. net/http spends several times that on what such a request has no need of.
//
// Nothing is lost for all others. As soon as a connection brings anything but a simple request for such a document,
// it is handed to net/http with all that was read, and stays there. So no request is ever understood in part by the one and in part by the other.
package quick

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Head is a request for a document.
type Head struct {
	// Path is the target as it was sent.
	Path []byte
	// AcceptEncoding and IfNoneMatch are the values of these fields, empty if they are missing.
	AcceptEncoding, IfNoneMatch []byte
}

// Answer returns a whole response, which stays as it is, or nil for a request that is net/http's.
type Answer func(h Head) []byte

// Limits of a connection, the same as the aggregator has for net/http.
const (
	firstTime = 5 * time.Second  // for the first request
	idleTime  = time.Minute      // between two requests
	writeTime = 30 * time.Second // for a response
	// maxHead is the size of a request's head in bytes up to which it can be simple.
	maxHead = 4 << 10
)

// Listener hands out the connections that are net/http's. Close it to end all others.
type Listener struct {
	net.Listener
	answer Answer
	handed chan net.Conn
	closed chan struct{}
	once   sync.Once
	err    error // of the listener, once accepting has ended

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	work  sync.WaitGroup
}

// Listen answers what it can of the connections of l, and hands out the others. Closing it closes l.
func Listen(l net.Listener, answer Answer) *Listener {
	q := &Listener{
		Listener: l, answer: answer, handed: make(chan net.Conn), closed: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	q.work.Go(q.accept)
	return q
}

// Accept implements net.Listener.
func (q *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-q.handed:
		return c, nil
	case <-q.closed:
		if q.err != nil {
			return nil, q.err
		}
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It ends the connections that were not handed out, and waits for that.
func (q *Listener) Close() error {
	err := q.Listener.Close()
	q.end(nil)
	q.work.Wait()
	return err
}

// end stops everything, once.
func (q *Listener) end(err error) {
	q.once.Do(func() {
		q.err = err
		close(q.closed)
		q.mu.Lock()
		defer q.mu.Unlock()
		for c := range q.conns {
			_ = c.Close()
		}
	})
}

func (q *Listener) accept() {
	for pause := time.Duration(0); ; {
		c, err := q.Listener.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			pause = 0
			q.work.Go(func() { q.serve(c) })
			continue
		case !errors.As(err, &temporary) || !temporary.Temporary():
			q.end(err)
			return
		}
		// No file is left for another connection, for example. net/http waits in the same way.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(pause):
		case <-q.closed:
			return
		}
	}
}

// keep notes a connection, and returns false if it is too late for that.
func (q *Listener) keep(c net.Conn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.closed:
		return false
	default:
		q.conns[c] = struct{}{}
		return true
	}
}

func (q *Listener) release(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.conns, c)
}

var buffers = sync.Pool{New: func() any { return new([maxHead]byte) }}

// serve answers the requests of a connection for as long as they are simple.
func (q *Listener) serve(c net.Conn) {
	if !q.keep(c) {
		_ = c.Close()
		return
	}
	buf := buffers.Get().(*[maxHead]byte)
	n, err := q.converse(c, buf[:])
	q.release(c)
	if err != nil {
		buffers.Put(buf)
		_ = c.Close()
		return
	}
	rest := append([]byte(nil), buf[:n]...)
	buffers.Put(buf)
	_ = c.SetDeadline(time.Time{})
	select {
	case q.handed <- &handed{Conn: c, rest: rest}:
	case <-q.closed:
		_ = c.Close()
	}
}

// converse returns how much it has read of what is net/http's.
func (q *Listener) converse(c net.Conn, buf []byte) (n int, err error) {
	_ = c.SetDeadline(time.Now().Add(firstTime))
	for limited := (time.Time{}); ; {
		if n, err = c.Read(buf); err != nil {
			return 0, err
		}
		h, ok := parse(buf[:n])
		if !ok {
			return n, nil
		}
		response := q.answer(h)
		if response == nil {
			return n, nil
		}
		// A deadline costs as much as the rest, and need not be exact.
		if now := time.Now(); now.Sub(limited) >= time.Second {
			limited = now
			_ = c.SetWriteDeadline(now.Add(writeTime))
			_ = c.SetReadDeadline(now.Add(idleTime))
		}
		if _, err = c.Write(response); err != nil {
			return 0, err
		}
	}
}

// handed is a connection of which something was read already.
type handed struct {
	net.Conn
	rest []byte
}

// Read implements io.Reader.
func (h *handed) Read(p []byte) (int, error) {
	if len(h.rest) == 0 {
		return h.Conn.Read(p)
	}
	n := copy(p, h.rest)
	if h.rest = h.rest[n:]; len(h.rest) == 0 {
		h.rest = nil
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom, so that a file is still sent by the system.
func (h *handed) ReadFrom(r io.Reader) (int64, error) { return io.Copy(h.Conn, r) }
