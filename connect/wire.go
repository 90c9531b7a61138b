package connect

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// readSize is how much is read from the network at once.
const readSize = 32 << 10

// wire reads frames from a connection.
type wire struct {
	conn   net.Conn
	framer *xmlscan.Framer
	buf    []byte
	in     []byte // read but not yet fed to the framer

	// idle is the silence after which reading fails, none if zero.
	idle time.Duration
	// heard is when bytes arrived last, in nanoseconds since 1970.
	heard atomic.Int64
	bytes *atomic.Uint64
}

func newWire(conn net.Conn, lim xmlscan.FrameLimits) *wire {
	return &wire{conn: conn, framer: xmlscan.NewFramer(lim), buf: make([]byte, readSize)}
}

// next returns the next frame, whose data is valid until the next call.
func (w *wire) next() (xmlscan.Frame, error) {
	for {
		if len(w.in) == 0 {
			if err := w.fill(); err != nil {
				return xmlscan.Frame{}, err
			}
		}
		n, frame, err := w.framer.Feed(w.in)
		w.in = w.in[n:]
		if err != nil || frame.Kind != xmlscan.NoFrame {
			return frame, err
		}
	}
}

func (w *wire) fill() error {
	if w.idle > 0 {
		if err := w.conn.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return err
		}
	}
	for tries := 0; ; tries++ {
		n, err := w.conn.Read(w.buf)
		if n > 0 {
			w.in = w.buf[:n]
			w.heard.Store(time.Now().UnixNano())
			if w.bytes != nil {
				w.bytes.Add(uint64(n))
			}
			return nil
		}
		if err != nil {
			return err
		}
		if tries == 100 {
			return io.ErrNoProgress
		}
	}
}

// clean reports whether nothing has been read beyond the last frame.
func (w *wire) clean() bool { return len(w.in) == 0 && !w.framer.Partial() }
