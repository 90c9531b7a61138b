package connect

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// guard is the connection that mellium's session is given.
//
// It yields the stream's header and then whole stanzas that are known to be harmless, and takes whole stanzas.
// Its deadlines do nothing: mellium sets deadlines in the past for the context of a single request, which now and then
// breaks the whole session; the real connection has timeouts of its own.
type guard struct {
	l   *link
	cur []byte
	out *xmlscan.Framer
}

// maxWritten is the greatest stanza that is looked at when it is written; [Config.MaxSend] decides whether it is sent.
const maxWritten = 8 << 20

func newGuard(l *link, header []byte) *guard {
	return &guard{l: l, cur: header, out: xmlscan.NewInnerFramer(xmlscan.FrameLimits{Bytes: maxWritten})}
}

// fill waits for the next stanza.
func (g *guard) fill() error {
	for len(g.cur) == 0 {
		if b, ok := g.l.in.take(); ok {
			g.cur = b
			continue
		}
		select {
		case <-g.l.ctx.Done():
			return io.EOF
		case <-g.l.in.wake:
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
			err = g.l.send(g.l.ctx, frame.Data)
		case xmlscan.Dropped:
			err = fmt.Errorf("connect: stanza of %d bytes: %s", frame.Size, frame.Reason)
		case xmlscan.Close:
			return len(p), nil
		}
		switch {
		case err == nil:
		case g.l.ctx.Err() != nil:
			return n, err
		default:
			// An error would end mellium's session, and what cannot be sent may be no more than an answer that repeats the
			// overlong words of a stranger.
			g.l.handlerFailed(err, "", "")
		}
	}
	return len(p), nil
}

func (g *guard) Close() error {
	g.l.fail(ErrDisconnected)
	return nil
}

func (g *guard) LocalAddr() net.Addr { return g.l.w.conn.LocalAddr() }

func (g *guard) RemoteAddr() net.Addr { return g.l.w.conn.RemoteAddr() }

func (*guard) SetDeadline(time.Time) error { return nil }

func (*guard) SetReadDeadline(time.Time) error { return nil }

func (*guard) SetWriteDeadline(time.Time) error { return nil }
