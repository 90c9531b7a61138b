package pubsub_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
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

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/pubsub"
)

// patience bounds what a broken test may take.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// listen connects a subscriber to a test server as a component.
func listen(t testing.TB, srv *testserver.Server, sub *pubsub.Subscriber) *connect.Session {
	t.Helper()
	s, err := connect.Component(patient(t), connect.Config{
		JID: jid.MustParse(testserver.Component), Secret: testserver.Secret, Server: srv.ComponentAddr(),
		Handler: mux.New(component.NSAccept, pubsub.Handle(sub)), Logger: slog.New(slog.DiscardHandler),
		MinBackoff: time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	sub.Session = s
	return s
}

func next(t testing.TB, sub *pubsub.Subscriber) pubsub.Event {
	t.Helper()
	e, err := sub.Next(patient(t))
	require.NoError(t, err, "%+v", sub.Counters())
	return e
}

// publishers are the profiles whose publishers make a node.
var publishers = []testserver.Profile{
	testserver.Standard, testserver.Prosody, testserver.ProsodyOld, testserver.Ejabberd, testserver.Openfire,
}

func addPublisher(srv *testserver.Server, name string, p testserver.Profile) (h *testserver.Host, service jid.JID) {
	h = srv.AddDomain(testserver.Domain{Name: name, Profile: p, Advertise: true,
		Report: testserver.Report{Peers: []testserver.Peer{{Name: "first.example", Directions: testserver.In}}}})
	return h, jid.MustParse(h.Service())
}

// peers returns the named remote domains of an event.
func peers(t testing.TB, e pubsub.Event) (names []string) {
	t.Helper()
	require.Equal(t, pubsub.ItemPublished, e.Kind)
	require.NoError(t, e.Err)
	for _, d := range e.Item.Info.Domains {
		for _, r := range d.Federation.RemoteDomains {
			names = append(names, r.Name)
		}
	}
	return names
}

func TestSubscriberOfEachPublisher(t *testing.T) {
	for _, p := range publishers {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Seed: 1})
			h, service := addPublisher(srv, "peer.example", p)
			sub := new(pubsub.Subscriber)
			listen(t, srv, sub)
			got, err := sub.Subscribe(patient(t), service, h.Node())
			require.NoError(t, err)
			require.Equal(t, pubsub.SubscriptionActive, got.State)
			require.Equal(t, testserver.Component, got.Addr.String())
			require.Equal(t, []string{testserver.Component}, h.Subscribers(h.Node()))
			if p == testserver.Ejabberd {
				require.NotEmpty(t, got.ID)
				e := next(t, sub)
				require.Equal(t, []string{"first.example"}, peers(t, e))
				require.False(t, e.Stamp.IsZero(), "the last item comes with its time")
			}
			h.Link("second.example", testserver.Out)
			h.Publish()
			e := next(t, sub)
			require.Contains(t, peers(t, e), "second.example")
			require.Equal(t, h.Node(), e.Node)
			require.True(t, e.Service.Equal(service))

			require.NoError(t, sub.Unsubscribe(patient(t), service, h.Node()))
			require.Empty(t, h.Subscribers(h.Node()))
			require.NoError(t, sub.Unsubscribe(patient(t), service, h.Node()), "that there is none is no error")
		})
	}
}

// TestSubscriberOfAClient subscribes an account, whose address has no resource in subscriptions.
func TestSubscriberOfAClient(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	h, service := addPublisher(srv, "peer.example", testserver.Ejabberd)
	sub := new(pubsub.Subscriber)
	s, err := connect.Client(patient(t), connect.Config{
		JID: jid.MustParse(testserver.Account), Password: testserver.Password, Server: srv.ClientAddr(),
		TLS: &tls.Config{RootCAs: srv.CertPool()}, Logger: slog.New(slog.DiscardHandler),
		Handler: mux.New(stanza.NSClient, pubsub.Handle(sub)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	sub.Session = s
	got, err := sub.Subscribe(patient(t), service, h.Node())
	require.NoError(t, err)
	require.Equal(t, testserver.Account, got.Addr.String())
	require.Equal(t, []string{"first.example"}, peers(t, next(t, sub)))
	require.NoError(t, sub.Unsubscribe(patient(t), service, h.Node()))
}

// TestSubscriberOnAPlainSession needs nothing of package connect.
func TestSubscriberOnAPlainSession(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	h, service := addPublisher(srv, "peer.example", testserver.Prosody)
	nc, err := net.Dial("tcp", srv.ComponentAddr())
	require.NoError(t, err)
	s, err := component.NewSession(patient(t), jid.MustParse(testserver.Component), []byte(testserver.Secret), nc)
	require.NoError(t, err)
	sub := &pubsub.Subscriber{Session: s}
	serve(t, s, nc, mux.New(component.NSAccept, pubsub.Handle(sub)))
	_, err = sub.Subscribe(patient(t), service, h.Node())
	require.NoError(t, err)
	h.Publish()
	require.Equal(t, []string{"first.example"}, peers(t, next(t, sub)))
	require.NoError(t, sub.Unsubscribe(patient(t), service, h.Node()))
}

func serve(t testing.TB, s *xmpp.Session, nc net.Conn, h xmpp.Handler) {
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

func TestSubscriberRefusals(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	h, service := addPublisher(srv, "peer.example", testserver.Prosody)
	sub := &pubsub.Subscriber{Addr: jid.MustParse("x@" + testserver.Component)}
	listen(t, srv, sub)
	_, err := sub.Subscribe(patient(t), service, "nosuch")
	require.ErrorIs(t, err, &pubsub.Error{Op: pubsub.OpSubscribe, Condition: stanza.ItemNotFound})
	_, err = sub.Subscribe(patient(t), service, h.Node())
	require.NoError(t, err, "a component may subscribe what is below it")
	require.Equal(t, []string{"x@" + testserver.Component}, h.Subscribers(h.Node()))
	_, err = sub.Subscribe(patient(t), jid.MustParse("pubsub.nosuch.example"), h.Node())
	require.ErrorIs(t, err, &pubsub.Error{Condition: stanza.RemoteServerNotFound})
	require.True(t, pubsub.IsTemporary(err))
	require.Len(t, sub.Subscriptions(), 1)
}

func TestSubscriberSeesTheNodeGoAndReturn(t *testing.T) {
	for _, p := range []testserver.Profile{testserver.Prosody, testserver.Ejabberd} {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Seed: 1})
			h, service := addPublisher(srv, "peer.example", p)
			sub := new(pubsub.Subscriber)
			listen(t, srv, sub)
			_, err := sub.Subscribe(patient(t), service, h.Node())
			require.NoError(t, err)
			if p == testserver.Ejabberd {
				require.Equal(t, pubsub.ItemPublished, next(t, sub).Kind)
			}
			h.DeleteNode()
			if p == testserver.Prosody {
				e := next(t, sub)
				require.Equal(t, pubsub.NodeDeleted, e.Kind)
				require.Equal(t, pubsub.SubscriptionNone, e.State)
			}
			require.ErrorIs(t, sub.Resubscribe(patient(t)), &pubsub.Error{Condition: stanza.ItemNotFound})
			if p == testserver.Ejabberd {
				// ejabberd says nothing when a node is deleted, so that only the renewal shows it.
				e := next(t, sub)
				require.Equal(t, pubsub.SubscriptionChanged, e.Kind)
				require.ErrorIs(t, e.Err, &pubsub.Error{Condition: stanza.ItemNotFound})
			}
			h.Publish()
			require.NoError(t, sub.Resubscribe(patient(t)))
			if p == testserver.Prosody {
				// It never sends the last item.
				h.Publish()
			}
			kinds := []pubsub.EventKind{next(t, sub).Kind, next(t, sub).Kind}
			require.ElementsMatch(t, []pubsub.EventKind{pubsub.ItemPublished, pubsub.SubscriptionChanged}, kinds)
			require.Equal(t, []string{testserver.Component}, h.Subscribers(h.Node()))
		})
	}
}

// TestSubscriberReconnects loses a subscription while there is no connection.
func TestSubscriberReconnects(t *testing.T) {
	for _, p := range []testserver.Profile{testserver.Prosody, testserver.Ejabberd} {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Seed: 1})
			h, service := addPublisher(srv, "peer.example", p)
			sub := new(pubsub.Subscriber)
			s := listen(t, srv, sub)
			renewed := make(chan error, 2)
			s.OnConnect(func(ctx context.Context) { renewed <- sub.Resubscribe(ctx) })
			require.NoError(t, <-renewed, "there is nothing to renew yet")
			_, err := sub.Subscribe(patient(t), service, h.Node())
			require.NoError(t, err)
			if p == testserver.Ejabberd {
				next(t, sub)
			}
			srv.Stop()
			h.DeleteNode()
			h.Publish()
			require.Empty(t, h.Subscribers(h.Node()))
			require.NoError(t, srv.Restart())
			require.NoError(t, <-renewed)
			require.Equal(t, []string{testserver.Component}, h.Subscribers(h.Node()))
			if p == testserver.Prosody {
				h.Publish()
			}
			require.Equal(t, pubsub.ItemPublished, next(t, sub).Kind)
			require.EqualValues(t, 2, s.Counters().Connects)
		})
	}
}

func TestSubscriberIgnoresOtherServices(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	h, service := addPublisher(srv, "peer.example", testserver.Standard)
	evil := srv.AddDomain(testserver.Domain{Name: "evil.example", Advertise: true, Fault: testserver.EventFlood,
		Options: testserver.FaultOptions{Flood: 50}})
	sub := new(pubsub.Subscriber)
	listen(t, srv, sub)
	_, err := sub.Subscribe(patient(t), service, h.Node())
	require.NoError(t, err)
	_, err = sub.Subscribe(patient(t), jid.MustParse(evil.Service()), "nosuch")
	require.Error(t, err)
	for _, from := range []string{"pubsub.evil.example", "peer.example", "x@pubsub.peer.example"} {
		srv.Inject("<message type='headline' to='" + testserver.Component + "' from='" + from + "'>" +
			"<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='serverinfo'><item id='current'>" +
			payload + "</item></items></event></message>")
	}
	h.Publish()
	e := next(t, sub)
	require.True(t, e.Service.Equal(service))
	require.Equal(t, []string{"first.example"}, peers(t, e))
	// The session serves senders in turn, so the flood may be behind the event that it did not delay.
	var c pubsub.EventCounters
	require.Eventually(t, func() bool {
		c = sub.Counters()
		return c.WrongService+c.WrongNode+c.NotLive == 50+3
	}, time.Minute, time.Millisecond)
	require.EqualValues(t, 1, c.Accepted)
	require.GreaterOrEqual(t, c.WrongService, uint64(3))
}

// TestSubscriberSurvivesAFlood has a service send hundreds of events for every request, which nobody reads.
func TestSubscriberSurvivesAFlood(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	quiet, service := addPublisher(srv, "quiet.example", testserver.Standard)
	const flood = 300
	loud := srv.AddDomain(testserver.Domain{Name: "loud.example", Advertise: true, Fault: testserver.EventFlood,
		Options: testserver.FaultOptions{Flood: flood}})
	sub := new(pubsub.Subscriber)
	listen(t, srv, sub)
	ctx := patient(t)
	_, err := sub.Subscribe(ctx, service, quiet.Node())
	require.NoError(t, err)
	_, err = sub.Subscribe(ctx, jid.MustParse(loud.Service()), loud.Node())
	require.NoError(t, err)
	for i := range 5 {
		_, err := sub.Subscribe(ctx, jid.MustParse(loud.Service()), loud.Node())
		require.NoError(t, err)
		quiet.Link(fmt.Sprintf("p%d.example", i), testserver.Out)
		quiet.Publish()
		for e := range sub.Events(ctx) {
			if e.Service.Equal(service) {
				require.Contains(t, peers(t, e), fmt.Sprintf("p%d.example", i))
				break
			}
		}
	}
	require.Positive(t, sub.Counters().Superseded)
}

// TestSubscriberAmongHostileDomains subscribes to domains that misbehave in every way that does not end the session.
func TestSubscriberAmongHostileDomains(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	good, service := addPublisher(srv, "good.example", testserver.Ejabberd)
	sub := &pubsub.Subscriber{Timeout: 200 * time.Millisecond}
	s := listen(t, srv, sub)
	_, err := sub.Subscribe(patient(t), service, good.Node())
	require.NoError(t, err)
	peers(t, next(t, sub))
	for i, f := range testserver.Faults() {
		if f&(testserver.SessionFaults|testserver.Held) != 0 {
			continue
		}
		h, where := addPublisher(srv, fmt.Sprintf("d%d.example", i), publishers[i%len(publishers)])
		h.SetFault(f)
		// What comes of it is the fault's affair; only that the others go on is this test's.
		_, _ = sub.Subscribe(patient(t), where, h.Node())
		h.Publish()
		_ = sub.Unsubscribe(patient(t), where, h.Node())
		good.Link(fmt.Sprintf("p%d.example", i), testserver.Out)
		good.Publish()
		for e := range sub.Events(patient(t)) {
			if e.Service.Equal(service) && strings.Contains(strings.Join(peers(t, e), " "), fmt.Sprintf("p%d.example", i)) {
				break
			}
		}
		require.True(t, s.Connected(), f.String())
	}
	require.EqualValues(t, 1, s.Counters().Connects)
	require.Zero(t, sub.Counters().Panics)
	require.Zero(t, s.Counters().HandlerFailures)
}
