package pubsub_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/pubsub"
)

// A refusal says what the operator of the service has to change.
func ExamplePublisher_Ensure() {
	srv := testserver.New(testserver.Config{})
	defer srv.Close()
	srv.AddDomain(testserver.Domain{Name: "other.test"})
	conn, err := net.Dial("tcp", srv.ComponentAddr())
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := component.NewSession(context.Background(), jid.MustParse("reporter.other.test"), []byte(testserver.Secret), conn)
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- s.Serve(mux.New(component.NSAccept)) }()

	p := &pubsub.Publisher{Session: s, Service: jid.MustParse("pubsub.me.test")}
	_, err = p.Ensure(context.Background())
	var refused *pubsub.Error
	if errors.As(err, &refused) {
		fmt.Println(refused)
		fmt.Println(refused.Remedy)
	}
	_ = conn.Close()
	<-served
	// Output:
	// create "serverinfo" on pubsub.me.test: forbidden
	// Prosody: under  Component "pubsub.me.test" "pubsub"  add  admins = { "reporter.other.test" }  and restart
}
