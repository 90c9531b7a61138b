package connect_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	mellium "mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// inFlightAtOnce is the number of requests that the benchmarks keep in flight.
const inFlightAtOnce = 64

// fastServer is the server's side of components, which gives every request the same answer with as little work as
// possible: what the benchmarks measure is the client.
type fastServer struct {
	l     net.Listener
	small []byte
	large []byte // for requests that mention "large"
	wg    sync.WaitGroup
}

func newFastServer(t testing.TB) *fastServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var small, large bytes.Buffer
	small.WriteString("<query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='Prosody'/>")
	for i := range 30 {
		fmt.Fprintf(&small, "<feature var='http://jabber.org/protocol/feature#%d'/>", i)
	}
	small.WriteString("</query></iq>")
	large.WriteString("<query xmlns='http://jabber.org/protocol/disco#info'>")
	for i := range 1000 {
		fmt.Fprintf(&large, "<feature var='%s%d'/>", strings.Repeat("x", 65), i)
	}
	large.WriteString("</query></iq>")
	s := &fastServer{l: l, small: small.Bytes(), large: large.Bytes()}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return s
}

func (s *fastServer) serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 0, 1<<20)
	read := func() bool {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		return err == nil
	}
	for _, step := range []struct{ await, say string }{
		{"to=", "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='crawler.me.test'>"},
		{"</handshake>", "<handshake/>"},
	} {
		for !bytes.Contains(buf, []byte(step.await)) || buf[len(buf)-1] != '>' {
			if !read() {
				return
			}
		}
		buf = buf[:0]
		_, _ = c.Write([]byte(step.say))
	}
	var out []byte
	for read() {
		out = out[:0]
		rest := buf
		for {
			i := bytes.Index(rest, []byte("</iq>"))
			if i < 0 {
				break
			}
			out = s.answer(out, rest[:i])
			rest = rest[i+len("</iq>"):]
		}
		buf = buf[:copy(buf, rest)]
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func (s *fastServer) answer(out, req []byte) []byte {
	get := func(name string) []byte {
		i := bytes.Index(req, []byte(name))
		if i < 0 {
			return nil
		}
		v := req[i+len(name)+1:]
		return v[:bytes.IndexByte(v, req[i+len(name)])]
	}
	out = append(append(out, "<iq type='result' to='crawler.me.test' id='"...), get(" id=")...)
	out = append(append(out, "' from='"...), get(" to=")...)
	out = append(out, "'>"...)
	if bytes.Contains(req, []byte("large")) {
		return append(out, s.large...)
	}
	return append(out, s.small...)
}

// askers are the ways to ask for disco#info.
var askers = []struct {
	name string
	open func(testing.TB, *fastServer) func(ctx context.Context, node string) error
}{
	{"lane", func(t testing.TB, srv *fastServer) func(context.Context, string) error {
		s, err := connect.Component(context.Background(), connect.Config{
			JID: jid.MustParse("crawler.me.test"), Secret: "s", Server: srv.l.Addr().String(),
			Logger: slog.New(slog.DiscardHandler), MaxInFlightPerDomain: 1024,
		})
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		return func(ctx context.Context, node string) error {
			info, err := disco.GetInfo(ctx, s, peer, node)
			if err == nil && len(info.Features) < 30 {
				return fmt.Errorf("%d features", len(info.Features))
			}
			return err
		}
	}},
	{"tokens", func(t testing.TB, srv *fastServer) func(context.Context, string) error {
		s := bareComponent(t, srv)
		return func(ctx context.Context, node string) error {
			_, err := disco.GetInfo(ctx, s, peer, node)
			return err
		}
	}},
	{"mellium", func(t testing.TB, srv *fastServer) func(context.Context, string) error {
		s := bareComponent(t, srv)
		return func(ctx context.Context, node string) error {
			_, err := mellium.GetInfo(ctx, node, peer, s.session)
			return err
		}
	}},
}

// plainSession is mellium's session with room for as many requests as the benchmarks make.
type plainSession struct {
	roundtrip.Session
	*roundtrip.Limiter
	session *xmpp.Session
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGetInfo compares a guarded round trip with mellium's own helper; see the metric cpu-µs/op.
// The server's share, the same for all, is part of it.
func BenchmarkGetInfo(b *testing.B) {
	for _, a := range askers {
		b.Run(a.name, func(b *testing.B) {
			ask := a.open(b, newFastServer(b))
			begin := cpu()
			b.ReportAllocs()
			b.ResetTimer()
			concurrently(b, func() error { return ask(context.Background(), "") })
			b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
		})
	}
}

// concurrently runs b.N requests, a fixed number of them at once.
func concurrently(b *testing.B, ask func() error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range inFlightAtOnce {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := ask(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkTimeouts makes requests that each have a context of their own, which is what breaks the output of mellium's
// session: run it with -benchtime 1800000x.
func BenchmarkTimeouts(b *testing.B) {
	ask := askers[0].open(b, newFastServer(b))
	concurrently(b, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return ask(ctx, "")
	})
}

// BenchmarkBesideLarge measures small requests while others get replies of 90 KB.
func BenchmarkBesideLarge(b *testing.B) {
	for _, a := range askers {
		if a.name == "tokens" {
			continue
		}
		b.Run(a.name, func(b *testing.B) {
			ask := a.open(b, newFastServer(b))
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							if err := ask(context.Background(), "large"); err != nil {
								b.Error(err)
								return
							}
						}
					}
				})
			}
			b.ResetTimer()
			for b.Loop() {
				if err := ask(context.Background(), ""); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			close(stop)
			wg.Wait()
		})
	}
}

// TestUnreadReplyDelaysNobody shows that who does not decode its reply of 90 KB holds nothing that others need.
func TestUnreadReplyDelaysNobody(t *testing.T) {
	srv := newFastServer(t)
	s := open(t, connect.Component, connect.Config{
		JID: jid.MustParse("crawler.me.test"), Secret: "s", Server: srv.l.Addr().String(), Logger: slog.New(slog.DiscardHandler),
	})
	reply, err := roundtrip.Do(testContext(t), s, roundtrip.Request{To: peer, Payload: []byte("<query xmlns='http://jabber.org/protocol/disco#info' node='large'/>")})
	require.NoError(t, err)
	query := xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:example:q", Local: "large"}})
	unread, err := s.SendIQElement(testContext(t), query, stanza.IQ{To: peer})
	require.NoError(t, err)
	for range 100 {
		_, err := disco.GetInfo(testContext(t), s, peer, "")
		require.NoError(t, err)
	}
	info, err := disco.DecodeInfo(reply.Payload())
	require.NoError(t, err)
	require.Len(t, info.Features, 1000)
	require.Greater(t, len(reply.Bytes()), 80<<10)
	require.NoError(t, unread.Close())
}

func bareComponent(t testing.TB, srv *fastServer) plainSession {
	c, err := net.Dial("tcp", srv.l.Addr().String())
	require.NoError(t, err)
	s, err := component.NewSession(context.Background(), jid.MustParse("crawler.me.test"), []byte("s"), c)
	require.NoError(t, err)
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(nil) }()
	t.Cleanup(func() { c.Close(); <-served })
	return plainSession{Session: s, Limiter: roundtrip.NewLimiter(4096, 4096), session: s}
}
