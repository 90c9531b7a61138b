package pubsub

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status says how a step of a [Trace] ended.
type Status uint8

// The ways in which a step ends.
const (
	// StatusOK is a step that brought what was hoped for.
	StatusOK Status = iota
	// StatusFailed is a step whose answer was an error, useless or missing.
	StatusFailed
	// StatusSkipped is a step that an earlier one made pointless.
	StatusSkipped
)

// String returns ok, failed or skipped.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "ok"
	case StatusFailed:
		return "failed"
	case StatusSkipped:
		return "skipped"
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// MarshalText writes what String returns.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Step is one thing that was asked of a domain or decided about it, and what came of it.
type Step struct {
	// Name identifies the kind of step for programs, for example "domain-info"; see the Step… constants.
	Name string `json:"name"`
	// Status says how the step ended.
	Status Status `json:"status"`
	// Asked says in words what was asked or checked.
	Asked string `json:"asked"`
	// Got says in words what came, which includes the error of a failed step.
	// It may quote what a stranger sent; [Trace.String] neutralises that for a terminal, other users must do so for their medium.
	Got string `json:"got,omitempty"`
	// Start is when the step began.
	Start time.Time `json:"start"`
	// Took is how long the step lasted, 0 where nothing was waited for.
	Took time.Duration `json:"took_ns,omitempty"`
	// Err is the error of a failed step, nil otherwise.
	Err error `json:"-"`
}

// The names of the steps that this package takes, in their order.
const (
	StepAddress     = "address"      // the domain can be addressed at all
	StepDomainInfo  = "domain-info"  // disco#info of the domain
	StepOptIn       = "opt-in"       // the feature in that answer
	StepForm        = "form"         // the node's URI in that answer
	StepDomainItems = "domain-items" // disco#items of the domain, for the default node
	StepServiceInfo = "service-info" // disco#info of a candidate service
	StepNodeInfo    = "node-info"    // disco#info of the node
	StepFetch       = "fetch"        // the item
)

// Trace is the account of how a result was reached, in the order of events.
// It is written for the operator of the domain, who wants to know where it went wrong.
type Trace []Step

// Failed returns the first step that failed, and whether there is one.
func (t Trace) Failed() (Step, bool) {
	for _, s := range t {
		if s.Status == StatusFailed {
			return s, true
		}
	}
	return Step{}, false
}

// String writes one line for each step, ready for a terminal.
// Control and bidirectional formatting characters that a stranger may have sent are replaced and long texts cut.
func (t Trace) String() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// String writes the step as one line without its end.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s%-52s", s.Status, printable(s.Asked, 120))
	if s.Got != "" {
		b.WriteString("  " + printable(s.Got, 300))
	}
	if s.Took > 0 {
		fmt.Fprintf(&b, " (%s)", roundTime(s.Took))
	}
	return strings.TrimRight(b.String(), " ")
}

// roundTime keeps what a reader compares: whole milliseconds, or microseconds below one.
func roundTime(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// printable makes s harmless on a terminal: a trace quotes strangers, who may send escape sequences or turn the line round.
func printable(s string, limit int) string {
	var b strings.Builder
	for n := 0; len(s) > 0; n++ {
		if n == limit {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// recorder collects steps on an injected clock and tells a listener of each.
type recorder struct {
	trace  Trace
	now    func() time.Time
	listen func(Step)
}

func newRecorder(now func() time.Time, listen func(Step)) *recorder {
	if now == nil {
		now = time.Now
	}
	if listen == nil {
		listen = func(Step) {}
	}
	return &recorder{now: now, listen: listen}
}

func (r *recorder) add(s Step) {
	r.trace = append(r.trace, s)
	r.listen(s)
}

// do runs one step that waits for an answer: f returns what came in words, or an error.
func (r *recorder) do(name, asked string, f func() (string, error)) error {
	s := Step{Name: name, Asked: asked, Start: r.now()}
	s.Got, s.Err = f()
	s.Took = r.now().Sub(s.Start)
	if s.Err != nil {
		s.Status, s.Got = StatusFailed, s.Err.Error()
	}
	r.add(s)
	return s.Err
}

// note records a step that took no time of its own.
func (r *recorder) note(name string, status Status, asked, got string) {
	r.add(Step{Name: name, Status: status, Asked: asked, Got: got, Start: r.now()})
}

// fail records a conclusion that failed, and returns its error.
func (r *recorder) fail(name, asked string, err error) error {
	r.add(Step{Name: name, Status: StatusFailed, Asked: asked, Got: err.Error(), Err: err, Start: r.now()})
	return err
}
