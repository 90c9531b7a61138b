package optin

import (
	"fmt"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Reason says what a [Verdict] rests on.
type Reason uint8

// The reasons. Only the first group lets a domain be named.
const (
	// Unknown is the zero value: nobody asked.
	Unknown Reason = iota
	// Advertised is a domain that advertises the feature (XEP-0485 §7).
	Advertised
	// Listed is a domain that does not, or was not heard of, and that the operator's policy names anyway.
	Listed
	// Own is a domain that the operator speaks for.
	Own

	// NoFeature is a domain that answered without the feature.
	NoFeature
	// NoAnswer is a domain that can't be reached or did not answer in time.
	NoAnswer
	// Failed is a domain that answered with an error.
	Failed
	// Malformed is a domain whose answer could not be read.
	Malformed
	// Excluded is a domain that the policy never names, whatever it advertises.
	Excluded
	// Revoked is a domain that advertised the feature before and now answers without it.
	Revoked
)

var reasonNames = [...]string{"unknown", "advertised", "listed", "own", "no-feature", "no-answer", "error", "malformed", "excluded", "revoked"}

// String returns the reason in lower case, as it appears in logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// MarshalText writes what String returns.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Reason) consents() bool { return r == Advertised || r == Listed || r == Own }

// failure reports whether the reason is that nothing was learned about what the domain wants.
func (r Reason) failure() bool { return r == NoAnswer || r == Failed || r == Malformed || r == Unknown }

// Verdict says whether a domain may be named, why, and until when.
//
// It is made by [Decide] and [Checker] only; the zero Verdict is of no domain and names nobody.
type Verdict struct {
	domain xep.Name
	reason Reason
	since  time.Time
	until  time.Time
}

// Domain returns the domain that the verdict is about.
func (v Verdict) Domain() xep.Name { return v.domain }

// Reason returns what the verdict rests on.
func (v Verdict) Reason() Reason { return v.reason }

// Since returns when the domain was first found like this, in an unbroken row of evidence.
func (v Verdict) Since() time.Time { return v.since }

// Until returns when the verdict lapses. From then on it names nobody.
func (v Verdict) Until() time.Time { return v.until }

// Named reports whether the domain may be named at the given time.
//
// A time before the verdict was made is outside of its life too: a clock that was set back prolongs nothing.
func (v Verdict) Named(at time.Time) bool {
	return v.reason.consents() && !v.domain.IsZero() && !at.Before(v.since) && at.Before(v.until)
}

// live reports whether the verdict, yes or no, still holds.
func (v Verdict) live(at time.Time) bool {
	return v.reason != Unknown && !at.Before(v.since) && at.Before(v.until)
}

// String describes the verdict for the operator: it holds the domain's name whether or not that may be published.
func (v Verdict) String() string {
	if v.domain.IsZero() {
		return "no verdict"
	}
	may := "not named"
	if v.reason.consents() {
		may = "named"
	}
	return fmt.Sprintf("%s: %s (%s) until %s", v.domain.Unicode(), may, v.reason, v.until.UTC().Format(time.RFC3339))
}
