package optin

import (
	"context"
	"errors"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The lives of verdicts made by [Decide], and the defaults of [Checker].
const (
	DefaultNamedTTL   = time.Hour
	DefaultUnnamedTTL = 15 * time.Minute
)

// Policy is what the operator adds to the rule of XEP-0485 §7. The zero value adds nothing.
//
// The functions must be safe for concurrent use and return at once; a method of [Set] is one.
type Policy struct {
	// Excluded reports whether a domain must never be named, whatever else is known of it. Nil excludes none.
	Excluded func(xep.Name) bool
	// Listed reports whether a domain may be named although it does not advertise the feature, as some operators want
	// for public providers. The XEP knows no such exception, so nil, which lists none, is the strict reading of it.
	Listed func(xep.Name) bool
	// Own reports whether the operator speaks for a domain. Nil means that even sibling virtual hosts must advertise.
	Own func(xep.Name) bool
}

func has(f func(xep.Name) bool, name xep.Name) bool { return f != nil && f(name) }

// Evidence is what asking a domain for its disco#info brought.
type Evidence struct {
	// Domain is the bare domain that was asked.
	Domain xep.Name
	// Answered tells whether it answered with a result.
	Answered bool
	// Feature tells whether that result held exactly the feature [xep.NS].
	// A form or a node is no evidence.
	Feature bool
	// Err is why there is no result.
	Err error
}

// reason is what the evidence says by itself.
func (e Evidence) reason() Reason {
	switch {
	case e.Err == nil && e.Answered && e.Feature:
		return Advertised
	case e.Err == nil && e.Answered:
		return NoFeature
	case e.Err == nil:
		return NoAnswer
	}
	return failureReason(e.Err)
}

func failureReason(err error) Reason {
	var stanzaErr stanza.Error
	switch {
	case errors.Is(err, roundtrip.ErrMalformed), errors.Is(err, roundtrip.ErrTooLarge), errors.Is(err, roundtrip.ErrWrongFrom):
		return Malformed
	case errors.As(err, &stanzaErr):
		switch stanzaErr.Condition {
		case stanza.RemoteServerNotFound, stanza.RemoteServerTimeout:
			return NoAnswer
		}
		return Failed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, roundtrip.ErrDisconnected):
		return NoAnswer
	}
	return Failed
}

// Decide makes the verdict on one domain from what was learned of it at the given time.
//
// It is a pure function, as long as the policy's are.
// An exclusion wins over everything; a listed domain is named whatever it answered.
// Verdicts last for [DefaultNamedTTL] and [DefaultUnnamedTTL]; those of a [Checker] last as long as that says.
func Decide(e Evidence, p Policy, at time.Time) Verdict {
	return decide(Verdict{}, e, p, lives{DefaultNamedTTL, DefaultUnnamedTTL}, at)
}

// lives is how long verdicts hold.
type lives struct{ named, unnamed time.Duration }

// decide knows the verdict before, too: a failure to refresh leaves a yes as it was, and an answered no revokes it.
func decide(before Verdict, e Evidence, p Policy, l lives, at time.Time) Verdict {
	if e.Domain.IsZero() {
		return Verdict{}
	}
	if before.domain != e.Domain {
		before = Verdict{}
	}
	reason := e.reason()
	switch {
	case has(p.Excluded, e.Domain):
		reason = Excluded
	case has(p.Own, e.Domain):
		reason = Own
	case reason != Advertised && has(p.Listed, e.Domain):
		reason = Listed
	case reason.failure() && before.reason == Advertised && before.Named(at):
		return before
	case reason == NoFeature && (before.reason == Advertised || before.reason == Revoked):
		reason = Revoked
	}
	v := Verdict{domain: e.Domain, reason: reason, since: at, until: at.Add(l.unnamed)}
	if reason.consents() {
		v.until = at.Add(l.named)
	}
	if before.reason == reason && before.live(at) {
		v.since = before.since
	}
	return v
}
