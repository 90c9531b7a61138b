package crawl_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
)

func TestTheCrawlerSaysWhoItIs(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	c := &crawl.Crawler{Contact: "mailto:ops@example.org"}
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(testserver.Component), Secret: testserver.Secret, Server: srv.ComponentAddr(),
		Handler: mux.New(component.NSAccept, c.Handle(), optin.Handle()),
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	require.NoError(t, err)
	defer s.Close()
	info, err := srv.Request(t.Context(), "get", "curious.test", testserver.Component, `<query xmlns='http://jabber.org/protocol/disco#info'/>`)
	require.NoError(t, err)
	require.Contains(t, info, "XMPP network crawler")
	require.Contains(t, info, "mailto:ops@example.org")
	require.Contains(t, info, "abuse-addresses")
	require.Contains(t, info, "http://jabber.org/network/serverinfo")
	require.Contains(t, info, "jabber:iq:version")
	require.NotContains(t, info, "urn:xmpp:serverinfo:0", "a crawler publishes nothing")

	version, err := srv.Request(t.Context(), "get", "curious.test", testserver.Component, `<query xmlns='jabber:iq:version'/>`)
	require.NoError(t, err)
	require.Contains(t, version, "xmppgraph crawler")
}
