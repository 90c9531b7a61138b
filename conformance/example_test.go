package conformance_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/report"
)

func ExamplePayload() {
	r, err := conformance.Payload([]byte(`<serverinfo xmlns='urn:xmpp:serverinfo:0'>
		<domain name='shakespeare.lit'>
			<federation><remote-domain name='denmark.lit'><connection type='both'/></remote-domain></federation>
		</domain>
	</serverinfo>`), "shakespeare.lit")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, one := range r.Failed(conformance.Must) {
		fmt.Println(one)
	}
	// Output:
	// fail MUST §4, §9 payload-direction: domain[0].federation.remote-domain[0].connection[0]@type: "both" is not one of incoming, outgoing, bidi
}

// The publisher under test is a program that connects as a component. Here our own reporter plays it, and one in another
// language would be started by Run with exec.CommandContext and the addresses in its arguments.
func ExamplePublisher() {
	r, err := conformance.Publisher(context.Background(), conformance.Subject{
		Wire: new(peer.Config),
		Run: func(ctx context.Context, e conformance.Environment) error {
			s, err := connect.Component(ctx, connect.Config{
				JID: jid.MustParse("reporter." + e.Domain), Server: e.Server.ComponentAddr(), Secret: "secret",
				Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				return err
			}
			defer s.Close()
			r := &report.Reporter{Session: s, Domain: e.Domain, Service: e.Service, Source: e.Connections, Logger: slog.New(slog.DiscardHandler)}
			return r.Run(ctx)
		},
	}, "publisher-item", "publisher-zero-peers") // without IDs: all of them
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, one := range r.Results {
		fmt.Println(one)
	}
	// Output:
	// pass MUST §5 publisher-item
	// pass MUST §4 publisher-zero-peers
}

func ExampleRun() {
	n := peer.New("pubsub.shakespeare.lit") // or a session of package connect, and any live domain
	n.Set("shakespeare.lit", peer.Unaware)
	r, err := conformance.Run(context.Background(), n.Session(jid.MustParse("me.test")), "shakespeare.lit", conformance.Options{Timeout: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.OptedIn)
	fmt.Println(r.Summary())
	r.Results = r.Failed(conformance.Must)
	_ = r.WriteTAP(os.Stdout)
	// Output:
	// false
	// shakespeare.lit does not conform: 1 failure of level MUST, no failure of level SHOULD, 33 not checked
	// TAP version 14
	// 1..1
	// not ok 1 - disco-feature
	//   ---
	//   level: "MUST"
	//   section: "XEP-0485 §3"
	//   sentence: "A domain that publishes advertises the feature urn:xmpp:serverinfo:0, by which it opts in."
	//   message: "the domain does not opt in, and may not be named"
	//   ...
}
