// Package integration starts real Prosody and ejabberd servers for tests.
//
// Without the build tag "integration" the package is empty, so that the plain test command needs no server.
// With it, [Start] gives a test a whole federation of its own:
//
//	lab := integration.Start(t, integration.Options{})
//	s, err := connect.Component(ctx, connect.Config{
//		JID: jid.MustParse("reporter.a.test"), Server: lab.Prosody.Component(), Secret: integration.Secret,
//	})
//
// Three servers run in a temporary folder and federate over TLS below a certificate authority made for the lab:
//
//   - Prosody with a.test and the sibling virtual host a2.test;
//   - ejabberd with b.test and the sibling virtual host b2.test;
//   - a second Prosody with c.test, the peer that never advertises anything unless told to.
//
// Each of them has a pubsub service (pubsub.a.test), external components waiting for their owner (comp, reporter and
// crawler, e.g. reporter.a.test, secret [Secret]) and the accounts admin, alice and bob (password [Password]).
//
// Every lab owns a loopback network 127.77.N.0/24 and a hosts file of its own, which only its servers read.
// Labs therefore share no port, no name and no file, and test packages may run theirs at the same time.
// The test's own process does not know the names: connect to the addresses that [Prosody.C2S] and its sisters return.
//
// A package whose tests may share one lab saves the seconds of starting it:
//
//	func TestMain(m *testing.M) { integration.Main(m, integration.Options{}) }
//
//	func TestSomething(t *testing.T) { lab := integration.Shared(t); … }
//
// The servers run as the users prosody and ejabberd when the test runs as root, and as the test's own user otherwise.
// They die with the test's process, however that ends.
package integration
