package pubsub_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

func ExampleSubscriber() {
	// A network in this process, where shakespeare.lit reports that it is connected to denmark.lit.
	srv := testserver.New(testserver.Config{Seed: 1})
	defer srv.Close()
	srv.AddDomain(testserver.Domain{Name: "shakespeare.lit", Profile: testserver.Ejabberd, Advertise: true,
		Report: testserver.Report{Peers: []testserver.Peer{{Name: "denmark.lit", Directions: testserver.Out}}}})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sub := new(pubsub.Subscriber)
	s, err := connect.Component(ctx, connect.Config{
		JID: jid.MustParse(testserver.Component), Server: srv.ComponentAddr(), Secret: testserver.Secret,
		Handler: mux.New(component.NSAccept, pubsub.Handle(sub)),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	sub.Session = s
	s.OnConnect(func(ctx context.Context) { _ = sub.Resubscribe(ctx) })

	where, err := pubsub.Locate(ctx, s, xep.MustName("shakespeare.lit"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := sub.Subscribe(ctx, where.Service, where.Node); err != nil {
		log.Fatal(err) // a *pubsub.Error says what its operator can do
	}
	for e := range sub.Events(ctx) {
		if e.Kind != pubsub.ItemPublished || e.Err != nil {
			continue
		}
		for _, d := range e.Item.Info.Domains {
			// A name may be shown only under a verdict; see package optin.
			fmt.Printf("%s reports %d peers of %s\n", e.Service, len(d.Federation.RemoteDomains), d.Name)
		}
		break
	}
	fmt.Println("unsubscribed:", sub.Unsubscribe(ctx, where.Service, where.Node))
	// Output:
	// pubsub.shakespeare.lit reports 1 peers of shakespeare.lit
	// unsubscribed: <nil>
}
