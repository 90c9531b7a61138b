package api

import (
	"bytes"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
)

// serveEvents sends what changes, until the client goes or does not keep up.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		streamHeader(w.Header())
		return
	}
	c, first, err := s.events.join(limit.Address(s.o.Client(r)), r.Header.Get("Last-Event-ID"))
	if err != nil {
		s.rejected.Add(1)
		fail(w, r, err)
		return
	}
	if conn := hijack(w, r); conn != nil {
		s.events.take(c, conn, slices.Concat(append([]message{streamHead(w.Header(), s.o.Now())}, first...)...))
		return
	}
	defer s.events.leave(c)
	in, st := s.events.keep(c), newStream(w)
	for _, m := range first {
		if st.send(m) != nil {
			return
		}
	}
	for {
		select {
		case m, ok := <-in:
			if !ok || st.send(m) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// hijack takes the connection of a request away from net/http, nil where it must stay there:
// one of HTTP/2 is not the request's alone, and one of TLS can't go on after a write that took too long.
func hijack(w http.ResponseWriter, r *http.Request) net.Conn {
	if r.TLS != nil || r.ProtoMajor != 1 {
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// streamHead is the head of a response that ends with its connection (RFC 9112 §6.3).
func streamHead(h http.Header, now time.Time) message {
	streamHeader(h)
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	// Writing to memory does not fail.
	_ = h.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	// Some reverse proxies would collect what is sent before they hand it on.
	h.Set("X-Accel-Buffering", "no")
}

// stream is an event stream to one client.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newStream begins an answer that has no end of its own, so that the server's limits for whole requests don't apply.
func newStream(w http.ResponseWriter) *stream {
	st := &stream{w, http.NewResponseController(w)}
	streamHeader(w.Header())
	// Not every ResponseWriter has deadlines, and one that has none needs none lifted.
	_ = st.rc.SetReadDeadline(time.Time{})
	return st
}

// send writes a message, within the time that one write may take.
func (st *stream) send(m message) error {
	_ = st.rc.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := st.w.Write(m); err != nil {
		return err
	}
	return st.rc.Flush()
}
