// Package testserver is an XMPP network in one process, for tests and demonstrations: one home server with real
// listeners on loopback TCP, and any number of simulated remote domains behind it.
//
// A session under test connects to the home server as a client (StartTLS or direct TLS, SCRAM or PLAIN) or as an
// XEP-0114 component, and asks the simulated domains as if they were out on the network.
// Each domain answers disco#info and disco#items, runs a PubSub service on pubsub.<domain>, and publishes a
// XEP-0485 report the way one of the known server brands does, with that brand's quirks; see [Profile].
// A domain can also misbehave, in any of the ways of [Fault].
//
// The answers follow what Prosody 0.12 and ejabberd 23.01 were seen to send, down to the order of the children of an error.
//
// Everything on this side is written as raw bytes and read by a small reader of its own, not by the library's:
// a fault that the peer shared with the code under test would go unseen, and a codec would refuse to write most of what a hostile domain sends.
// The reader trusts the client, the way the tests trust themselves; this is no server to put on a network.
//
// [Network] generates whole federations with the degree shape of the real one, together with the truth that a crawler should find.
package testserver
