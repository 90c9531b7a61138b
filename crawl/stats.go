package crawl

import (
	"context"
	"errors"
	"maps"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Stats counts what a crawler does.
type Stats struct {
	// Known are the domains on the frontier, Due those that wait for a visit now, InFlight those being visited.
	Known, Due, InFlight int
	// Subscribed is the number of nodes whose events come.
	Subscribed int
	// Visits counts finished visits by outcome.
	Visits map[Outcome]uint64
	// Pushed counts the reports that came as events.
	Pushed uint64
	// Failures counts what went wrong by reason: visits that failed, reports that could not be taken in, subscriptions refused.
	Failures map[Failure]uint64
	// Quarantined counts claims that did not count, each time they were made.
	Quarantined map[Reason]uint64
	// Notices are what the subscriber counted, such as notices from those who were not asked.
	Notices pubsub.EventCounters
	// Crowded counts the domains that were not taken in, or were given up for another one, because too many of their site don't opt in,
	// or too many of those that reports of one site named.
	// The same one may count again with every report that names it.
	Crowded uint64
	// Restored tells that everything the store had has been told by events that were received. Without a store it is true from the start.
	Restored bool
	// Unsaved is the number of domains whose latest state is not in the store yet, SaveErr why the last attempt failed.
	Unsaved int
	SaveErr error
}

// Stats returns the present numbers, zero while the crawler does not run.
// It takes little time, however many domains are known.
func (c *Crawler) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return Stats{}
	}
	return c.run.stats()
}

func (r *run) stats() Stats {
	var notices pubsub.EventCounters
	if r.sub != nil {
		notices = r.sub.Counters()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Known:       len(r.frontier.entries),
		Due:         r.frontier.due(r.clock.Now()),
		InFlight:    r.frontier.inFlight,
		Subscribed:  r.feeds.live,
		Visits:      maps.Clone(r.visits),
		Pushed:      r.pushes,
		Failures:    maps.Clone(r.failures),
		Quarantined: maps.Clone(r.quarantined),
		Notices:     notices,
		Crowded:     r.crowded,
		Restored:    r.restored,
		Unsaved:     len(r.dirty) + len(r.gone) + r.saving,
		SaveErr:     r.saveErr,
	}
}

// Failure is a reason for which something failed, as operators count it.
type Failure string

// The reasons, the domain's own first.
const (
	// FailureTimeout is no answer in time.
	FailureTimeout Failure = "timeout"
	// FailureUnreachable is a domain that the crawler's own server can't reach.
	FailureUnreachable Failure = "unreachable"
	// FailureRefused is an answer that denies access.
	FailureRefused Failure = "refused"
	// FailureBusy is an answer that asks for patience.
	FailureBusy Failure = "busy"
	// FailureError is any other error as an answer.
	FailureError Failure = "error"
	// FailureSender is an answer from somebody else than was asked.
	FailureSender Failure = "wrong-sender"
	// FailureTooLarge is an answer beyond the limits.
	FailureTooLarge Failure = "too-large"
	// FailureMalformed is an answer that can't be read.
	FailureMalformed Failure = "malformed"
	// FailureAddress is a name that no address can hold.
	FailureAddress Failure = "address"

	// FailureLocation is a domain that opts in and names no usable node.
	FailureLocation Failure = "location"
	// FailureNotPersistent is a node that keeps no items, to which there is no subscription.
	FailureNotPersistent Failure = "not-persistent"
	// FailurePayload is an item that is not what XEP-0485 describes.
	FailurePayload Failure = "payload"
	// FailureForeign is an item that speaks only of other domains.
	FailureForeign Failure = "foreign"
	// FailureSubscription is a subscription that could not be had.
	FailureSubscription Failure = "subscription"
	// FailureOther is anything else.
	FailureOther Failure = "other"
)

// errorFailures are the reasons by error, the more special ones first.
var errorFailures = []struct {
	err     error
	failure Failure
}{
	{ErrForeign, FailureForeign},
	{pubsub.ErrNotPersistent, FailureNotPersistent},
	{pubsub.ErrPayload, FailurePayload},
	{pubsub.ErrNoService, FailureLocation},
	{pubsub.ErrNotAddressable, FailureAddress},
	{roundtrip.ErrWrongFrom, FailureSender},
	{roundtrip.ErrTooLarge, FailureTooLarge},
	{xmlscan.ErrLimit, FailureTooLarge},
	{roundtrip.ErrMalformed, FailureMalformed},
	{xmlscan.ErrSyntax, FailureMalformed},
	{context.DeadlineExceeded, FailureTimeout},
	{stanza.Error{Condition: stanza.RemoteServerNotFound}, FailureUnreachable},
	{stanza.Error{Condition: stanza.RemoteServerTimeout}, FailureUnreachable},
	{stanza.Error{Condition: stanza.ResourceConstraint}, FailureBusy},
	{stanza.Error{Condition: stanza.PolicyViolation}, FailureBusy},
	{stanza.Error{Type: stanza.Auth}, FailureRefused},
}

// FailureOf returns the reason behind the error of a [Result] or [Event].
func FailureOf(err error) Failure {
	for _, f := range errorFailures {
		if errors.Is(err, f.err) {
			return f.failure
		}
	}
	var uri *xep.URIError
	var answer stanza.Error
	switch {
	case errors.As(err, &uri):
		return FailureLocation
	case errors.As(err, &answer):
		return FailureError
	}
	return FailureOther
}
