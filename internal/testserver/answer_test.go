package testserver_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// A function answers in place of the simulated domains where it wants to, in whose name it wants to.
func TestAnswer(t *testing.T) {
	var asked []testserver.Request
	srv := testserver.Start(t, testserver.Config{Answer: func(r testserver.Request) (testserver.Reply, bool) {
		r.Payload = nil
		asked = append(asked, r)
		return testserver.Reply{Type: "result", From: "other.example", Inner: "<x xmlns='urn:example:x'/>"}, r.To == "a.example"
	}})
	s := rawSession(t, srv, testserver.Component)
	got := s.ask(get("q", "a.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>"))
	require.Contains(t, got, "<x xmlns='urn:example:x'/>")
	require.Contains(t, got, "other.example")
	require.Equal(t, "get", asked[0].Type)
	require.True(t, strings.HasPrefix(asked[0].From, testserver.Component))
	require.Contains(t, s.ask(get("r", "b.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>")), "remote-server-not-found")
}
