package conformancetest_test

import (
	"context"
	"testing"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/conformancetest"
	"github.com/xmppgraph/xmppgraph/report"
)

// A suite checks its domain through any session that can send an IQ.
func ExampleRun() {
	var session conformance.Session // *xmpp.Session, *connect.Session, or a router
	_ = func(t *testing.T) {
		conformancetest.Run(t, session, "shakespeare.lit")
	}
}

// A suite checks its publisher on a network of the suite's own, in simulated time.
func ExamplePublisher() {
	_ = func(t *testing.T) {
		conformancetest.Publisher(t, conformance.Subject{Run: func(ctx context.Context, e conformance.Environment) error {
			r := &report.Reporter{Session: e.Session, Domain: e.Domain, Service: e.Service, Node: e.Node, Source: e.Connections}
			return r.Run(ctx)
		}})
	}
}
