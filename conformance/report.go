package conformance

import (
	"fmt"
	"slices"
	"time"
)

// Status says how a case ended.
type Status string

// The ways in which a case ends.
const (
	// Pass is a case that was checked and holds.
	Pass Status = "pass"
	// Fail is a case that was checked and does not hold.
	Fail Status = "fail"
	// Skip is a case that could not be checked; the message says why.
	Skip Status = "skip"
	// NotApplicable is a case about something that the domain has no use for, such as the names of peers where it has none.
	NotApplicable Status = "n/a"
)

// Stanza is one message of the exchange behind a result.
type Stanza struct {
	// Sent tells whether the suite sent it; the others were received.
	Sent bool `json:"sent"`
	// With is the address on the other side.
	With string `json:"with"`
	// XML is the stanza or, of what was sent, its payload, cut to 64 KiB.
	// For a request without an answer it is empty and Error says why.
	XML   string `json:"xml,omitempty"`
	Error string `json:"error,omitempty"`
}

// Result is how one case ended.
type Result struct {
	Case
	// Status says how.
	Status Status `json:"status"`
	// Message says what was found, or why the case was skipped. It may quote what a stranger sent, made harmless for a terminal.
	Message string `json:"message,omitempty"`
	// Remedy is what can be done about a failure, a line for each brand of server, where the one who made the report knows.
	Remedy string `json:"remedy,omitempty"`
	// Log holds the stanzas that the result rests on, nothing for a captured payload.
	Log []Stanza `json:"log,omitempty"`
}

// String returns the result as one line.
func (r Result) String() string {
	s := fmt.Sprintf("%s %s %s %s", r.Status, r.Level, r.Section, r.ID)
	if r.Message != "" {
		s += ": " + r.Message
	}
	return s
}

// Counted reports whether a failure of the case counts against the domain: those of the prose do, those of the schema alone
// and those of what may be done do not.
func (c Case) Counted() bool { return c.Level == Must || c.Level == Should }

// Report is what a run found.
type Report struct {
	// Target is what was checked: a domain, or the name of a file.
	Target string `json:"target"`
	// At is when the run began, and Took how long it lasted.
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took_ns"`
	// OptedIn tells whether the domain advertises the feature. It is false for a captured payload, where nobody was asked.
	OptedIn bool `json:"opted_in"`
	// Server is what the domain calls its software, Service and Node are where it publishes, each empty if it is not known.
	Server  string `json:"server,omitempty"`
	Service string `json:"service,omitempty"`
	Node    string `json:"node,omitempty"`
	// Results are those of all cases that the run is about, in the order of the catalogue.
	Results []Result `json:"results"`
}

// Failed returns the results of a level that failed.
func (r *Report) Failed(level Level) []Result {
	return r.with(Fail, level)
}

// Skipped returns the results of a level that could not be checked.
func (r *Report) Skipped(level Level) []Result {
	return r.with(Skip, level)
}

func (r *Report) with(s Status, level Level) []Result {
	var out []Result
	for _, one := range r.Results {
		if one.Status == s && one.Level == level {
			out = append(out, one)
		}
	}
	return out
}

// Conforms reports whether no case of level [Must] failed.
func (r *Report) Conforms() bool { return len(r.Failed(Must)) == 0 }

// Strict returns a copy in which every case of level [Must] or [Should] that could not be checked has failed.
func (r *Report) Strict() *Report {
	out := *r
	out.Results = slices.Clone(r.Results)
	for i := range out.Results {
		if one := &out.Results[i]; one.Status == Skip && one.Counted() {
			one.Status, one.Message = Fail, "could not be checked: "+one.Message
		}
	}
	return &out
}

// Result returns the result of a case, and whether the run was about it.
func (r *Report) Result(id string) (Result, bool) {
	i := slices.IndexFunc(r.Results, func(one Result) bool { return one.ID == id })
	if i < 0 {
		return Result{}, false
	}
	return r.Results[i], true
}

func pass(format string, args ...any) outcome {
	return outcome{Pass, fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) outcome {
	return outcome{Fail, fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) outcome {
	return outcome{Skip, fmt.Sprintf(format, args...)}
}

func none(format string, args ...any) outcome {
	return outcome{NotApplicable, fmt.Sprintf(format, args...)}
}
