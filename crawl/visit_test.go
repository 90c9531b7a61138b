package crawl

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

func names(all ...string) []xep.Name {
	var ns []xep.Name
	for _, s := range all {
		ns = append(ns, xep.MustName(s))
	}
	return ns
}

func peerNames(r *graph.Report) (ns []string) {
	for _, p := range r.Peers {
		ns = append(ns, p.Name.String())
	}
	slices.Sort(ns)
	return ns
}

func TestVisit(t *testing.T) {
	tests := map[string]struct {
		net        func(*fakeNet)
		outcome    Outcome
		err        error
		peers      []string
		unnamed    int
		claims     []Quarantined
		neighbours []xep.Name
	}{
		"a report": {
			net:        func(n *fakeNet) { n.report("a.test", "b.test", "", "c.test", "") },
			outcome:    OutcomeReport,
			peers:      []string{"b.test", "c.test"},
			unnamed:    2,
			neighbours: names("b.test", "c.test"),
		},
		"twice the same peer, the domain itself, and names that are none": {
			net: func(n *fakeNet) {
				n.report("a.test", "B.TEST.", "b.test", "a.test", "not a name", "not a name", "_odd.test")
			},
			outcome:    OutcomeReport,
			peers:      []string{"_odd.test", "b.test"},
			unnamed:    1,
			neighbours: names("b.test"),
		},
		"several blocks of one domain": {
			net: func(n *fakeNet) {
				n.report("a.test")
				n.publish("pubsub.a.test serverinfo", block("a.test", "b.test")+block("A.test", "c.test"))
			},
			outcome:    OutcomeReport,
			peers:      []string{"b.test", "c.test"},
			neighbours: names("b.test", "c.test"),
		},
		"an idle ejabberd says nothing, in its own name": {
			net: func(n *fakeNet) {
				n.set("a.test", &fakeDomain{feature: true})
				n.publish("pubsub.a.test serverinfo", "<!---->")
				n.publish("pubsub.a.test serverinfo", " ")
			},
			outcome: OutcomeReport,
		},
		"claims about others do not count": {
			net: func(n *fakeNet) {
				n.report("a.test")
				n.publish("pubsub.a.test serverinfo", block("a.test", "b.test")+block("victim.test", "nsa.test")+block("?"))
			},
			outcome: OutcomeReport,
			peers:   []string{"b.test"},
			claims: []Quarantined{
				{Domain: xep.MustName("victim.test"), Written: "victim.test", Reason: ReasonUnverified},
				{Written: "?", Reason: ReasonName},
			},
			neighbours: names("b.test", "victim.test"),
		},
		"a node that speaks of others only": {
			net: func(n *fakeNet) {
				n.set("a.test", &fakeDomain{feature: true, host: "pubsub.victim.test"})
				n.report("victim.test", "b.test")
			},
			outcome:    OutcomeSilent,
			err:        ErrForeign,
			claims:     []Quarantined{{Domain: xep.MustName("victim.test"), Written: "victim.test", Reason: ReasonUnverified}},
			neighbours: names("victim.test"),
		},
		"a node without the feature is no opt-in": {
			net: func(n *fakeNet) {
				n.report("a.test", "b.test")
				n.set("a.test", &fakeDomain{uri: "xmpp:pubsub.a.test?;node=serverinfo"})
			},
			outcome: OutcomeUnnamed,
			err:     pubsub.ErrNotAdvertised,
		},
		"the feature and nothing else": {
			net: func(n *fakeNet) {
				n.report("a.test")
				n.publish("pubsub.a.test serverinfo", "")
			},
			outcome: OutcomeSilent,
			err:     pubsub.ErrNoItem,
		},
		"a domain that fails": {
			net:     func(n *fakeNet) { n.set("a.test", &fakeDomain{fail: "resource-constraint"}) },
			outcome: OutcomeUnreachable,
			err:     stanza.Error{Condition: stanza.ResourceConstraint},
		},
		"the crawler among the peers": {
			net:        func(n *fakeNet) { n.report("a.test", "crawler.me.test", "b.test") },
			outcome:    OutcomeReport,
			peers:      []string{"b.test"},
			neighbours: names("b.test"),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n := newFakeNet()
			tc.net(n)
			self := xep.MustName("crawler.me.test")
			v := &Visitor{Session: n, Self: func(n xep.Name) bool { return n == self }}
			r := v.Visit(t.Context(), xep.MustName("a.test"))
			require.Equal(t, tc.outcome, r.Outcome, r.Trace.String())
			if tc.err == nil {
				require.NoError(t, r.Err)
			} else {
				require.ErrorIs(t, r.Err, tc.err)
			}
			require.Equal(t, tc.claims, r.Quarantined)
			require.Equal(t, tc.neighbours, r.Neighbours)
			require.Equal(t, tc.outcome == OutcomeReport || tc.outcome == OutcomeSilent, r.Verdict.Named(time.Now()))
			if tc.outcome != OutcomeReport {
				require.Nil(t, r.Report)
				return
			}
			require.Equal(t, tc.peers, peerNames(r.Report))
			require.Equal(t, tc.unnamed, r.Report.Unnamed)
			for _, p := range r.Report.Peers {
				require.Zero(t, p.Until, "a reporter's word is no verdict")
			}
		})
	}
}

func TestVisitOfNoName(t *testing.T) {
	r := Visit(t.Context(), newFakeNet(), "no name")
	require.Equal(t, OutcomeUnreachable, r.Outcome)
	require.Error(t, r.Err)
	require.Len(t, r.Trace, 1)
	require.Equal(t, pubsub.StatusFailed, r.Trace[0].Status)
}

func TestVisitTellsSteps(t *testing.T) {
	n := newFakeNet()
	n.report("a.test", "b.test")
	var told pubsub.Trace
	v := &Visitor{Session: n, OnStep: func(s pubsub.Step) { told = append(told, s) }}
	r := v.Visit(t.Context(), xep.MustName("a.test"))
	require.Equal(t, r.Trace, told)
	require.Equal(t, StepBind, told[len(told)-1].Name)
}

// A domain that never answers ends with its deadline, and the trace says where.
func TestVisitOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.set("a.test", &fakeDomain{silent: true})
		r := Visit(t.Context(), n, "a.test")
		require.Equal(t, OutcomeUnreachable, r.Outcome)
		require.ErrorIs(t, r.Err, context.DeadlineExceeded)
		failed, _ := r.Trace.Failed()
		require.Equal(t, pubsub.StepDomainInfo, failed.Name)
		require.Equal(t, 30*time.Second, failed.Took)
	})
}
