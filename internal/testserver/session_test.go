package testserver_test

import (
	"context"
	"encoding/xml"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func TestMain(m *testing.M) { leak.Main(m) }

// within returns a context that ends well before the test binary's own limit.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve runs a session's handler until the session is closed, which happens before the server's own cleanup.
func serve(t testing.TB, s *xmpp.Session, nc net.Conn, h xmpp.Handler) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(h)
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func melliumComponent(t testing.TB, srv *testserver.Server) *xmpp.Session {
	t.Helper()
	nc := dial(t, srv.ComponentAddr())
	s, err := component.NewSession(within(t), jid.MustParse(testserver.Component), []byte(testserver.Secret), nc)
	require.NoError(t, err)
	serve(t, s, nc, mux.New(component.NSAccept, ping.Handle()))
	return s
}

func TestMelliumComponent(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "a.example", Advertise: true, Report: testserver.Report{Unnamed: 2}})
	s := melliumComponent(t, srv)
	info, err := disco.GetInfoIQ(within(t), "", stanza.IQ{To: jid.MustParse("a.example"), From: s.LocalAddr()}, s)
	require.NoError(t, err)
	require.Contains(t, features(info), "urn:xmpp:serverinfo:0")

	var reply struct {
		Peers []struct{} `xml:"items>item>serverinfo>domain>federation>remote-domain"`
	}
	payload := xmlstream.Wrap(xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "items"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "node"}, Value: "serverinfo"}}}),
		xml.StartElement{Name: xml.Name{Space: "http://jabber.org/protocol/pubsub", Local: "pubsub"}})
	err = s.UnmarshalIQElement(within(t), payload,
		stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse("pubsub.a.example"), From: s.LocalAddr()}, &reply)
	require.NoError(t, err)
	require.Len(t, reply.Peers, 2)
}

func TestMelliumComponentWrongSecret(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	_, err := component.NewSession(within(t), jid.MustParse(testserver.Component), []byte("wrong"), dial(t, srv.ComponentAddr()))
	require.ErrorContains(t, err, "not-authorized")
}

func features(info disco.Info) (names []string) {
	for _, f := range info.Features {
		names = append(names, f.Var)
	}
	return names
}
