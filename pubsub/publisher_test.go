package pubsub_test

import (
	"context"
	"encoding/xml"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// asComponent connects to a test server as the component of the given name.
func asComponent(t testing.TB, srv *testserver.Server, name string) *xmpp.Session {
	t.Helper()
	nc, err := net.Dial("tcp", srv.ComponentAddr())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s, err := component.NewSession(ctx, jid.MustParse(name), []byte(testserver.Secret), nc)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(mux.New(component.NSAccept))
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
	return s
}

func brands(t *testing.T, f func(t *testing.T, srv *testserver.Server)) {
	for _, p := range []testserver.Profile{testserver.StockProsody, testserver.StockEjabberd} {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.New(testserver.Config{Seed: 1, Home: testserver.Domain{Name: testserver.HomeName, Profile: p}})
			t.Cleanup(func() { _ = srv.Close() })
			f(t, srv)
		})
	}
}

const payload = "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='me.test'><federation><remote-domain/></federation></domain></serverinfo>"

var service = jid.MustParse("pubsub." + testserver.HomeName)

func TestEnsureCreatesTheNode(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		p := &pubsub.Publisher{Session: asComponent(t, srv, "reporter.me.test"), Service: service}
		r, err := p.Ensure(t.Context())
		require.NoError(t, err)
		require.True(t, r.Created)
		require.True(t, r.Owned)
		require.Empty(t, r.Deviations)
		require.NotEqual(t, pubsub.UnknownBrand, r.Brand)
		require.Equal(t, "open", r.Config["pubsub#access_model"])

		config := srv.Domain(testserver.HomeName).NodeConfig(xep.DefaultNode)
		require.Equal(t, "1", config["pubsub#max_items"])
		require.Equal(t, "1", config["pubsub#persist_items"])
		require.Equal(t, "publishers", config["pubsub#publish_model"])

		r, err = p.Ensure(t.Context())
		require.NoError(t, err)
		require.False(t, r.Created)
		require.True(t, r.Owned)
	})
}

func TestPublishEnsuresFetchesBackAndRetracts(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		s := asComponent(t, srv, "reporter.me.test")
		p := &pubsub.Publisher{Session: s, Service: service}
		require.NoError(t, p.Publish(t.Context(), []byte(payload)))
		require.Equal(t, "1", srv.Domain(testserver.HomeName).NodeConfig(xep.DefaultNode)["pubsub#max_items"])

		it, err := pubsub.Fetch(t.Context(), s, service, xep.DefaultNode)
		require.NoError(t, err)
		require.Equal(t, xep.ItemCurrent, it.ID)
		require.Len(t, it.Info.Domains, 1)

		require.NoError(t, p.Retract(t.Context()))
		require.Empty(t, srv.Domain(testserver.HomeName).Items(xep.DefaultNode))
		require.NoError(t, p.Retract(t.Context()), "nothing left to retract is no error")
	})
}

func TestPublishAgainAfterTheNodeIsGone(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		p := &pubsub.Publisher{Session: asComponent(t, srv, "reporter.me.test"), Service: service}
		require.NoError(t, p.Publish(t.Context(), []byte(payload)))
		home := srv.Domain(testserver.HomeName)
		ask(t, p.Session.(*xmpp.Session), "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='serverinfo'/></pubsub>")
		require.NoError(t, p.Publish(t.Context(), []byte(payload)))
		require.Len(t, home.Items(xep.DefaultNode), 1)
		require.Equal(t, "1", home.NodeConfig(xep.DefaultNode)["pubsub#persist_items"])
	})
}

func TestEnsureCorrectsANodeOfOurs(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		s := asComponent(t, srv, "reporter.me.test")
		ask(t, s, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='serverinfo'/></pubsub>")
		ask(t, s, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='serverinfo'><item id='old'>"+payload+"</item></publish></pubsub>")
		home := srv.Domain(testserver.HomeName)
		require.NotEqual(t, "1", home.NodeConfig(xep.DefaultNode)["pubsub#max_items"])

		p := &pubsub.Publisher{Session: s, Service: service}
		r, err := p.Ensure(t.Context())
		require.NoError(t, err)
		require.False(t, r.Created)
		require.Empty(t, r.Deviations)
		require.Equal(t, []string{"old"}, r.Removed, "names in an item that nobody renews would stay forever")
		require.Equal(t, "1", home.NodeConfig(xep.DefaultNode)["pubsub#max_items"])
	})
}

func TestRefusalsComeWithTheRemedy(t *testing.T) {
	for _, tc := range []struct {
		profile testserver.Profile
		remedy  string
	}{
		{testserver.StockProsody, `Prosody: under  Component "pubsub.me.test" "pubsub"  add  admins = { "stranger.other.test" }`},
		{testserver.StockEjabberd, `ejabberd: let the rule that mod_pubsub's access_createnode names allow  server: "stranger.other.test"`},
	} {
		t.Run(tc.profile.String(), func(t *testing.T) {
			srv := testserver.New(testserver.Config{Seed: 1, Home: testserver.Domain{Name: testserver.HomeName, Profile: tc.profile}})
			t.Cleanup(func() { _ = srv.Close() })
			srv.AddDomain(testserver.Domain{Name: "other.test"})
			p := &pubsub.Publisher{Session: asComponent(t, srv, "stranger.other.test"), Service: service}
			_, err := p.Ensure(t.Context())
			require.ErrorIs(t, err, &pubsub.Error{Op: pubsub.OpCreate, Condition: stanza.Forbidden})
			require.ErrorIs(t, err, stanza.Error{Condition: stanza.Forbidden})
			require.False(t, pubsub.IsTemporary(err))
			var e *pubsub.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, e.Remedy, tc.remedy)
			require.NotContains(t, e.Remedy, "\n", "only the brand at hand")
			require.NotContains(t, e.Remedy, "%!")
		})
	}
}

func TestTooLargePayloads(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		p := &pubsub.Publisher{Session: asComponent(t, srv, "reporter.me.test"), Service: service, MaxPayload: 400}
		info := &xep.ServerInfo{Domains: []xep.Domain{{Name: "me.test", Federation: &xep.Federation{}}}}
		for _, name := range []string{"a.test", "b.test", "c.test"} {
			info.Domains[0].Federation.RemoteDomains = append(info.Domains[0].Federation.RemoteDomains, xep.RemoteDomain{
				Name: name, Connections: []xep.Connection{{Direction: xep.Incoming}, {Direction: xep.Outgoing}},
			})
		}
		reduced, err := p.PublishInfo(t.Context(), info)
		require.NoError(t, err)
		require.True(t, reduced, "the connections go first")
		require.Len(t, info.Domains[0].Federation.RemoteDomains[0].Connections, 2, "the caller's value is not touched")

		home := srv.Domain(testserver.HomeName)
		before := home.Items(xep.DefaultNode)
		require.NotContains(t, before[xep.ItemCurrent], "connection")
		p = &pubsub.Publisher{Session: p.Session, Service: service, MaxPayload: 100}
		_, err = p.PublishInfo(t.Context(), info)
		require.ErrorIs(t, err, pubsub.ErrTooBig)
		require.Equal(t, before, home.Items(xep.DefaultNode), "the last item stays")
	})
}

func TestPublishRefusesWhatWouldBreakTheStream(t *testing.T) {
	p := &pubsub.Publisher{Service: service}
	for name, bad := range map[string]string{
		"empty":          "",
		"unclosed":       "<serverinfo xmlns='urn:xmpp:serverinfo:0'>",
		"two elements":   payload + payload,
		"wrong element":  "<x xmlns='urn:xmpp:serverinfo:0'/>",
		"wrong space":    "<serverinfo/>",
		"closes its box": "</item>" + payload,
		"not UTF-8":      strings.Replace(payload, "me.test", "\xff", 1),
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, p.Publish(t.Context(), []byte(bad)))
		})
	}
}

// A node of somebody else's is used if the service lets us, and never changed.
func TestForeignNodeIsLeftAlone(t *testing.T) {
	srv := testserver.New(testserver.Config{Seed: 1, Home: testserver.Domain{Name: testserver.HomeName, Profile: testserver.StockEjabberd}})
	t.Cleanup(func() { _ = srv.Close() })
	ask(t, asComponent(t, srv, "first.me.test"), "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='serverinfo'/></pubsub>")
	before := srv.Domain(testserver.HomeName).NodeConfig(xep.DefaultNode)

	p := &pubsub.Publisher{Session: asComponent(t, srv, "second.me.test"), Service: service}
	r, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.False(t, r.Owned)
	require.Equal(t, before, srv.Domain(testserver.HomeName).NodeConfig(xep.DefaultNode))

	err = p.Publish(t.Context(), []byte(payload))
	var e *pubsub.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, stanza.Forbidden, e.Condition)
	require.Contains(t, e.Remedy, "second.me.test an owner")
}

// raw is a payload that is known to be well-formed.
func TestDeleteTakesTheNodeAway(t *testing.T) {
	brands(t, func(t *testing.T, srv *testserver.Server) {
		p := &pubsub.Publisher{Session: asComponent(t, srv, "reporter.me.test"), Service: service, Node: "trial"}
		require.NoError(t, p.Publish(t.Context(), []byte(payload)))
		require.NoError(t, p.Delete(t.Context()))
		_, err := pubsub.Fetch(t.Context(), p.Session, service, "trial")
		require.ErrorIs(t, err, &pubsub.Error{Condition: stanza.ItemNotFound})
		require.NoError(t, p.Delete(t.Context()), "that there is none is no error")
		require.NoError(t, p.Publish(t.Context(), []byte(payload)), "it begins anew")

		srv.AddDomain(testserver.Domain{Name: "other.test"})
		other := &pubsub.Publisher{Session: asComponent(t, srv, "stranger.other.test"), Service: service, Node: "trial"}
		require.ErrorIs(t, other.Delete(t.Context()), &pubsub.Error{Op: pubsub.OpDelete, Condition: stanza.Forbidden})
	})
}

func raw(s string) xml.TokenReader { return xml.NewDecoder(strings.NewReader(s)) }

func ask(t *testing.T, s *xmpp.Session, payload string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	resp, err := s.SendIQElement(ctx, raw(payload), stanza.IQ{Type: stanza.SetIQ, To: service, From: s.LocalAddr()})
	require.NoError(t, err)
	tok, err := resp.Token()
	// The session stands still until this, so it comes before anything that may end the test.
	closeErr := resp.Close()
	require.NoError(t, err)
	require.NoError(t, closeErr)
	start, ok := tok.(xml.StartElement)
	require.True(t, ok)
	require.Contains(t, start.Attr, xml.Attr{Name: xml.Name{Local: "type"}, Value: "result"})
}
