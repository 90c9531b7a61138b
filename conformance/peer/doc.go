// Package peer is a small XMPP network in memory, for the tests of whatever publishes or reads XEP-0485.
//
// A [Network] has one pubsub service and any number of domains, each of which gives its consent to be named, withholds it, or
// misbehaves when it is asked, as its [Behaviour] says; that can be changed at any time.
// A [Session] takes part in it, and fits wherever this module asks for one:
//
//	n := peer.New("pubsub.shakespeare.lit")
//	n.Set("denmark.lit", peer.Advertises)
//	r := &report.Reporter{Session: n.Session(jid.MustParse("shakespeare.lit")), …}
//
// There is no wire and no goroutine, so that time can be simulated around it with package testing/synctest: a day of a
// publisher's life takes no time at all.
// The service answers as Prosody does.
package peer
