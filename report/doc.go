// Package report is the writing role of XEP-0485: it publishes which domains a server federates with.
//
// A [Reporter] takes live connections from a [Source], asks package optin who of the peers may be named, and keeps the
// result on a pubsub node.
// A server that is written in Go feeds the registry [Connections]; for stock servers there are [ProsodySocket],
// [ProsodyAdHoc] and [EjabberdOutgoing].
// Several virtual hosts go into one item, see [Reporter.Also], or have one each, see [RunAll].
//
// What it publishes goes through [optin.Redacted], which can't hold a name without a live verdict.
// Publication runs on a jittered schedule and never on the event itself, so that its time tells nothing about an unnamed
// peer; only the loss of somebody's consent is published at once.
package report
