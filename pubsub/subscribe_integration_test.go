//go:build integration

package pubsub_test

import (
	"context"
	"encoding/xml"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/pubsub"
)

func init() {
	wrapped = func(m *testing.M) leak.Runner { return integration.With(m, integration.Options{}) }
}

// labServer is what the tests need of either brand.
type labServer interface {
	Domain() string
	Component() string
	Restart(testing.TB)
}

// labSession connects as a component of a server.
func labSession(t testing.TB, srv labServer, name string, sub *pubsub.Subscriber) *connect.Session {
	t.Helper()
	cfg := connect.Config{
		JID: jid.MustParse(name + "." + srv.Domain()), Secret: integration.Secret, Server: srv.Component(),
		Logger: slog.New(slog.DiscardHandler), MinBackoff: 50 * time.Millisecond, MaxBackoff: time.Second,
	}
	if sub != nil {
		cfg.Handler = mux.New(component.NSAccept, pubsub.Handle(sub))
	}
	ctx, cancel := context.WithTimeout(t.Context(), labPatience)
	defer cancel()
	s, err := connect.Component(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	if sub != nil {
		sub.Session = s
	}
	return s
}

const labPatience = time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), labPatience)
	t.Cleanup(cancel)
	return ctx
}

// labEvent waits for an event of a kind. What comes before it is told if it does not come.
func labEvent(t testing.TB, sub *pubsub.Subscriber, kind pubsub.EventKind) pubsub.Event {
	t.Helper()
	ctx := within(t)
	var seen []string
	for e := range sub.Events(ctx) {
		if e.Kind == kind {
			return e
		}
		seen = append(seen, e.Kind.String())
	}
	require.Failf(t, "no event", "%s; before it %q; %+v", kind, seen, sub.Counters())
	return pubsub.Event{}
}

func reportOf(peer string) []byte {
	return []byte(strings.Replace(payload, "<remote-domain/>", "<remote-domain name='"+peer+"'/>", 1))
}

// labNode is a node of a test's own on one server, and a subscriber on another.
type labNode struct {
	publisher *pubsub.Publisher
	owner     *connect.Session
	sub       *pubsub.Subscriber
	reader    *connect.Session
}

// labPairs are the two directions across brands.
func labPairs(t *testing.T, f func(t *testing.T, host, reader labServer)) {
	lab := integration.Shared(t)
	t.Run("Prosody to ejabberd", func(t *testing.T) { f(t, lab.Prosody, lab.Ejabberd) })
	t.Run("ejabberd to Prosody", func(t *testing.T) { f(t, lab.Ejabberd, lab.Prosody) })
}

func newLabNode(t *testing.T, host, reader labServer, node string) *labNode {
	t.Helper()
	n := &labNode{sub: new(pubsub.Subscriber)}
	n.owner = labSession(t, host, "reporter", nil)
	n.reader = labSession(t, reader, "crawler", n.sub)
	n.publisher = &pubsub.Publisher{Session: n.owner, Service: jid.MustParse("pubsub." + host.Domain()), Node: node}
	return n
}

func (n *labNode) subscribe(t testing.TB) pubsub.Subscription {
	t.Helper()
	got, err := n.sub.Subscribe(within(t), n.publisher.Service, n.publisher.Node)
	require.NoError(t, err)
	require.Equal(t, pubsub.SubscriptionActive, got.State)
	return got
}

func (n *labNode) publish(t testing.TB, peer string) {
	t.Helper()
	require.NoError(t, n.publisher.Publish(within(t), reportOf(peer)))
}

// expect waits for the item that names a peer.
func (n *labNode) expect(t testing.TB, peer string) pubsub.Event {
	t.Helper()
	for {
		e := labEvent(t, n.sub, pubsub.ItemPublished)
		if names := peers(t, e); len(names) == 1 && names[0] == peer {
			require.Equal(t, "current", e.ID)
			require.True(t, e.Service.Equal(n.publisher.Service))
			return e
		}
	}
}

func (n *labNode) deleteNode(t testing.TB) {
	t.Helper()
	n.own(t, "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='"+n.publisher.Node+"'/></pubsub>")
}

func isEjabberd(s labServer) bool {
	_, ok := s.(*integration.Ejabberd)
	return ok
}

func TestLabEvents(t *testing.T) {
	labPairs(t, func(t *testing.T, host, reader labServer) {
		n := newLabNode(t, host, reader, "sub-events")
		n.publish(t, "first.example")
		got := n.subscribe(t)
		require.Equal(t, isEjabberd(host), got.ID != "")
		if isEjabberd(host) {
			require.False(t, n.expect(t, "first.example").Stamp.IsZero(), "the last item comes on subscribing")
		}
		n.publish(t, "second.example")
		n.expect(t, "second.example")

		again := n.subscribe(t)
		require.Equal(t, got.ID, again.ID, "to subscribe twice is no second subscription")
		n.publish(t, "third.example")
		n.expect(t, "third.example")

		require.NoError(t, n.publisher.Retract(within(t)))
		e := labEvent(t, n.sub, pubsub.ItemRetracted)
		require.Equal(t, "current", e.ID)

		service, node := n.publisher.Service, n.publisher.Node
		require.NoError(t, n.sub.Unsubscribe(within(t), service, node))
		require.NoError(t, n.sub.Unsubscribe(within(t), service, node), "that there is none is no error")
		c := n.sub.Counters()
		require.Zero(t, c.WrongService+c.WrongNode+c.Malformed+c.TooLarge+c.Panics, "%+v", c)
		n.deleteNode(t)
	})
}

func TestLabNodeDeletedAndBack(t *testing.T) {
	labPairs(t, func(t *testing.T, host, reader labServer) {
		n := newLabNode(t, host, reader, "sub-deleted")
		n.publish(t, "first.example")
		first := n.subscribe(t)
		if isEjabberd(host) {
			n.expect(t, "first.example")
		}
		n.deleteNode(t)
		if !isEjabberd(host) {
			require.Equal(t, pubsub.SubscriptionNone, labEvent(t, n.sub, pubsub.NodeDeleted).State)
		}
		require.ErrorIs(t, n.sub.Resubscribe(within(t)), &pubsub.Error{Op: pubsub.OpSubscribe, Condition: stanza.ItemNotFound})

		n.publish(t, "second.example")
		require.NoError(t, n.sub.Resubscribe(within(t)))
		second, ok := n.sub.Subscription(n.publisher.Service, n.publisher.Node)
		require.True(t, ok)
		require.Equal(t, pubsub.SubscriptionActive, second.State)
		if isEjabberd(host) {
			require.NotEqual(t, first.ID, second.ID)
			n.expect(t, "second.example")
		}
		n.publish(t, "third.example")
		n.expect(t, "third.example")

		// ejabberd tells nobody, so that a node may be deleted and made again between two renewals.
		n.deleteNode(t)
		n.publish(t, "fourth.example")
		require.NoError(t, n.sub.Resubscribe(within(t)))
		n.publish(t, "fifth.example")
		n.expect(t, "fifth.example")
		require.NoError(t, n.sub.Unsubscribe(within(t), n.publisher.Service, n.publisher.Node))
		n.deleteNode(t)
	})
}

// TestLabRestarts restarts the server of the node and then that of the subscriber. Neither forgets a subscription.
func TestLabRestarts(t *testing.T) {
	labPairs(t, func(t *testing.T, host, reader labServer) {
		n := newLabNode(t, host, reader, "sub-restart")
		n.publish(t, "first.example")
		n.subscribe(t)

		host.Restart(t)
		n.publish(t, "second.example")
		n.expect(t, "second.example")

		renewed := make(chan error, 8)
		n.reader.OnConnect(func(ctx context.Context) { renewed <- n.sub.Resubscribe(ctx) })
		require.NoError(t, <-renewed)
		connects := n.reader.Counters().Connects
		reader.Restart(t)
		for n.reader.Counters().Connects == connects {
			// The error of the first renewals is that of a server which is not quite up again.
			select {
			case <-renewed:
			case <-within(t).Done():
				require.Fail(t, "no connection")
			}
		}
		// The node's server may not have noticed at once that the connection to the other one is gone.
		ctx := within(t)
		for err := n.sub.Resubscribe(ctx); err != nil; err = n.sub.Resubscribe(ctx) {
			require.NoError(t, ctx.Err(), "%v", err)
		}
		n.publish(t, "third.example")
		n.expect(t, "third.example")
		require.NoError(t, n.sub.Unsubscribe(within(t), n.publisher.Service, n.publisher.Node))
		n.deleteNode(t)
	})
}

// TestLabApproval has an owner approve a subscription and end it again, which only ejabberd can.
func TestLabApproval(t *testing.T) {
	lab := integration.Shared(t)
	n := newLabNode(t, lab.Ejabberd, lab.Prosody, "sub-approval")
	n.publish(t, "first.example")
	n.configure(t, "pubsub#access_model", "authorize")
	_, err := n.sub.Subscribe(within(t), n.publisher.Service, n.publisher.Node)
	require.ErrorIs(t, err, pubsub.ErrPending)
	var e *pubsub.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Remedy, "approve crawler.a.test")
	got, ok := n.sub.Subscription(n.publisher.Service, n.publisher.Node)
	require.True(t, ok)
	require.Equal(t, pubsub.SubscriptionPending, got.State)

	n.decide(t, "true")
	require.Equal(t, pubsub.SubscriptionActive, labEvent(t, n.sub, pubsub.SubscriptionChanged).State)
	n.deleteNode(t)
}

func (n *labNode) configure(t testing.TB, field, value string) {
	t.Helper()
	n.own(t, "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='"+n.publisher.Node+"'>"+
		"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>"+
		"<field var='"+field+"'><value>"+value+"</value></field></x></configure></pubsub>")
}

// decide answers what a service asks a node's owner when somebody wants to subscribe (XEP-0060 §8.6).
func (n *labNode) decide(t testing.TB, allow string) {
	t.Helper()
	form := "<message to='" + n.publisher.Service.String() + "' from='" + n.owner.LocalAddr().String() + "'><x xmlns='jabber:x:data' type='submit'>"
	for field, value := range map[string]string{
		"FORM_TYPE":             "http://jabber.org/protocol/pubsub#subscribe_authorization",
		"pubsub#node":           n.publisher.Node,
		"pubsub#subscriber_jid": n.reader.LocalAddr().String(),
		"pubsub#allow":          allow,
	} {
		form += "<field var='" + field + "'><value>" + value + "</value></field>"
	}
	require.NoError(t, n.owner.Send(within(t), xml.NewDecoder(strings.NewReader(form+"</x></message>"))))
}

func (n *labNode) own(t testing.TB, payload string) {
	t.Helper()
	reply, err := n.owner.ExchangeIQ(within(t), stanza.IQ{Type: stanza.SetIQ, To: n.publisher.Service, From: n.owner.LocalAddr()}, []byte(payload))
	require.NoError(t, err)
	require.Contains(t, string(reply[:strings.IndexByte(string(reply), '>')]), "result", "%s", reply)
}
