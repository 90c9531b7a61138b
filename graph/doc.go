// Package graph models the network that domains report by XEP-0485: who is connected to whom, who says so, and until when a name may be shown.
//
// A [Graph] is fed with bound reports ([Graph.Apply]) and verdicts ([Graph.Consent]), by a crawler or by hand.
// Readers get a [Snapshot]: immutable, versioned and free of locks.
// Package [github.com/xmppgraph/xmppgraph/graph/export] writes a snapshot in the formats of other tools,
// and package [github.com/xmppgraph/xmppgraph/graph/layout] gives its domains a place.
//
// # Consent
//
// A name is in a snapshot only while its domain's verdict is live at the time of the snapshot.
// A peer without one is counted as unnamed on the domain that reported it, and appears nowhere else.
// A domain that is neither reporting nor named by a live report is not in a snapshot either, even with a live verdict.
//
// # Unnamed peers
//
// Unnamed peers are counts and not nodes.
// One unnamed domain is counted once by each reporter that sees it, so that the sum is one of links and never one of domains.
//
// # Time
//
// Times are kept in whole seconds and rounded down, so a verdict may end up to one second early and never late.
package graph
