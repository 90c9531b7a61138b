package testserver_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// raw is a session that writes what it is told and reads whole stanzas.
type raw struct {
	t   testing.TB
	nc  net.Conn
	r   *bufio.Reader
	buf *bytes.Buffer
	dec *xml.Decoder
}

// rawSession connects as a client if the address has a local part, as a component otherwise.
func rawSession(t testing.TB, srv *testserver.Server, jid string) *raw {
	t.Helper()
	if user, domain, ok := strings.Cut(jid, "@"); ok {
		nc := tls.Client(dial(t, srv.DirectAddr()), &tls.Config{RootCAs: srv.CertPool(), ServerName: domain})
		in := bufio.NewReader(nc)
		r := newRaw(t, nc, in)
		r.open("jabber:client", domain)
		r.next() // features
		r.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
			base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+testserver.Password)) + "</auth>")
		require.Contains(t, r.next(), "success")
		r = newRaw(t, nc, in)
		r.open("jabber:client", domain)
		r.next()
		r.write("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		require.Contains(t, r.next(), jid)
		return r
	}
	nc := dial(t, srv.ComponentAddr())
	r := newRaw(t, nc, bufio.NewReader(nc))
	id := r.open("jabber:component:accept", jid)
	sum := sha1.Sum([]byte(id + testserver.Secret))
	r.write("<handshake>" + hex.EncodeToString(sum[:]) + "</handshake>")
	require.Contains(t, r.next(), "handshake")
	return r
}

func newRaw(t testing.TB, nc net.Conn, in *bufio.Reader) *raw {
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	buf := new(bytes.Buffer)
	return &raw{t: t, nc: nc, r: in, buf: buf, dec: xml.NewDecoder(&tee{in, buf})}
}

// tee keeps what a decoder reads, and as an io.ByteReader keeps it from reading ahead of the stanza.
type tee struct {
	r   *bufio.Reader
	buf *bytes.Buffer
}

func (t *tee) ReadByte() (byte, error) {
	c, err := t.r.ReadByte()
	if err == nil {
		t.buf.WriteByte(c)
	}
	return c, err
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p[:min(1, len(p))])
	t.buf.Write(p[:n])
	return n, err
}

func (r *raw) write(s string) {
	_, err := io.WriteString(r.nc, s)
	require.NoError(r.t, err)
}

// open sends a stream header and returns the id of the other side's.
func (r *raw) open(ns, to string) (id string) {
	r.t.Helper()
	r.write("<?xml version='1.0'?><stream:stream xmlns='" + ns + "' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + to + "'>")
	for {
		tok, err := r.dec.Token()
		require.NoError(r.t, err)
		if start, ok := tok.(xml.StartElement); ok {
			for _, a := range start.Attr {
				if a.Name.Local == "id" {
					id = a.Value
				}
			}
			r.buf.Reset()
			return id
		}
	}
}

// next reads one whole stanza.
func (r *raw) next() string {
	r.t.Helper()
	r.buf.Reset()
	depth := 0
	for {
		tok, err := r.dec.RawToken()
		require.NoError(r.t, err)
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth == 0 {
				s := strings.TrimSpace(r.buf.String())
				r.buf.Reset()
				return s
			}
			require.Positive(r.t, depth, "the stream ended")
		}
	}
}

// ask sends a stanza and returns the next one that comes.
func (r *raw) ask(s string) string {
	r.t.Helper()
	r.write(s)
	return r.next()
}

// element is a stanza reduced to what the order of attributes and fields does not change.
type element struct {
	name  xml.Name
	attrs []string
	text  string
	kids  []*element
}

func parse(t testing.TB, s string) *element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" + s + "</stream:stream>"))
	root := &element{}
	stack := []*element{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return root.kids[0].kids[0]
		}
		require.NoError(t, err, s)
		top := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name}
			for _, a := range tok.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" && a.Name.Local != "label" {
					e.attrs = append(e.attrs, a.Name.Local+"="+a.Value)
				}
			}
			slices.Sort(e.attrs)
			top.kids = append(top.kids, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
			// The order of features and of form fields is a server's own business, and changes from run to run.
			if top.name.Local == "x" || top.name.Local == "field" || strings.HasSuffix(top.name.Space, "#info") ||
				strings.HasSuffix(top.name.Space, "#items") || top.name.Local == "federation" {
				slices.SortFunc(top.kids, func(a, b *element) int { return strings.Compare(a.String(), b.String()) })
			}
		case xml.CharData:
			top.text += string(tok)
		}
	}
}

func (e *element) String() string {
	var b strings.Builder
	e.write(&b, "\n")
	return b.String()
}

func (e *element) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s{%s}%s %s %q", indent, e.name.Space, e.name.Local, strings.Join(e.attrs, " "), e.text)
	for _, k := range e.kids {
		k.write(b, indent+"  ")
	}
}

// same compares with an expected stanza, in which * stands for anything within a value or a line.
func same(want, got string) bool {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(w) != len(g) {
		return false
	}
	for i := range w {
		if !glob(w[i], g[i]) {
			return false
		}
	}
	return true
}

func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, last)
}

// difference names the first lines in which two stanzas differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if !glob(w[i], g[i]) {
			return "want " + w[i] + "\ngot  " + g[i]
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

// replay plays a dialogue that was captured with a real server and compares every answer.
//
// In the files in testdata, "as" changes the session, ">" is what it sends and "<" what must come next, "#" is a comment.
func replay(t *testing.T, srv *testserver.Server, file string) {
	b, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	sessions := make(map[string]*raw)
	var s *raw
	var sent string
	for i, line := range strings.Split(string(b), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "as":
			if sessions[rest] == nil {
				sessions[rest] = rawSession(t, srv, rest)
			}
			s = sessions[rest]
		case ">":
			sent = rest
			s.write(rest)
		case "<":
			want, got := parse(t, rest).String(), s.next()
			if g := parse(t, got).String(); !same(want, g) {
				t.Errorf("%s:%d: sent %s\ncame %s\n%s", file, i+1, sent, got, difference(want, g))
			}
		case "#", "":
		default:
			t.Fatalf("%s:%d: what is %q?", file, i+1, kind)
		}
	}
}

func TestCapturedDialogues(t *testing.T) {
	const (
		a = "a.test"
		b = "b.test"
	)
	conns := []testserver.Connection{{Remote: b}, {Remote: b, Outgoing: true}, {Remote: "evil.example", Pending: true},
		{Remote: "pubsub." + b}, {Remote: "pubsub." + b, Outgoing: true}}
	contacts := map[string][]string{"admin-addresses": {"xmpp:admin@a.test"}}
	for _, what := range []string{"abuse", "feedback", "sales", "security", "status", "support"} {
		contacts[what+"-addresses"] = nil
	}
	for _, tc := range []struct {
		file string
		a, b testserver.Domain // what differs from the stock servers
		s2sA []testserver.Connection
		s2sB []testserver.Connection
	}{
		{file: "disco.txt"},
		{file: "prosody-create.txt"},
		{file: "prosody-owner.txt"},
		{file: "prosody-max-items.txt"},
		{file: "prosody-events.txt"},
		{file: "prosody-remote.txt"},
		{file: "prosody-s2s.txt", s2sA: conns},
		{file: "prosody-s2s-dialback.txt", s2sA: []testserver.Connection{{Remote: b, Dialback: true}, {Remote: b, Dialback: true, Outgoing: true}}},
		{file: "prosody-advertise.txt", a: testserver.Domain{Advertise: true}},
		{file: "prosody-two-forms.txt", a: testserver.Domain{Advertise: true, Contacts: contacts, Quirks: testserver.TwoForms}},
		{file: "ejabberd-create.txt"},
		{file: "ejabberd-owner.txt"},
		{file: "ejabberd-ownership.txt"},
		{file: "ejabberd-max-items.txt"},
		{file: "ejabberd-events.txt"},
		{file: "ejabberd-remote.txt"},
		{file: "ejabberd-s2s.txt", s2sB: []testserver.Connection{{Remote: a, Outgoing: true}, {Remote: "comp.a.test", Outgoing: true},
			{Remote: "pubsub.a.test", Outgoing: true}, {Remote: a, Local: "pubsub.b.test", Outgoing: true}, {Remote: a}}},
		{file: "unsubscribe.txt"},
		{file: "module-prosody.txt", a: testserver.Domain{Profile: testserver.Prosody, Advertise: true,
			Report: testserver.Report{Peers: []testserver.Peer{{Name: b}}, Unnamed: 1}}},
		{file: "module-prosody-old.txt", a: testserver.Domain{Profile: testserver.ProsodyOld, Advertise: true}},
		{file: "module-ejabberd.txt", b: testserver.Domain{Profile: testserver.Ejabberd, Advertise: true,
			Report: testserver.Report{Peers: []testserver.Peer{{Name: a}}, Unnamed: 1}}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			tc.a.Name, tc.a.Admins, tc.a.Items = a, []string{"admin@a.test"}, []string{"comp.a.test"}
			tc.b.Name, tc.b.Admins = b, []string{"admin@b.test"}
			if tc.a.Profile == 0 {
				tc.a.Profile = testserver.StockProsody
			}
			if tc.b.Profile == 0 {
				tc.b.Profile = testserver.StockEjabberd
			}
			srv := testserver.Start(t, testserver.Config{Home: tc.a,
				Accounts: map[string]string{"admin": testserver.Password, "alice": testserver.Password, "bob": testserver.Password}})
			srv.Home().SetConnections(tc.s2sA...)
			srv.AddDomain(tc.b).SetConnections(tc.s2sB...)
			replay(t, srv, tc.file)
		})
	}
}
