package xep_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/xmppgraph/xmppgraph/xep"
	"mellium.im/xmpp/jid"
)

const payload = `<serverinfo xmlns='urn:xmpp:serverinfo:0'>
  <domain name='shakespeare.lit'>
    <federation>
      <remote-domain name='denmark.lit'>
        <connection type='incoming'/>
        <connection type='both'/>
      </remote-domain>
      <remote-domain/>
    </federation>
  </domain>
</serverinfo>`

func ExampleUnmarshal() {
	info, err := xep.Unmarshal([]byte(payload))
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range info.Domains {
		fmt.Println(d.Name)
		for _, r := range d.Federation.RemoteDomains {
			fmt.Printf("  %q %v\n", r.Name, r.Connections)
		}
	}
	// Output:
	// shakespeare.lit
	//   "denmark.lit" [{incoming} {both}]
	//   "" []
}

func ExampleServerInfo_Validate() {
	info, err := xep.Unmarshal([]byte(payload))
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range info.Validate() {
		fmt.Println(d)
	}
	// Output:
	// MUST §4 domain[0].federation.remote-domain[0].connection[1]@type: "both" is not one of incoming, outgoing, bidi
}

func ExampleServerInfo_Canonical() {
	info, err := xep.Unmarshal([]byte(payload))
	if err != nil {
		log.Fatal(err)
	}
	_, err = xep.Marshal(info)
	var invalid *xep.InvalidError
	fmt.Println(errors.As(err, &invalid))

	b, err := xep.Marshal(info.Canonical())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(b))
	// Output:
	// true
	// <serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation><remote-domain name='denmark.lit'><connection type='incoming'/><connection type='bidi'/></remote-domain><remote-domain/></federation></domain></serverinfo>
}

func ExampleMarshal() {
	b, err := xep.Marshal(&xep.ServerInfo{
		Domains: []xep.Domain{{
			Name: "shakespeare.lit",
			Federation: &xep.Federation{RemoteDomains: []xep.RemoteDomain{
				{Name: "denmark.lit", Connections: []xep.Connection{{Direction: xep.Bidi}}},
				{}, // a peer that did not opt in is only counted
			}},
		}},
		Software: &xep.Software{Name: "Elsinore", Version: "1.0"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(b))
	// Output:
	// <serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation><remote-domain name='denmark.lit'><connection type='bidi'/></remote-domain><remote-domain/></federation></domain><query xmlns='jabber:iq:version'><name>Elsinore</name><version>1.0</version></query></serverinfo>
}

func ExampleParseNodeURI() {
	uri, err := xep.ParseNodeURI("xmpp:pubsub.shakespeare.lit?;node=serverinfo/shakespeare.lit")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(uri.Service, uri.Node)
	fmt.Println(uri)

	_, err = xep.ParseNodeURI("xmpp:muc.shakespeare.lit?join")
	fmt.Println(err)
	// Output:
	// pubsub.shakespeare.lit serverinfo/shakespeare.lit
	// xmpp:pubsub.shakespeare.lit?;node=serverinfo%2Fshakespeare.lit
	// xep: node URI "xmpp:muc.shakespeare.lit?join": the query type "join" is not pubsub
}

func ExampleBuildForm() {
	uri := xep.NodeURI{Service: jid.MustParse("pubsub.shakespeare.lit"), Node: xep.DefaultNode}
	form := xep.BuildForm(uri, map[string][]string{"abuse-addresses": {"mailto:abuse@shakespeare.lit"}})
	for _, f := range form.Fields {
		fmt.Println(f.Var, f.Values)
	}
	found, err := xep.FindNodeURI([]xep.Form{form})
	fmt.Println(found, err)
	// Output:
	// FORM_TYPE [http://jabber.org/network/serverinfo]
	// abuse-addresses [mailto:abuse@shakespeare.lit]
	// serverinfo-pubsub-node [xmpp:pubsub.shakespeare.lit?;node=serverinfo]
	// xmpp:pubsub.shakespeare.lit?;node=serverinfo <nil>
}

func ExampleParseName() {
	for _, s := range []string{"Shakespeare.LIT.", "bücher.example", "_xmpp.example", "shakespeare.lit:5269"} {
		n, err := xep.ParseName(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n, n.Unicode(), n.Addressable())
	}
	// Output:
	// shakespeare.lit shakespeare.lit true
	// xn--bcher-kva.example bücher.example true
	// _xmpp.example _xmpp.example false
	// xep: domain name "shakespeare.lit:5269" holds a colon: a port is not part of a domain name, and an IPv6 address needs brackets
}
