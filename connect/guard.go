package connect

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// The bounds on what waits for the handler.
const (
	inboxStanzas = 1024
	inboxBytes   = 8 << 20
)

// guard is the connection that mellium's session is given.
//
// It yields the stream's header and then whole stanzas that are known to be harmless, and takes whole stanzas.
// Its deadlines do nothing: mellium sets deadlines in the past for the context of a single request, which now and then
// breaks the whole session; the real connection has timeouts of its own.
type guard struct {
	st  *stanzas
	cur []byte
	out *xmlscan.Framer
}

// stanzas is the queue between the connection's reader and mellium's.
type stanzas struct {
	queue chan []byte
	bytes atomic.Int64
	done  <-chan struct{}
	send  func([]byte) error
	close func()
	conn  net.Conn
}

func newStanzas(conn net.Conn, done <-chan struct{}, send func([]byte) error, close func()) *stanzas {
	return &stanzas{queue: make(chan []byte, inboxStanzas), done: done, send: send, close: close, conn: conn}
}

// offer queues a stanza and reports whether there was room.
func (q *stanzas) offer(b []byte) bool {
	if q.bytes.Add(int64(len(b))) > inboxBytes {
		q.bytes.Add(-int64(len(b)))
		return false
	}
	select {
	case q.queue <- b:
		return true
	default:
		q.bytes.Add(-int64(len(b)))
		return false
	}
}

func newGuard(st *stanzas, header []byte, lim xmlscan.FrameLimits) *guard {
	return &guard{st: st, cur: header, out: xmlscan.NewInnerFramer(lim)}
}

// fill waits for the next stanza.
func (g *guard) fill() error {
	for len(g.cur) == 0 {
		select {
		case <-g.st.done:
			return io.EOF
		case b := <-g.st.queue:
			g.st.bytes.Add(-int64(len(b)))
			g.cur = b
		}
	}
	return nil
}

// ReadByte makes encoding/xml read no further than it must.
func (g *guard) ReadByte() (byte, error) {
	if err := g.fill(); err != nil {
		return 0, err
	}
	b := g.cur[0]
	g.cur = g.cur[1:]
	return b, nil
}

func (g *guard) Read(p []byte) (int, error) {
	if err := g.fill(); err != nil {
		return 0, err
	}
	n := copy(p, g.cur)
	g.cur = g.cur[n:]
	return n, nil
}

// Write passes on whole stanzas only, so that mellium's writes cannot interleave with others.
// The end of the stream is not mellium's to write.
func (g *guard) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		used, frame, err := g.out.Feed(p[n:])
		n += used
		if err != nil {
			return n, err
		}
		switch frame.Kind {
		case xmlscan.Stanza:
			if err := g.st.send(frame.Data); err != nil {
				return n, err
			}
		case xmlscan.Close:
			return len(p), nil
		}
	}
	return len(p), nil
}

func (g *guard) Close() error {
	g.st.close()
	return nil
}

func (g *guard) LocalAddr() net.Addr { return g.st.conn.LocalAddr() }

func (g *guard) RemoteAddr() net.Addr { return g.st.conn.RemoteAddr() }

func (*guard) SetDeadline(time.Time) error { return nil }

func (*guard) SetReadDeadline(time.Time) error { return nil }

func (*guard) SetWriteDeadline(time.Time) error { return nil }
