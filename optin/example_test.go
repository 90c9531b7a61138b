package optin_test

import (
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// A name gets into a payload through a verdict only.
func Example() {
	now := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	advertises := map[string]bool{"denmark.lit": true}
	verdict := func(n xep.Name) optin.Verdict {
		e := optin.Evidence{Domain: n, Answered: true, Feature: advertises[n.String()]}
		return optin.Decide(e, optin.Policy{}, now)
	}
	red := optin.Redact(xep.MustName("shakespeare.lit"), []optin.Peer{
		{Remote: xep.MustName("yorick.lit"), Connections: []xep.Direction{xep.Incoming}},
		{Remote: xep.MustName("denmark.lit"), Connections: []xep.Direction{xep.Bidi}},
	}, verdict, now, optin.CountExact)
	for _, peer := range red.ServerInfo().Domains[0].Federation.RemoteDomains {
		fmt.Printf("%q %v\n", peer.Name, peer.Connections)
	}
	// Output:
	// "denmark.lit" [{bidi}]
	// "" []
}

// A server with a service discovery of its own adds this to its answer.
func ExampleAdvert() {
	a := &optin.Advert{
		Domain:   xep.MustName("shakespeare.lit"),
		Node:     xep.NodeURI{Service: jid.MustParse("pubsub.shakespeare.lit"), Node: xep.DefaultNode},
		Contacts: map[string][]string{"abuse-addresses": {"mailto:abuse@shakespeare.lit"}},
	}
	fmt.Println(a.Features())
	for _, f := range a.Form().Fields {
		fmt.Println(f.Var, f.Values)
	}
	// Output:
	// [urn:xmpp:serverinfo:0]
	// FORM_TYPE [http://jabber.org/network/serverinfo]
	// abuse-addresses [mailto:abuse@shakespeare.lit]
	// serverinfo-pubsub-node [xmpp:pubsub.shakespeare.lit?;node=serverinfo]
}
