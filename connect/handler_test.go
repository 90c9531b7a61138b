package connect_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func wrapIQ(typ string, start *xml.StartElement) xml.StartElement {
	var id, from string
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "id":
			id = a.Value
		case "from":
			from = a.Value
		}
	}
	return xml.StartElement{Name: xml.Name{Local: "iq"}, Attr: []xml.Attr{
		{Name: xml.Name{Local: "type"}, Value: typ}, {Name: xml.Name{Local: "id"}, Value: id}, {Name: xml.Name{Local: "to"}, Value: from},
	}}
}

// TestHandlerFaults shows that what a handler does wrong costs one stanza.
func TestHandlerFaults(t *testing.T) {
	payload := xml.StartElement{Name: xml.Name{Space: "urn:example:r", Local: "r"}}
	for _, c := range []struct {
		name string
		f    func(xmlstream.TokenReadEncoder, *xml.StartElement) error
		want string
	}{
		{"answers", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			_, err := xmlstream.Copy(e, xmlstream.Wrap(xmlstream.Wrap(nil, payload), wrapIQ("result", s)))
			return err
		}, `type="result"`},
		{"answers with Encode", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			return e.EncodeElement(struct {
				X string `xml:"urn:example:r r"`
			}{"text"}, wrapIQ("result", s))
		}, `text`},
		{"answers with a stanza that encodes itself", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			iq, err := stanza.NewIQ(*s)
			if err != nil {
				return err
			}
			return e.Encode(marshaler{iq.Result(xmlstream.Wrap(nil, payload))})
		}, `type="result"`},
		{"does nothing", func(xmlstream.TokenReadEncoder, *xml.StartElement) error { return nil }, "service-unavailable"},
		{"returns an error", func(xmlstream.TokenReadEncoder, *xml.StartElement) error { return errors.New("broken") }, "internal-server-error"},
		{"returns a stanza error", func(xmlstream.TokenReadEncoder, *xml.StartElement) error {
			return stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
		}, "forbidden"},
		{"returns io.EOF", func(xmlstream.TokenReadEncoder, *xml.StartElement) error { return io.EOF }, "internal-server-error"},
		{"panics", func(xmlstream.TokenReadEncoder, *xml.StartElement) error { panic("broken") }, "internal-server-error"},
		{"panics after half an answer", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			_ = e.EncodeToken(wrapIQ("result", s))
			panic("broken")
		}, "internal-server-error"},
		{"leaves an element open", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			return e.EncodeToken(wrapIQ("result", s))
		}, "internal-server-error"},
		{"closes too much", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			_ = e.EncodeToken(wrapIQ("result", s).End())
			return nil
		}, "internal-server-error"},
		{"writes an invalid name", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			_, err := xmlstream.Copy(e, xmlstream.Wrap(xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "a b='"}}), wrapIQ("result", s)))
			return err
		}, "internal-server-error"},
		{"reads to the end and beyond", func(e xmlstream.TokenReadEncoder, s *xml.StartElement) error {
			for range 100 {
				if _, err := e.Token(); err != nil {
					break
				}
			}
			return nil
		}, "service-unavailable"},
	} {
		for _, role := range roles {
			t.Run(c.name+", "+role.name, func(t *testing.T) {
				srv := testserver.Start(t, testserver.Config{})
				srv.AddDomain(testserver.Domain{Name: "peer.example"})
				cfg := role.config(srv)
				cfg.Handler = xmpp.HandlerFunc(c.f)
				s := open(t, role.dial, cfg)
				for range 2 {
					reply, err := srv.Request(testContext(t), "get", "peer.example", s.LocalAddr().String(), "<q xmlns='urn:example:q'><a/>text</q>")
					require.NoError(t, err)
					require.Contains(t, reply, c.want)
				}
				_, err := disco.GetInfo(testContext(t), s, peer, "")
				require.NoError(t, err)
				require.EqualValues(t, 1, s.Counters().Connects)
			})
		}
	}
}

type marshaler struct{ r xml.TokenReader }

func (m marshaler) TokenReader() xml.TokenReader { return m.r }

// TestSlowHandler shows that a handler that does not return delays no reply, that it may use the session itself, and that
// what it has no time for is bounded and answered.
func TestSlowHandler(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	cfg := componentConfig(srv)
	entered, leave := make(chan error, 1), make(chan struct{})
	var s *connect.Session
	cfg.Handler = xmpp.HandlerFunc(func(xmlstream.TokenReadEncoder, *xml.StartElement) error {
		select {
		case entered <- func() error { _, err := disco.GetInfo(context.Background(), s, peer, ""); return err }():
		default:
		}
		<-leave
		return nil
	})
	s = open(t, connect.Component, cfg)
	srv.Inject("<message from='peer.example'/>")
	require.NoError(t, await(t, entered, "the handler's own request"))

	srv.Inject(strings.Repeat("<message from='peer.example'/>", 5000))
	reply, err := srv.Request(testContext(t), "get", "peer.example", testserver.Component, "<q xmlns='urn:example:q'/>")
	require.NoError(t, err)
	require.Contains(t, reply, "resource-constraint")
	_, err = disco.GetInfo(testContext(t), s, peer, "")
	require.NoError(t, err)
	c := s.Counters()
	require.Greater(t, c.DroppedShare, uint64(2000))
	require.Zero(t, c.DroppedFull)
	close(leave)
}

// blocking is a handler that waits to be let go, and then tells who all the stanzas came from.
type blocking struct {
	leave  chan struct{}
	mu     sync.Mutex
	counts map[string]int
	total  int
}

func newBlocking() *blocking {
	return &blocking{leave: make(chan struct{}), counts: make(map[string]int)}
}

func (b *blocking) HandleXMPP(_ xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	<-b.leave
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range start.Attr {
		if a.Name.Local == "from" {
			b.counts[a.Value]++
			b.total++
		}
	}
	return nil
}

// settled returns what was handled once everything has been received that was injected, and handled or dropped.
func (b *blocking) settled(t *testing.T, s *connect.Session, injected int) map[string]int {
	require.Eventually(t, func() bool { return s.Counters().StanzasIn >= uint64(injected) }, patience, time.Millisecond)
	close(b.leave)
	require.Eventually(t, func() bool {
		c := s.Counters()
		b.mu.Lock()
		defer b.mu.Unlock()
		return uint64(b.total)+c.DroppedShare+c.DroppedFull == uint64(injected)
	}, patience, time.Millisecond)
	return b.counts
}

// TestFloodCostsItsSender shows that the events of others arrive, however many a hostile domain sends before, between and
// after them, under its own name or under such that it makes up.
func TestFloodCostsItsSender(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			h := newBlocking()
			cfg := role.config(srv)
			cfg.Handler = h
			s := open(t, role.dial, cfg)
			var all strings.Builder
			n := 0
			add := func(from string) {
				fmt.Fprintf(&all, "<message from='%s'><a xmlns='urn:example:a'/></message>", from)
				n++
			}
			for i := range 200 {
				for j := range 100 {
					add(evil)
					add(fmt.Sprintf("x%d-%d.%s", i, j, evil))
				}
				add(fmt.Sprintf("pubsub.d%d.example", i))
				add("busy.example.org")
			}
			srv.Inject(all.String())
			counts := h.settled(t, s, n)
			require.Equal(t, 200, counts["busy.example.org"])
			for i := range 200 {
				require.Equal(t, 1, counts[fmt.Sprintf("pubsub.d%d.example", i)])
			}
			c := s.Counters()
			require.Zero(t, c.DroppedFull)
			require.Less(t, uint64(n)-c.DroppedShare, uint64(400+2048), "the flood has had its share")
		})
	}
}

// TestManySenders shows that ten thousand domains may each send an event at once, as after ten thousand subscriptions.
func TestManySenders(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	h := newBlocking()
	cfg := componentConfig(srv)
	cfg.Handler = h
	s := open(t, connect.Component, cfg)
	var all strings.Builder
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&all, "<message from='pubsub.d%d.example'><event xmlns='urn:example:e'>%s</event></message>", i, strings.Repeat("x", 2000))
	}
	srv.Inject(all.String())
	require.Len(t, h.settled(t, s, n), n)
	require.Zero(t, s.Counters().Dropped)
}

// TestHandlerFailuresAreLoggedSeldom shows that a stranger who knows how to make a handler fail cannot fill the disk, nor
// write lines of its own into the log.
func TestHandlerFailuresAreLoggedSeldom(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	var out lockedBuilder
	cfg := componentConfig(srv)
	cfg.Logger = slog.New(slog.NewTextHandler(&out, nil))
	cfg.Handler = xmpp.HandlerFunc(func(_ xmlstream.TokenReadEncoder, start *xml.StartElement) error {
		if start.Name.Local == "presence" {
			panic(strings.Repeat("broken\n", 10_000))
		}
		return errors.New("broken\nlevel=ERROR " + strings.Repeat("x", 1<<20))
	})
	s := open(t, connect.Component, cfg)
	srv.Inject(strings.Repeat("<message from='evil.example'/><presence from='evil.example'/>", 200))
	require.Eventually(t, func() bool { return s.Counters().HandlerFailures == 400 }, patience, time.Millisecond)
	require.Equal(t, 10, strings.Count(out.String(), "handler failed"))
	require.NotContains(t, out.String(), "\nlevel=ERROR")
	require.Less(t, len(out.String()), 100<<10)
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestManyChildren shows that a message cannot make the mux have itself read any number of times, while honest ones with
// several children arrive.
func TestManyChildren(t *testing.T) {
	event := "<event xmlns='urn:example:e'/>"
	for _, c := range []struct {
		name, inner string
		calls       int // of the handler of events
	}{
		{"one event", event, 1},
		{"an event with company", strings.Repeat("<a xmlns='urn:example:a'/>", 20) + event, 1},
		{"a body for each language", strings.Repeat("<body>x</body>", 40) + event, 1},
		{"a large event with company", strings.Repeat("<a xmlns='urn:example:a'/>", 5) + "<event xmlns='urn:example:e'>" + strings.Repeat("x", 1_000_000) + "</event>", 1},
		{"a thousand events", strings.Repeat(event, 1000), 0},
		{"a thousand events among others", strings.Repeat("<a xmlns='urn:example:a'/>"+event, 1000), 0},
		{"fifty events beside much text", strings.Repeat(event, 50) + strings.Repeat("x", 1_000_000), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, kind := range []string{"message", "presence"} {
				srv := testserver.Start(t, testserver.Config{})
				srv.AddDomain(testserver.Domain{Name: "peer.example"})
				var calls atomic.Int64
				name := xml.Name{Space: "urn:example:e", Local: "event"}
				cfg := componentConfig(srv)
				cfg.Handler = mux.New(component.NSAccept,
					mux.MessageFunc(stanza.NormalMessage, name, func(stanza.Message, xmlstream.TokenReadEncoder) error { calls.Add(1); return nil }),
					mux.PresenceFunc(stanza.AvailablePresence, name, func(stanza.Presence, xmlstream.TokenReadEncoder) error { calls.Add(1); return nil }))
				s := open(t, connect.Component, cfg)
				srv.Inject("<" + kind + " from='evil.example'>" + c.inner + "</" + kind + ">")
				probe(t, srv, s)
				require.EqualValues(t, c.calls, calls.Load())
				require.EqualValues(t, 1-c.calls, s.Counters().DroppedChildren)
			}
		})
	}
}

// TestSecondSender shows that nobody can pass for another by a second sender, which servers relay unseen because it is in
// a namespace, and which mellium reads all the same.
func TestSecondSender(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "peer.example"})
			ns := stanza.NSClient
			if role.name == "component" {
				ns = component.NSAccept
			}
			var mu sync.Mutex
			var senders []string
			name := xml.Name{Space: "urn:example:e", Local: "event"}
			cfg := role.config(srv)
			cfg.Handler = mux.New(ns, mux.MessageFunc(stanza.NormalMessage, name, func(m stanza.Message, _ xmlstream.TokenReadEncoder) error {
				mu.Lock()
				defer mu.Unlock()
				senders = append(senders, m.From.String())
				return nil
			}))
			s := open(t, role.dial, cfg)
			for _, attrs := range []string{
				" from='evil.example' p:from='pubsub.victim.example'",
				" p:from='pubsub.victim.example' from='evil.example'",
				" from='evil.example' q:harmless='pubsub.victim.example'",
			} {
				srv.Inject("<message xmlns:p='" + ns + "' xmlns:q='urn:example:q'" + attrs + "><event xmlns='urn:example:e'/></message>")
			}
			probe(t, srv, s)
			require.Equal(t, []string{"evil.example"}, senders)
			require.EqualValues(t, 2, s.Counters().DroppedShape)
		})
	}
}

// TestSend shows that what could break the stream is refused before anything of it is sent.
func TestSend(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			s := open(t, role.dial, role.config(srv))
			ctx := testContext(t)
			message := func(inner xml.TokenReader) xml.TokenReader {
				return stanza.Message{To: peer, Type: stanza.NormalMessage}.Wrap(inner)
			}
			element := func(space, local string) xml.TokenReader {
				return xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: space, Local: local}})
			}
			require.NoError(t, s.Send(ctx, message(element("urn:example:a", "a"))))
			require.Error(t, s.Send(ctx, message(element("http://etherx.jabber.org/streams", "error"))))
			require.Error(t, s.Send(ctx, message(element("", "a b"))))
			require.Error(t, s.Send(ctx, message(xmlstream.ReaderFunc(func() (xml.Token, error) { return nil, errors.New("midway") }))))
			require.Error(t, s.Send(ctx, message(xmlstream.Token(xml.CharData(strings.Repeat("x", 1<<20))))))
			_, err := s.ExchangeIQ(ctx, stanza.IQ{Type: stanza.GetIQ, To: peer}, []byte("<a>"))
			require.Error(t, err)
			_, err = s.ExchangeIQ(ctx, stanza.IQ{Type: stanza.GetIQ, To: peer}, []byte("<a>"+strings.Repeat("x", 600<<10)+"</a>"))
			require.ErrorIs(t, err, connect.ErrTooLarge)
			_, err = disco.GetInfo(ctx, s, peer, "")
			require.NoError(t, err)
			require.EqualValues(t, 1, s.Counters().Connects)
		})
	}
}

// TestSendIQElement shows that the session can take the place of *xmpp.Session.
func TestSendIQElement(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			s := open(t, role.dial, role.config(srv))
			query := xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}})
			reply, err := s.SendIQElement(testContext(t), query, stanza.IQ{To: peer, ID: "mine"})
			require.NoError(t, err)
			var iq struct {
				stanza.IQ
				Query struct {
					Features []struct {
						Var string `xml:"var,attr"`
					} `xml:"feature"`
				} `xml:"http://jabber.org/protocol/disco#info query"`
			}
			require.NoError(t, xml.NewTokenDecoder(reply).Decode(&iq))
			require.NoError(t, reply.Close())
			require.NoError(t, reply.Close(), "twice is harmless")
			require.Equal(t, "mine", iq.ID)
			require.NotEmpty(t, iq.Query.Features)

			reply, err = s.SendIQElement(testContext(t), nil, stanza.IQ{Type: stanza.ResultIQ, ID: "x", To: peer})
			require.NoError(t, err)
			require.Nil(t, reply)
		})
	}
}

func ExampleComponent() {
	srv := testserver.New(testserver.Config{})
	defer srv.Close()

	ctx := context.Background()
	s, err := connect.Component(ctx, connect.Config{
		JID:    jid.MustParse("crawler.me.test"),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(), // localhost:5347 by default
	})
	if err != nil {
		fmt.Println(err) // says what to fix
		return
	}
	defer s.Close()
	fmt.Println("connected as", s.LocalAddr())
	// Output: connected as crawler.me.test
}
