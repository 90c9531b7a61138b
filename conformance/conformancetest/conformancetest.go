// Package conformancetest runs the cases of package conformance as subtests of any test suite.
//
//	func TestServerInfo(t *testing.T) {
//		conformancetest.Run(t, session, "shakespeare.lit")
//	}
package conformancetest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/xmppgraph/xmppgraph/conformance"
)

// Run checks a live domain, with one subtest for each case of level MUST and SHOULD.
//
// A subtest fails with what was found and the stanzas behind it, and is skipped if the case can't be checked or does not apply.
func Run(t *testing.T, s conformance.Session, domain string) {
	t.Helper()
	RunOptions(t, s, domain, conformance.Options{})
}

// RunOptions is [Run] with options; those make it possible that a case which can't be checked is a failure, too.
func RunOptions(t *testing.T, s conformance.Session, domain string, o conformance.Options) {
	t.Helper()
	r, err := conformance.Run(t.Context(), s, domain, o)
	if err != nil {
		t.Fatalf("conformance of %q: %v", domain, err)
	}
	Report(t, r)
}

// Payload checks one payload, with one subtest for each case of level MUST and SHOULD.
func Payload(t *testing.T, payload []byte, domain string) {
	t.Helper()
	r, err := conformance.Payload(payload, domain)
	if err != nil {
		t.Fatalf("conformance of a payload: %v", err)
	}
	Report(t, r)
}

// Publisher runs a publisher under test, with one subtest for each case.
//
// Each runs in a bubble of testing/synctest, so that hours of the publisher's life take no time.
// The publisher must do without real network connections, which such a bubble can't wait for, and must have ended all of its
// goroutines when its Run returns.
func Publisher(t *testing.T, s conformance.Subject) {
	t.Helper()
	for _, c := range conformance.Catalogue() {
		if c.Needs != conformance.NeedPublisher || !c.Counted() {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := conformance.Publisher(ctx, s, c.ID)
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range r.Results {
					tell(t, one)
				}
			})
		})
	}
}

// Report makes a subtest of each result of level MUST and SHOULD.
func Report(t *testing.T, r *conformance.Report) {
	t.Helper()
	for _, one := range r.Results {
		if one.Counted() {
			t.Run(one.ID, func(t *testing.T) { tell(t, one) })
		}
	}
}

// teller is the part of *testing.T that passes a result on.
type teller interface {
	Helper()
	Errorf(format string, args ...any)
	Skip(args ...any)
	Log(args ...any)
}

func tell(t teller, r conformance.Result) {
	t.Helper()
	switch r.Status {
	case conformance.Fail:
		t.Errorf("%s (%s): %s\n%s\n%s", r.Level, r.Section, r.Sentence, r.Message, r.LogText())
	case conformance.Skip, conformance.NotApplicable:
		t.Skip(r.Message)
	case conformance.Pass:
		if r.Message != "" {
			t.Log(r.Message)
		}
	}
}
