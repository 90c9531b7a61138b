// Package xmppgraph is the map of a house; it holds no code.
//
// XEP-0485 (PubSub Server Information, urn:xmpp:serverinfo:0) lets an XMPP domain publish which other domains it is connected to.
// A domain is named only if it opts in by advertising the feature, all others may only be counted.
// The rooms of this module write that information, read it, and draw the network that it describes.
//
// # Rooms, from the ground up
//
//   - [github.com/xmppgraph/xmppgraph/xep]: the payload, its limits and validation, the disco form, the node URI, domain names.
//   - [github.com/xmppgraph/xmppgraph/graph]: domains, links with provenance and anonymous counts as immutable snapshots.
//   - [github.com/xmppgraph/xmppgraph/graph/export] and [github.com/xmppgraph/xmppgraph/graph/layout]: the graph as a file and as a picture.
//   - [github.com/xmppgraph/xmppgraph/connect]: a session with a server that survives hostile stanzas and lost connections.
//   - [github.com/xmppgraph/xmppgraph/optin]: who may be named, why and until when; advertising one's own domain.
//   - [github.com/xmppgraph/xmppgraph/pubsub]: finding, reading and writing a domain's node.
//   - [github.com/xmppgraph/xmppgraph/report]: the writing role, from live connections to a publication.
//   - [github.com/xmppgraph/xmppgraph/crawl]: the reading role, from a domain to its report and its neighbours.
//   - [github.com/xmppgraph/xmppgraph/conformance]: whether a domain, a payload or a publisher does what each sentence of the XEP asks;
//     below it conformancetest, the same as subtests, and peer, a network to test publishers and consumers against.
//
// A room imports only rooms above it in this list, and nothing here imports a database, a flag parser or an HTTP server.
// The products built on these rooms (reporter, aggregator, bot, doctor, conformance) are a module of their own below examples/.
//
// # Who starts where
//
//   - The author of a Go server that should report itself: [github.com/xmppgraph/xmppgraph/report.Reporter].
//   - The operator of a stock Prosody or ejabberd: the command examples/reporter.
//   - The author of a bot or a site that reads the network: [github.com/xmppgraph/xmppgraph/crawl.Crawler] and [github.com/xmppgraph/xmppgraph/graph.Graph].
//   - The author of a test suite: [github.com/xmppgraph/xmppgraph/conformance/conformancetest.Run].
//   - The author of a publisher or consumer in another language: the command examples/conformance.
//   - Someone with one payload in hand: [github.com/xmppgraph/xmppgraph/xep.Unmarshal].
//
// # One interface
//
// Every role that talks needs a session, and all it needs of it is one method: send this IQ, give me the reply.
//
//	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
//
// The sessions of mellium.im/xmpp and of the connect room have it, and the router of a server can.
package xmppgraph
