package connect

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// TestScram runs the examples of RFC 5802 §5 and RFC 7677 §3.
func TestScram(t *testing.T) {
	for _, c := range []struct {
		name                     string
		hash                     int
		nonce, first, want, last string
	}{
		{
			"SHA-1", 2, "fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"SHA-256", 1, "rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScram(hashes[c.hash], "user", "pencil")
			s.nonce, s.bare = c.nonce, "n=user,r="+c.nonce
			initial, err := s.begin()
			require.NoError(t, err)
			require.Equal(t, "n,,n=user,r="+c.nonce, string(initial))
			got, err := s.answer([]byte(c.first))
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			require.False(t, s.verified())
			_, err = s.answer([]byte(c.last))
			require.NoError(t, err)
			require.True(t, s.verified())
			_, err = s.answer(nil)
			require.Error(t, err)
		})
	}
	require.Equal(t, "n=a=3Db=2Cc,r=", strings.TrimSuffix(func() string { s := newScram(hashes[0], "a=b,c", ""); return strings.TrimSuffix(s.bare, s.nonce) }(), "\n"))
}

func TestScramRefuses(t *testing.T) {
	for _, c := range []struct{ name, first, last string }{
		{"nonce of another", "r=other,s=YQ==,i=4096", ""},
		{"own nonce alone", "r=NONCE,s=YQ==,i=4096", ""},
		{"no salt", "r=NONCEx,s=,i=4096", ""},
		{"salt not in base64", "r=NONCEx,s=!,i=4096", ""},
		{"too few iterations", "r=NONCEx,s=YQ==,i=1", ""},
		{"too many iterations", "r=NONCEx,s=YQ==,i=99999999", ""},
		{"iterations in words", "r=NONCEx,s=YQ==,i=many", ""},
		{"mandatory extension", "m=x,r=NONCEx,s=YQ==,i=4096", ""},
		{"empty", "", ""},
		{"error", "r=NONCEx,s=YQ==,i=4096", "e=invalid-proof"},
		{"wrong proof", "r=NONCEx,s=YQ==,i=4096", "v=YQ=="},
		{"proof not in base64", "r=NONCEx,s=YQ==,i=4096", "v=!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScram(hashes[0], "user", "pencil")
			_, err := s.answer([]byte(strings.ReplaceAll(c.first, "NONCE", s.nonce)))
			if c.last != "" {
				require.NoError(t, err)
				_, err = s.answer([]byte(c.last))
			}
			require.Error(t, err)
			require.False(t, s.verified())
		})
	}
}

// fakeDNS answers SRV queries from a table.
func fakeDNS(records map[string][]dnsmessage.SRVResource) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			buf := make([]byte, 2048)
			if _, err := io.ReadFull(server, buf[:2]); err != nil { // the stream transport's length
				return
			}
			n := int(buf[0])<<8 | int(buf[1])
			if _, err := io.ReadFull(server, buf[:n]); err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[:n]) != nil {
				return
			}
			q.Response = true
			q.Additionals = nil
			found, ok := records[q.Questions[0].Name.String()]
			if !ok {
				q.RCode = dnsmessage.RCodeNameError
			}
			for _, srv := range found {
				q.Answers = append(q.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET},
					Body:   &srv,
				})
			}
			out, err := q.Pack()
			if err != nil {
				return
			}
			_, _ = server.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...))
		}()
		return client, nil
	}}
}

func srv(target string, port, priority uint16) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Target: dnsmessage.MustNewName(target), Port: port, Priority: priority}
}

func TestTargets(t *testing.T) {
	const plain, direct = "_xmpp-client._tcp.example.org.", "_xmpps-client._tcp.example.org."
	type records = map[string][]dnsmessage.SRVResource
	for _, c := range []struct {
		name string
		cfg  Config
		dns  records
		want []target
	}{
		{"override", Config{Server: "h:1"}, nil, []target{{"h:1", false}}},
		{"override with TLS", Config{Server: "h:1", Direct: true}, nil, []target{{"h:1", true}}},
		{"no records", Config{}, records{}, []target{{"example.org:5222", false}}},
		{"no records, direct", Config{Direct: true}, records{}, []target{{"example.org:5223", true}}},
		{"by priority", Config{}, records{plain: {srv("b.example.", 5222, 20), srv("a.example.", 5222, 5)}}, []target{{"a.example:5222", false}, {"b.example:5222", false}}},
		{"both kinds", Config{}, records{plain: {srv("a.example.", 5222, 5)}, direct: {srv("a.example.", 443, 5), srv("c.example.", 443, 9)}},
			[]target{{"a.example:443", true}, {"a.example:5222", false}, {"c.example:443", true}}},
		{"direct only", Config{Direct: true}, records{plain: {srv("a.example.", 5222, 5)}, direct: {srv("c.example.", 443, 9)}}, []target{{"c.example:443", true}}},
		{"one kind denied", Config{}, records{plain: {srv("a.example.", 5222, 5)}, direct: {srv(".", 0, 0)}}, []target{{"a.example:5222", false}}},
		{"denied", Config{}, records{plain: {srv(".", 0, 0)}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := c.cfg.withDefaults(false)
			cfg.JID = jid.MustParse("user@example.org")
			cfg.Resolver = fakeDNS(c.dns)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got, err := targets(ctx, &cfg)
			require.Equal(t, c.want, got)
			if c.want == nil {
				require.ErrorIs(t, err, ErrUnreachable)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestBackoffStaysInBounds(t *testing.T) {
	for attempt := range 100 {
		d := backoff(time.Second, time.Minute, attempt)
		require.GreaterOrEqual(t, d, time.Second/2)
		require.Less(t, d, 90*time.Second)
	}
}

func TestQuietLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		q := quietLog{logger: slog.New(slog.NewTextHandler(&out, nil))}
		for range 100 {
			q.drop("reason", strings.Repeat("x", 1000))
		}
		require.Equal(t, logBurst, strings.Count(out.String(), "\n"))
		require.Less(t, out.Len(), logBurst*500)
		q.drop("another reason", "other.example")
		require.Contains(t, out.String(), "other.example", "one kind does not hide another")
		time.Sleep(logWindow)
		q.drop("reason", "evil.example")
		require.Contains(t, out.String(), "from=evil.example unlogged=90")
	})
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "a@example.org/r s", "a@example.org/r s"},
		{"other scripts", "☃@münchen.example", "☃@münchen.example"},
		{"line ends", "a\nlevel=ERROR\r", "a�level=ERROR�"},
		{"escape sequence", "\x1b[31m", "�[31m"},
		{"escape sequence of one character", "\u009b31m", "�31m"},
		{"reversed", "\u202egro.elpmaxe", "�gro.elpmaxe"},
		{"too long", strings.Repeat("é", 200), strings.Repeat("é", 128) + "…"},
		{"cut within a character", "x" + strings.Repeat("é", 200), "x" + strings.Repeat("é", 127) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, printable(c.in, maxLogged))
		})
	}
}

// testLink returns a link with no network and no goroutines.
func testLink(t testing.TB, ns string) *link {
	head := "<stream:stream xmlns='" + ns + "' xmlns:stream='" + stream.NS + "'/>"
	h := xmlscan.New([]byte(head), xmlscan.Limits{})
	require.True(t, h.Next())
	cfg := Config{Logger: slog.New(slog.DiscardHandler)}.withDefaults(false)
	s := &Session{cfg: cfg, log: quietLog{logger: cfg.Logger}}
	l := &link{s: s, cfg: &s.cfg, ns: ns, head: h, out: newOutbox(), waiters: make(map[string]waiter), local: jid.MustParse("me@example.org/r")}
	if ns != nsClient {
		l.local = l.local.Domain()
		l.from = l.local.String()
	}
	l.scan = l.scanner(nil)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.in = newInbox(cfg.MaxWaiting, cfg.MaxBytes)
	l.own = ownServer(l.local, l.from != "")
	return l
}

// FuzzReceive shows that whatever reaches mellium's reader is harmless to it, and that what is written in answer is
// well-formed.
func FuzzReceive(f *testing.F) {
	for _, s := range []string{
		`<iq type='get' id='a' from='b.example' to='me@example.org/r'> <q xmlns='u'/> </iq>`,
		`<iq type='result' id='a' from='b.example'><q xmlns='u'/></iq>`,
		`<iq type='error' id='a' from='b.example'/>`, `<iq type='get' id='a'/>`, `<iq/>`,
		`<message from='☃@b.example'><body>x</body></message>`, `<message><a xmlns='http://etherx.jabber.org/streams'/></message>`,
		`<message><stream:error/></message>`, `<presence type='zork'/>`, `<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
		`<message><!-- --></message>`, `<x xmlns='y'/>`, ` `, `</stream:stream>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, ns := range []string{nsClient, "jabber:component:accept"} {
			l := testLink(t, ns)
			framer := xmlscan.NewInnerFramer(xmlscan.FrameLimits{Bytes: 1 << 16})
			for in := b; len(in) > 0; {
				n, frame, err := framer.Feed(in)
				if err != nil || frame.Kind == xmlscan.NoFrame || l.receive(frame) != nil {
					break
				}
				in = in[n:]
			}
			l.cancel()
			for b, ok := l.in.take(); ok; b, ok = l.in.take() {
				harmless(t, ns, b)
			}
			for out := l.out.pending; len(out) > 0; {
				n, frame, err := xmlscan.NewInnerFramer(xmlscan.FrameLimits{}).Feed(out)
				require.NoError(t, err)
				_, err = l.prepare(frame.Data)
				require.NoError(t, err, "%q", frame.Data)
				out = out[n:]
			}
		}
	})
}

// harmless fails the test if a stanza could end mellium's session.
func harmless(t *testing.T, ns string, b []byte) {
	d := xml.NewDecoder(io.MultiReader(strings.NewReader("<stream:stream xmlns='"+ns+"' xmlns:stream='"+stream.NS+"'>"), strings.NewReader(string(b))))
	_, err := d.Token()
	require.NoError(t, err)
	depth, iq, children := 0, false, 0
	for {
		tok, err := d.Token()
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) && syntax.Msg == "unexpected EOF" {
			break
		}
		require.NoError(t, err, "%q", b)
		switch tok := tok.(type) {
		case xml.StartElement:
			require.NotEqual(t, stream.NS, tok.Name.Space, "%q", b)
			if depth++; depth == 1 {
				require.Equal(t, ns, tok.Name.Space)
				require.Contains(t, []string{"iq", "message", "presence"}, tok.Name.Local)
				if iq = tok.Name.Local == "iq"; iq {
					parsed, err := stanza.NewIQ(tok)
					require.NoError(t, err)
					require.NotEmpty(t, parsed.ID)
				}
				for _, a := range tok.Attr {
					if a.Name.Local == "from" && a.Value != "" {
						_, err := jid.Parse(a.Value)
						require.NoError(t, err)
					}
				}
			}
			if depth == 2 {
				children++
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			require.False(t, iq && depth == 1, "%q", b)
		default:
			require.Fail(t, "token that mellium refuses", "%T in %q", tok, b)
		}
	}
	require.Zero(t, depth)
	require.True(t, !iq || children == 1)
}
