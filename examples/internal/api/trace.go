package api

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/remedy"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// trace is a visit as it is written.
type trace struct {
	At      stamp  `json:"at"`
	Outcome string `json:"outcome"`
	Steps   []step `json:"steps"`
}

func newTrace(name xep.Name, a crawl.Account) *trace {
	t := &trace{At: stamp(a.At), Outcome: a.Outcome.String(), Steps: []step{}}
	for _, s := range a.Trace {
		t.Steps = append(t.Steps, newStep(s, remedy.Where{Domain: name}))
	}
	return t
}

// Visit is an account in the words in which it is shown, for a store.
func Visit(name xep.Name, a crawl.Account) store.Visit {
	t := newTrace(name, a)
	v := store.Visit{Domain: name, At: a.At, Outcome: t.Outcome, Steps: []store.Step{}}
	for _, s := range t.Steps {
		v.Steps = append(v.Steps, s.stored())
	}
	return v
}

// Step is a step of the visit of a domain in the words in which it is shown.
func Step(name xep.Name, s pubsub.Step) store.Step {
	return newStep(s, remedy.Where{Domain: name}).stored()
}

func (s step) stored() store.Step {
	return store.Step{Name: s.Step, Status: s.Status, Asked: s.Asked, Got: s.Got, Took: time.Duration(s.MS) * time.Millisecond, Fix: s.Fix}
}

// storedStep is the inverse.
func storedStep(s store.Step) step {
	return step{Step: s.Name, Status: s.Status, Asked: s.Asked, Got: s.Got, MS: s.Took.Milliseconds(), Fix: s.Fix}
}

// storedTrace is the inverse of [Visit].
func storedTrace(v store.Visit) *trace {
	t := &trace{At: stamp(v.At), Outcome: v.Outcome, Steps: []step{}}
	for _, s := range v.Steps {
		t.Steps = append(t.Steps, storedStep(s))
	}
	return t
}

// trace returns how the last visit of a domain that is shown went, nil where that is not known.
func (s *Server) trace(ctx context.Context, name xep.Name) *trace {
	if a, ok := s.o.Account(name); ok && len(a.Trace) > 0 {
		return newTrace(name, a)
	}
	if s.o.Visited == nil {
		return nil
	}
	// A database that is out of reach is no reason to show nothing of the domain.
	if v, err := s.o.Visited(ctx, name); err == nil && len(v.Steps) > 0 {
		return storedTrace(v)
	}
	return nil
}

// reason says why a domain that is shown may be named: it advertises the feature, or else a list of the operator's names it.
// It is empty after a visit in which the domain gave no answer, because then the verdict is from an earlier one.
func (t *trace) reason() string {
	for _, s := range t.Steps {
		switch {
		case s.Step != pubsub.StepOptIn:
		case s.Status == pubsub.StatusOK.String():
			return optin.Advertised.String()
		default:
			return optin.Listed.String()
		}
	}
	return ""
}

// step is a step of a visit as it is written.
type step struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Asked  string `json:"asked"`
	Got    string `json:"got,omitempty"`
	MS     int64  `json:"ms"`
	Fix    string `json:"fix,omitempty"`
}

const (
	maxAsked = 200
	maxGot   = 400
)

func newStep(s pubsub.Step, where remedy.Where) step {
	return step{
		Step: s.Name, Status: s.Status.String(), Asked: plain(s.Asked, maxAsked), Got: plain(s.Got, maxGot),
		MS: s.Took.Milliseconds(), Fix: where.Step(s),
	}
}

// plain cuts what may quote a stranger to so many characters, and takes out those that control a terminal or the direction of text.
func plain(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, c := range s {
		if n++; n > limit {
			b.WriteRune('…')
			break
		}
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}
