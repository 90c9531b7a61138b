// Package peer is a small XMPP network for the tests of whatever publishes or reads XEP-0485, in memory or on the wire.
//
// A [Network] has one pubsub service and any number of domains, each of which gives its consent to be named, withholds it, or
// misbehaves when it is asked, as its [Behaviour] says; that can be changed at any time.
// A [Session] takes part in it, and fits wherever this module asks for one:
//
//	n := peer.New("pubsub.shakespeare.lit")
//	n.Set("denmark.lit", peer.Advertises)
//	r := &report.Reporter{Session: n.Session(jid.MustParse("shakespeare.lit")), …}
//
// In memory there is no wire and no goroutine, so that time can be simulated around it with package testing/synctest: a day of a
// publisher's life takes no time at all.
// The service answers as Prosody does.
//
// [Serve] puts the same network on loopback TCP, where programs in any language connect as a component (XEP-0114) or a client:
//
//	srv, err := peer.Serve(n, peer.Config{})
//	… srv.ComponentAddr(), srv.ClientAddr() …
//
// For the tests of consumers, such as crawlers, [Server.Add] adds domains that also publish, as each software that was seen in the
// wild does ([Kind]), with every oddity of real servers ([Quirks]) and every misdeed of hostile ones ([Fault]).
package peer
