//go:build integration

package connect_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// pause is between two looks at something that announces nothing when it changes.
const pause = 20 * time.Millisecond

// realServer is what the tests need of either brand.
type realServer interface {
	Domain() string
	C2S() string
	DirectTLS() string
	Component() string
	Start(testing.TB)
	Kill(testing.TB)
	Restart(testing.TB)
	Pause(testing.TB)
	Resume(testing.TB)
}

// brand is a server with the name that tests give it.
type brand struct {
	name string
	realServer
}

func brands(lab *integration.Lab) []brand {
	return []brand{{"Prosody", lab.Prosody}, {"ejabberd", lab.Ejabberd}}
}

// realRoles are the two ways to connect to a real server.
var realRoles = []struct {
	name   string
	config func(*integration.Lab, brand) connect.Config
	dial   dialler
}{
	// ejabberd slows all but administrators down.
	{"client", func(l *integration.Lab, b brand) connect.Config {
		return connect.Config{
			JID: jid.MustParse("admin@" + b.Domain()), Password: integration.Password, Server: b.C2S(),
			TLS: &tls.Config{RootCAs: l.CA()}, Logger: slog.New(slog.DiscardHandler),
		}
	}, connect.Client},
	{"component", func(_ *integration.Lab, b brand) connect.Config {
		return connect.Config{
			JID: jid.MustParse("crawler." + b.Domain()), Secret: integration.Secret, Server: b.Component(),
			Logger: slog.New(slog.DiscardHandler),
		}
	}, connect.Component},
}

// openReal connects; a server may still hold the place of a component that has just gone.
func openReal(t testing.TB, dial dialler, cfg connect.Config) *connect.Session {
	t.Helper()
	for ctx := testContext(t); ; {
		s, err := dial(ctx, cfg)
		if err == nil {
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			return s
		}
		require.ErrorIs(t, err, connect.ErrConflict)
		select {
		case <-ctx.Done():
			require.NoError(t, err)
		case <-time.After(pause):
		}
	}
}

type dialler = func(context.Context, connect.Config) (*connect.Session, error)

// software asks a domain which program and version it runs (XEP-0092).
func software(t testing.TB, s *connect.Session, domain string) string {
	t.Helper()
	reply, err := roundtrip.Do(testContext(t), s, roundtrip.Request{To: jid.MustParse(domain), Payload: []byte("<query xmlns='jabber:iq:version'/>")})
	require.NoError(t, err)
	var out []string
	p := reply.Payload()
	for d := p.Depth(); p.Child(d); {
		if p.Is("jabber:iq:version", "name") || p.Is("jabber:iq:version", "version") {
			text, err := p.InnerText(100)
			require.NoError(t, err)
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// stranger is a component that writes raw bytes.
// Its server ends its stream for some of them, after which it comes back.
type stranger struct {
	name, addr string
	// answer makes the answer to a request; nil leaves requests without one.
	answer func(id, from string) string
	// asked gets the id of every request that has arrived.
	asked chan string

	mu      sync.Mutex
	conn    net.Conn
	ended   chan struct{} // closed with the present stream
	waiters map[string]chan string
	nextID  atomic.Int64
}

func newStranger(t testing.TB, b brand, name string) *stranger {
	t.Helper()
	s := &stranger{name: name, addr: b.Component(), asked: make(chan string, 1000), waiters: make(map[string]chan string)}
	s.revive(t)
	t.Cleanup(func() {
		s.conn.Close()
		<-s.ended
	})
	return s
}

// revive connects again; the server may still hold the last connection's place.
func (s *stranger) revive(t testing.TB) {
	t.Helper()
	ctx := testContext(t)
	for {
		conn, d, err := rawComponent(ctx, s.addr, s.name)
		if err == nil {
			s.mu.Lock()
			s.conn, s.ended = conn, make(chan struct{})
			s.mu.Unlock()
			go s.read(d, s.ended)
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err)
		case <-time.After(pause):
		}
	}
}

// rawComponent connects to a server as a component without any help (XEP-0114 §3).
func rawComponent(ctx context.Context, addr, name string) (conn net.Conn, d *xml.Decoder, err error) {
	conn, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	d = xml.NewDecoder(conn)
	fmt.Fprintf(conn, "<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>", component.NSAccept, name)
	header, err := nextStart(d)
	if err != nil {
		return nil, nil, err
	}
	sum := sha1.Sum([]byte(xmlAttr(header, "id") + integration.Secret))
	fmt.Fprintf(conn, "<handshake>%s</handshake>", hex.EncodeToString(sum[:]))
	start, err := nextStart(d)
	if err != nil {
		return nil, nil, err
	}
	if start.Name.Local != "handshake" {
		return nil, nil, fmt.Errorf("refused with %q", start.Name.Local)
	}
	return conn, d, d.Skip()
}

func nextStart(d *xml.Decoder) (xml.StartElement, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := tok.(xml.StartElement); ok {
			return start, nil
		}
	}
}

func xmlAttr(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (s *stranger) read(d *xml.Decoder, ended chan struct{}) {
	defer close(ended)
	for {
		start, err := nextStart(d)
		if err != nil || start.Name.Local == "error" {
			s.conn.Close()
			return
		}
		if start.Name.Local == "iq" {
			s.receive(xmlAttr(start, "type"), xmlAttr(start, "id"), xmlAttr(start, "from"))
		}
		if d.Skip() != nil {
			s.conn.Close()
			return
		}
	}
}

func (s *stranger) receive(typ, id, from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if typ == "get" || typ == "set" {
		select {
		case s.asked <- id:
		default: // nobody is interested
		}
		if s.answer != nil {
			_, _ = io.WriteString(s.conn, s.answer(id, from))
		}
		return
	}
	if w := s.waiters[id]; w != nil {
		w <- typ
		delete(s.waiters, id)
	}
}

func (s *stranger) setAnswer(f func(id, from string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// write is of bytes that may end the stream at any time, so that an error has no meaning.
func (s *stranger) write(xml string) { _, _ = io.WriteString(s.conn, xml) }

// dead reports whether the server has ended the stream.
func (s *stranger) dead() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// errStreamEnded means that the stranger's server has ended its stream.
var errStreamEnded = errors.New("stream of the stranger ended")

// ping returns the type of the answer and the id that was used.
func (s *stranger) ping(ctx context.Context, to string) (typ, id string, err error) {
	id = "probe" + strconv.FormatInt(s.nextID.Add(1), 10)
	w := make(chan string, 1)
	s.mu.Lock()
	s.waiters[id] = w
	s.mu.Unlock()
	iq := xmlscan.AppendAttr([]byte("<iq type='get'"), "id", id)
	iq = xmlscan.AppendAttr(xmlscan.AppendAttr(iq, "from", s.name), "to", to)
	s.write(string(iq) + "><ping xmlns='urn:xmpp:ping'/></iq>")
	select {
	case typ = <-w:
		return typ, id, nil
	case <-s.ended:
		return "", id, errStreamEnded
	case <-ctx.Done():
		return "", id, ctx.Err()
	}
}
