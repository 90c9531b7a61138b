package conformance

import (
	"slices"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Level says how much a case matters.
type Level string

// The levels.
const (
	// Must is for what the specification demands: a failure means that the domain does not conform.
	Must Level = "MUST"
	// Should is for what it recommends, or what readers have to work around.
	Should Level = "SHOULD"
	// May is for what it allows: such a case passes where the domain makes use of it, and never fails.
	May Level = "MAY"
	// Schema is for what only the schema in XEP-0485 §9 forbids and its prose allows.
	// Such a failure is worth knowing and counts for nothing.
	Schema Level = Level(xep.Schema)
)

// Need says what it takes to run a case.
type Need string

// The needs.
const (
	// NeedPayload is one payload, captured or fetched.
	NeedPayload Need = "payload"
	// NeedDomain is a live domain, of which a session only reads.
	NeedDomain Need = "domain"
	// NeedPublisher is a publisher under test, on a network whose peers the suite controls.
	NeedPublisher Need = "publisher"
)

// Case is one thing that is checked.
type Case struct {
	// ID names the case for good, for example "payload-direction".
	ID string `json:"id"`
	// Level says how much it matters.
	Level Level `json:"level"`
	// Section is where it comes from: "§4" is one of XEP-0485, others name their document, such as "XEP-0092 §3".
	Section string `json:"section"`
	// Sentence is what it says there, in our own words.
	Sentence string `json:"sentence"`
	// Needs says what it takes to check it.
	Needs Need `json:"needs"`
}

// Catalogue returns all cases, in the order in which they are reported: of a live domain, of a payload, and of a publisher.
// IDs are stable: later versions add to them and change the meaning of none.
func Catalogue() []Case {
	var all []Case
	for _, d := range slices.Concat(domainCases, payloadCases) {
		all = append(all, d.Case)
	}
	for _, d := range publisherCases {
		all = append(all, d.Case)
	}
	return all
}

// Lookup returns the case of that ID, and whether there is one.
func Lookup(id string) (Case, bool) {
	all := Catalogue()
	i := slices.IndexFunc(all, func(c Case) bool { return c.ID == id })
	if i < 0 {
		return Case{}, false
	}
	return all[i], true
}

// definition is a case of a domain or a payload with its check.
type definition struct {
	Case
	// uses are the steps whose stanzas the result rests on.
	uses  []step
	check func(*evidence) outcome
}

// outcome is what a check found.
type outcome struct {
	status  Status
	message string
}
