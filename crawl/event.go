package crawl

import (
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Kind says what an [Event] is about.
type Kind uint8

// The kinds of event.
const (
	// ReportAccepted is a report that is new or differs from the last one.
	ReportAccepted Kind = iota + 1
	// ReportUnchanged is a report with the payload of the last one, which stands on.
	ReportUnchanged
	// ReportWithdrawn is a domain that still opts in and no longer reports.
	ReportWithdrawn
	// ReportQuarantined is a payload that claims something about a domain other than the one whose node holds it.
	// The claims don't count.
	ReportQuarantined
	// ConsentGiven is a domain that may be named until the event's Until: for the first time or for longer.
	ConsentGiven
	// ConsentLost is a domain that may no longer be named.
	ConsentLost
	// VisitFailed is a visit that brought no answer, or a visit or an event that brought no usable report.
	VisitFailed
	// DomainGone is a domain that was silent for so long that it is given up:
	// it is forgotten, or asked hardly ever while reports still name it.
	DomainGone
)

var kinds = [...]string{
	ReportAccepted:    "report accepted",
	ReportUnchanged:   "report unchanged",
	ReportWithdrawn:   "report withdrawn",
	ReportQuarantined: "report quarantined",
	ConsentGiven:      "consent given",
	ConsentLost:       "consent lost",
	VisitFailed:       "visit failed",
	DomainGone:        "domain gone",
}

// String returns the kind in words.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

// Event is one thing that a crawl found out.
//
// It may hold names that have no verdict; a [graph.Graph] that it is applied to shows none of them.
type Event struct {
	// Kind says what happened.
	Kind Kind
	// Domain is whom it happened to.
	Domain xep.Name
	// At is when.
	At time.Time
	// Until is the end of the domain's verdict, zero if it may not be named.
	Until time.Time
	// Report is the report of a ReportAccepted or ReportUnchanged event, and an empty one of a ReportWithdrawn event.
	Report *graph.Report
	// Quarantined are the claims of a ReportQuarantined event.
	Quarantined []Quarantined
	// Err is why a visit failed, for a VisitFailed or DomainGone event.
	Err error
	// Visit is the visit behind the event, with its trace.
	// For what was pushed it holds what the event said, and it is nil where neither a visit nor an item is behind the event,
	// as for what comes from the store.
	Visit *Result
}

// Apply brings a graph up to date with the event.
func (e Event) Apply(g *graph.Graph) {
	switch e.Kind {
	case ReportAccepted, ReportUnchanged, ReportWithdrawn:
		g.Apply(*e.Report)
	case ConsentGiven:
		g.Consent(e.Domain, e.Until)
	case ConsentLost, DomainGone:
		g.Forget(e.Domain)
	}
}
