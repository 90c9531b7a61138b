package testserver_test

import (
	"context"
	"fmt"
	"net"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func Example() {
	srv := testserver.New(testserver.Config{})
	defer func() { _ = srv.Close() }()

	// A domain behind the server, which agrees to be named and publishes its federation.
	shakespeare := srv.AddDomain(testserver.Domain{
		Name: "shakespeare.lit", Profile: testserver.Prosody, Advertise: true,
		Report: testserver.Report{Peers: []testserver.Peer{{Name: "denmark.lit", Directions: testserver.Bidi}}, Unnamed: 3},
	})

	// Any XMPP library connects to the server over TCP, here as a component.
	nc, err := net.Dial("tcp", srv.ComponentAddr())
	if err != nil {
		fmt.Println(err)
		return
	}
	me := jid.MustParse(testserver.Component)
	session, err := component.NewSession(context.Background(), me, []byte(testserver.Secret), nc)
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = session.Serve(nil)
	}()

	info, err := disco.GetInfoIQ(context.Background(), "", stanza.IQ{From: me, To: jid.MustParse("shakespeare.lit")}, session)
	fmt.Println(info.Identity[0].Name, err)
	fmt.Println(shakespeare.Service(), shakespeare.Node())

	_ = nc.Close()
	<-done
	// Output:
	// Prosody <nil>
	// pubsub.shakespeare.lit serverinfo/shakespeare.lit
}

func ExampleNetwork() {
	f := testserver.Network(1, 112)
	fmt.Println(len(f.Domains), "named domains,", len(f.Links()), "links between them,", f.Unnamed(), "links to domains that stay unnamed")
	// Output: 112 named domains, 1102 links between them, 5671 links to domains that stay unnamed
}
