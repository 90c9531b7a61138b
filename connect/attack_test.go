package connect_test

import (
	"bufio"
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	mellium "mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const evil = "evil.example"

var (
	errMalformed = roundtrip.ErrMalformed
	errTooLarge  = roundtrip.ErrTooLarge
	errWrongFrom = roundtrip.ErrWrongFrom
)

// attacks are stanzas that a server relays from a stranger; the large ones are made here.
func attacks(to string) []testserver.Attack { return attacksOf(evil, to, 5<<20, 200_000) }

// attacksOf are the attacks of one sender, the large ones of so many bytes and so deep, whatever their names say.
func attacksOf(from, to string, bytes, depth int) []testserver.Attack {
	all := testserver.Attacks(from, to)
	message := func(inner string) string {
		return "<message from='" + from + "' to='" + to + "'>" + inner + "</message>"
	}
	get := func(inner string) string {
		return "<iq type='get' id='large' from='" + from + "' to='" + to + "'>" + inner + "</iq>"
	}
	add := func(name, xml string) { all = append(all, testserver.Attack{Name: name, XML: xml}) }
	deep := strings.Repeat("<a>", depth) + strings.Repeat("</a>", depth)
	large := strings.Repeat("x", bytes)
	add("message nested 200,000 deep", message(deep))
	add("iq nested 200,000 deep", get(deep))
	add("message with an attribute of 5 MB", message("<a x='"+large+"'/>"))
	add("iq with an attribute of 5 MB", get("<a x='"+large+"'/>"))
	add("message with 5 MB of text", message("<body>"+large+"</body>"))
	add("sender of 5 MB", "<message from='"+large+"@"+from+"'/>")
	add("message with a comment", message("<!-- c -->"))
	add("message with a processing instruction", message("<?x y?>"))
	add("message with an undefined entity", message("<a>&foo;</a>"))
	add("message with a control character", message("<a>&#1;</a>"))
	add("message with a noncharacter", message("<a>\uFFFE</a>"))
	add("message of invalid UTF-8", message("<a>\xff</a>"))
	add("message with an unbound prefix", message("<p:a/>"))
	add("message with a name of another edition of XML", message("<aͰ/>"))
	add("message with mismatched tags", message("<a></b>"))
	add("message with two senders", "<message from='"+from+"' from='other.example'/>")
	add("message with a sender in a namespace", "<message xmlns:p='urn:p' p:from='☃@x' from='"+from+"'/>")
	add("unknown stanza", "<zork xmlns='urn:example:z' from='"+from+"'/>")
	add("message of an unknown namespace", "<message xmlns='urn:example:z' from='"+from+"'/>")
	return all
}

// growing are requests whose answers are larger than servers accept, as characters in them take more room when escaped.
// Servers in between would cut off whoever sends them as they are here, but not what is half as large.
func growing(to string) []testserver.Attack {
	get := "<iq type='get' from='" + evil + "' to='" + to + "' id=\"" + strings.Repeat("'", 120_000) + "\""
	return []testserver.Attack{
		{Name: "iq with an id that grows when it is answered", XML: get + "><ping xmlns='urn:xmpp:ping'/></iq>"},
		{Name: "iq without a child and with an id that grows", XML: get + "/>"},
	}
}

// bare is a mellium session without any protection, whose peer writes raw bytes.
type bare struct {
	session *xmpp.Session
	peer    net.Conn
	ended   chan string
}

// headConn begins with a stream header, as if all had been negotiated.
type headConn struct {
	net.Conn
	io.Reader
}

func (c headConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func newBare(t testing.TB, ns string, serve bool) *bare {
	t.Helper()
	a, b := tcpPair(t)
	head := "<stream:stream xmlns='" + ns + "' xmlns:stream='" + stream.NS + "' version='1.0'>"
	me := jid.MustParse("me@example.net/r")
	session, err := xmpp.NewSession(context.Background(), me.Domain(), me, headConn{a, io.MultiReader(strings.NewReader(head), a)}, 0,
		func(_ context.Context, in, out *stream.Info, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, any, error) {
			r := s.TokenReader()
			defer r.Close()
			for {
				tok, err := r.Token()
				if err != nil {
					return 0, nil, nil, err
				}
				if start, ok := tok.(xml.StartElement); ok {
					in.Name, out.Name, in.XMLNS, out.XMLNS = start.Name, start.Name, ns, ns
					return xmpp.Ready | xmpp.Authn | xmpp.Secure, nil, nil, nil
				}
			}
		})
	require.NoError(t, err)
	s := &bare{session: session, peer: b, ended: make(chan string, 1)}
	if serve {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					s.ended <- fmt.Sprint("panic: ", p)
				}
			}()
			s.ended <- fmt.Sprint("ended: ", session.Serve(mux.New(ns, ping.Handle())))
		}()
	}
	return s
}

func tcpPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// survives injects raw bytes and reports whether the session still answers a ping afterwards.
func (s *bare) survives(t *testing.T, raw string) bool {
	t.Helper()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(s.peer, raw)
		_, _ = io.WriteString(s.peer, "<iq type='get' id='probe' from='example.net'><ping xmlns='urn:xmpp:ping'/></iq>")
	}()
	alive := make(chan bool, 1)
	go func() {
		r := bufio.NewReader(s.peer)
		var seen strings.Builder
		for {
			b, err := r.ReadByte()
			if err != nil {
				alive <- false
				return
			}
			seen.WriteByte(b)
			if b == '>' && strings.HasSuffix(seen.String(), "</iq>") && strings.Contains(seen.String(), `id="probe"`) {
				alive <- true
				return
			}
		}
	}()
	result := false
	select {
	case result = <-alive:
	case <-s.ended:
		s.ended <- "already"
	case <-time.After(patience):
		t.Error("neither an answer nor an end")
	}
	s.peer.Close()
	s.session.Conn().Close()
	<-s.ended
	<-written
	return result
}

// TestAttacksAreReal shows which of the attacks end a mellium session that has no guard.
// Should a new release of mellium survive more of them, the golden file says so.
func TestAttacksAreReal(t *testing.T) {
	var got strings.Builder
	for _, ns := range []string{stanza.NSClient, component.NSAccept} {
		fmt.Fprintf(&got, "# %s\n", ns)
		for _, a := range attacks("me@example.net/r") {
			if !newBare(t, ns, true).survives(t, a.XML) {
				fmt.Fprintln(&got, a.Name)
			}
		}
	}
	golden(t, "lethal.txt", got.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestAttacksAreSurvived runs the same attacks, all against one and the same connection.
func TestAttacksAreSurvived(t *testing.T) {
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "peer.example"})
			cfg := role.config(srv)
			ns := stanza.NSClient
			if role.name == "component" {
				ns = component.NSAccept
			}
			cfg.Handler = mux.New(ns, ping.Handle())
			s := open(t, role.dial, cfg)
			me := s.LocalAddr().String()
			for _, a := range append(attacks(me), growing(me)...) {
				t.Run(a.Name, func(t *testing.T) {
					require.Equal(t, 1, srv.Inject(a.XML))
					probe(t, srv, s)
				})
			}
			c := s.Counters()
			require.EqualValues(t, 1, c.Connects, "the connection is still the first")
			require.Zero(t, c.Losses)
			for name, n := range map[string]uint64{
				"size": c.DroppedSize, "depth": c.DroppedDepth, "XML": c.DroppedXML, "stream": c.DroppedStream,
				"address": c.DroppedAddress, "shape": c.DroppedShape, "late": c.Late,
			} {
				require.Positive(t, n, name)
			}
		})
	}
}

// probe shows that the session still asks and answers.
func probe(t *testing.T, srv *testserver.Server, s *connect.Session) {
	t.Helper()
	ctx := testContext(t)
	reply, err := srv.Request(ctx, "get", "peer.example", s.LocalAddr().String(), "<ping xmlns='urn:xmpp:ping'/>")
	require.NoError(t, err)
	require.NotEmpty(t, reply)
	_, err = disco.GetInfo(ctx, s, jid.MustParse("peer.example"), "")
	require.NoError(t, err)
}

// TestDroppedRequestsAreAnswered shows that a request that is not let through still gets an error, addressed as it came.
func TestDroppedRequestsAreAnswered(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			s := open(t, role.dial, role.config(srv))
			for _, c := range []struct{ name, from, inner, want string }{
				{"bad sender", "☃@evil.example", "<ping xmlns='urn:xmpp:ping'/>", "jid-malformed"},
				{"no child", evil, "", "bad-request"},
				{"two children", evil, "<a xmlns='u'/><b xmlns='u'/>", "bad-request"},
				{"text", evil, "x<a xmlns='u'/>", "bad-request"},
				{"comment", evil, "<a xmlns='u'><!-- --></a>", "bad-request"},
				{"streams namespace", evil, "<a xmlns='" + stream.NS + "'/>", "bad-request"},
				{"too large", evil, "<a xmlns='u' x='" + strings.Repeat("x", 2<<20) + "'/>", "policy-violation"},
				{"too deep", evil, strings.Repeat("<a xmlns='u'>", 99) + strings.Repeat("</a>", 99), "policy-violation"},
				{"unknown to a session without a handler", evil, "<a xmlns='u'/>", "service-unavailable"},
			} {
				t.Run(c.name, func(t *testing.T) {
					reply, err := srv.Request(testContext(t), "get", c.from, s.LocalAddr().String(), c.inner)
					require.NoError(t, err)
					require.Contains(t, reply, "<"+c.want)
					require.Contains(t, reply, c.from)
				})
			}
		})
	}
}

// TestComponentAnswersAsAsked shows that an error comes from the address that the request went to.
func TestComponentAnswersAsAsked(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := open(t, connect.Component, componentConfig(srv))
	for _, inner := range []string{"<a xmlns='u'/>", ""} {
		reply, err := srv.Request(testContext(t), "get", evil, "someone@"+s.LocalAddr().String(), inner)
		require.NoError(t, err)
		require.Regexp(t, `from=['"]someone@crawler.me.test['"]`, reply)
	}
}

// TestReplyFaults shows that a domain's fault costs its own requests only.
func TestReplyFaults(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "peer.example"})
	for _, role := range roles {
		t.Run(role.name, func(t *testing.T) {
			s := open(t, role.dial, role.config(srv))
			for _, c := range []struct {
				fault testserver.Fault
				want  error // nil for success
			}{
				{testserver.ErrorReply, stanza.Error{Condition: stanza.ServiceUnavailable}},
				{testserver.ErrorBare, stanza.Error{Condition: stanza.UndefinedCondition}},
				{testserver.ErrorEmpty, stanza.Error{Condition: stanza.UndefinedCondition}},
				{testserver.EmptyResult, errMalformed},
				{testserver.TextOnly, errMalformed},
				{testserver.WrongPayload, errMalformed},
				{testserver.HugeReply, errTooLarge},
				{testserver.DeepReply, errTooLarge},
				{testserver.EndlessRSM, nil},
				{testserver.NotFound, stanza.Error{Condition: stanza.RemoteServerNotFound}},
				{testserver.Unreachable, stanza.Error{Condition: stanza.RemoteServerTimeout}},
				{testserver.Delayed, nil},
				{testserver.SlowDrip, nil},
				{testserver.WrongFrom, errWrongFrom},
				{testserver.NoFrom, errWrongFrom},
				{testserver.Duplicate, nil},
				{testserver.TextBefore, errMalformed},
				{testserver.BadAddresses, nil},
				{testserver.EmptyIQs, nil},
				{testserver.StreamsStanza, nil},
				{testserver.OddStanzas, nil},
				{testserver.HugeStanza, nil},
				{testserver.DeepStanza, nil},
				{testserver.EventFlood, nil},
				// Among the requests that it answers in advance is its own.
				{testserver.ForgedReplies, stanza.Error{Condition: stanza.ItemNotFound}},
				{testserver.Spoofed, nil},
			} {
				t.Run(c.fault.String(), func(t *testing.T) {
					srv.AddDomain(testserver.Domain{Name: evil, Fault: c.fault})
					_, err := disco.GetInfo(testContext(t), s, jid.MustParse(evil), "")
					if c.want == nil {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, c.want)
					}
					probe(t, srv, s)
				})
			}
			require.EqualValues(t, 1, s.Counters().Connects)
		})
	}
}

// TestRepliesThatPanic shows which replies make mellium's own helper panic, end its session or hang.
func TestRepliesThatPanic(t *testing.T) {
	const query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
	var got strings.Builder
	for _, c := range []struct{ name, typ, inner string }{
		{"error with text before the error element", "error", "x<error type='cancel'/>"},
		{"error with white space before the error element", "error", "\n<error type='cancel'/>"},
		{"error after the echoed request", "error", query + "<error type='cancel'/>"},
		{"error without a child", "error", ""},
		{"result with white space before the payload", "result", "\n" + query},
		{"result with text only", "result", "x"},
		{"result without a child", "result", ""},
		{"result with an element of the streams namespace", "result", "<query xmlns='http://jabber.org/protocol/disco#info'><features xmlns='" + stream.NS + "'/></query>"},
	} {
		s := newBare(t, stanza.NSClient, true)
		alive := make(chan bool, 1)
		var wg sync.WaitGroup
		wg.Go(func() { alive <- answerRaw(s.peer, c.typ, c.inner) })
		how := outcome(s)
		_, err := io.WriteString(s.peer, "<iq type='get' id='probe' from='example.net'><ping xmlns='urn:xmpp:ping'/></iq>")
		if how == "survived" && (err != nil || !<-alive) {
			how = "session ended"
		}
		fmt.Fprintf(&got, "%s: %s\n", c.name, how)
		s.peer.Close()
		s.session.Conn().Close()
		wg.Wait()
		<-s.ended
	}
	golden(t, "replies.txt", got.String())
}

// answerRaw gives every request the same answer, until the probe is answered (true) or the session ends (false).
func answerRaw(peer net.Conn, typ, inner string) bool {
	r := xml.NewDecoder(peer)
	for {
		tok, err := r.Token()
		if err != nil {
			return false
		}
		start, ok := tok.(xml.StartElement)
		if !ok || start.Name.Local != "iq" {
			continue
		}
		for _, a := range start.Attr {
			switch {
			case a.Name.Local != "id":
			case a.Value == "probe":
				return true
			default:
				fmt.Fprintf(peer, "<iq type='%s' id='%s' from='%s'>%s</iq>", typ, a.Value, evil, inner)
			}
		}
	}
}

// outcome asks with mellium's helper and says how that ends.
func outcome(s *bare) (out string) {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			out = "panic in the caller"
		}
	}()
	_, err := mellium.GetInfo(ctx, "", jid.MustParse(evil), s.session)
	if err != nil && ctx.Err() != nil {
		return "no answer in time"
	}
	return "survived"
}
