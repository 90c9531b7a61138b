package api

import (
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/remedy"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultVisits is how many domains [Visits] remembers, some 2 KB each.
const DefaultVisits = 10_000

// Visits remembers the last visit of each of the domains that were visited last. Its zero value is ready for use.
//
// It also holds what domains without consent answered: who asks it must know that they may be shown.
type Visits struct {
	mu  sync.Mutex
	all map[xep.Name]visited
}

// visited is what is kept of a visit.
type visited struct {
	at      time.Time
	outcome string
	named   bool
	reason  string
	steps   []step
}

// Note takes note of the visit behind an event, if there is one.
func (v *Visits) Note(ev crawl.Event) {
	if ev.Visit != nil && len(ev.Visit.Trace) > 0 {
		v.note(ev.Domain, newVisited(ev.Visit))
	}
}

func (v *Visits) note(name xep.Name, last visited) {
	if v == nil || name.IsZero() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = make(map[xep.Name]visited)
	}
	for old := range v.all {
		if len(v.all) < DefaultVisits {
			break
		}
		// Any will do: all of them are visited again.
		delete(v.all, old)
	}
	v.all[name] = last
}

func (v *Visits) last(name xep.Name) (visited, bool) {
	if v == nil {
		return visited{}, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	last, ok := v.all[name]
	return last, ok
}

func newVisited(r *crawl.Result) visited {
	v := visited{at: r.End, outcome: r.Outcome.String(), named: r.Verdict.Named(r.End), reason: r.Verdict.Reason().String()}
	where := remedy.Of(r)
	for _, s := range r.Trace {
		v.steps = append(v.steps, newStep(s, where))
	}
	return v
}

// trace is a visit as it is written.
type trace struct {
	At      stamp  `json:"at"`
	Outcome string `json:"outcome"`
	Steps   []step `json:"steps"`
}

func newTrace(v visited) *trace {
	return &trace{At: stamp(v.at), Outcome: v.outcome, Steps: v.steps}
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
