package crawl

import (
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Session is what a crawl needs of a session: to ask a question and get the answer.
// The sessions of mellium.im/xmpp and of package connect have it.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
}

// Outcome is how a visit ended.
type Outcome uint8

// The ways in which a visit ends.
const (
	// OutcomeUnreachable is a domain that gave no answer about itself; Err says why.
	OutcomeUnreachable Outcome = iota
	// OutcomeUnnamed is a domain that answered and does not opt in.
	OutcomeUnnamed
	// OutcomeSilent is a domain that opts in and whose report could not be had; Err says why.
	OutcomeSilent
	// OutcomeReport is a domain that opts in and reports.
	OutcomeReport
	// OutcomeSubscribed is a domain that opts in and whose reports come as events, so that the item was not fetched or can't be.
	// Only a [Crawler] has it.
	OutcomeSubscribed
)

// String returns the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case OutcomeUnreachable:
		return "unreachable"
	case OutcomeUnnamed:
		return "unnamed"
	case OutcomeSilent:
		return "silent"
	case OutcomeReport:
		return "report"
	case OutcomeSubscribed:
		return "subscribed"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// ErrForeign is a payload that speaks of other domains and not of the one whose node holds it.
var ErrForeign = errors.New("the payload does not mention the domain whose node holds it")

// The names of the steps that a visit adds to those of package pubsub.
const (
	StepName    = "name"    // the name is a domain name
	StepVerdict = "verdict" // whether the domain may be named
	StepBind    = "bind"    // what the payload may say in the name of the domain
	StepEvent   = "event"   // the item, as it came by a subscription
)

// Result is everything that one visit found out.
//
// It holds names that have no verdict of ours and must not be shown: Neighbours, the peers of Report, and Quarantined.
// A [graph.Graph] takes care of that.
type Result struct {
	// Domain is the domain that was visited, zero where the name was not one.
	Domain xep.Name
	// Start and End are when.
	Start, End time.Time
	// Outcome says how it ended, and Err why no report was had, nil if one was.
	Outcome Outcome
	Err     error
	// Verdict is whether the domain may be named.
	Verdict optin.Verdict
	// Location is where the domain publishes, nil where it was not asked.
	Location *pubsub.Location
	// Item is the item of its node, nil where there is none.
	Item *pubsub.Item
	// Report is what the domain may say in its own name, nil where there is none.
	// Its peers have no verdict, as a single visit asks none of them.
	Report *graph.Report
	// Quarantined are the claims about other domains.
	Quarantined []Quarantined
	// Neighbours are the addressable domains that the payload names, peers first, each once.
	Neighbours []xep.Name
	// Trace tells every step.
	Trace pubsub.Trace

	// hash is that of the item's payload, for a crawler to see whether it has changed.
	hash [sha256.Size]byte
}

// Visit reads one domain, with the zero [Visitor].
// The result is never nil.
func Visit(ctx context.Context, s Session, domain string) *Result {
	v := &Visitor{Session: s}
	name, err := xep.ParseName(domain)
	if err != nil {
		now := time.Now()
		step := pubsub.Step{Name: StepName, Status: pubsub.StatusFailed, Asked: fmt.Sprintf("name %q", cut(domain)), Got: err.Error(), Start: now, Err: err}
		return &Result{Start: now, End: now, Err: err, Trace: pubsub.Trace{step}}
	}
	return v.Visit(ctx, name)
}

// Visitor reads single domains.
// Only Session is required.
type Visitor struct {
	// Session carries the questions.
	Session Session
	// Consent decides who may be named, from the answers that a visit gets anyway.
	// Nil means a strict [optin.Checker] for this visit alone.
	Consent *optin.Checker
	// Self tells which names are the crawler's own and are left out of reports, nil means none.
	Self func(xep.Name) bool
	// Now is the clock, nil means time.Now.
	Now func() time.Time
	// OnStep is told of every step when it ends, nil means that nobody is.
	OnStep func(pubsub.Step)

	// known is where the domain publishes, as far as that is known and need not be found out again.
	known *pubsub.Location
	// attend decides whether to fetch the item of a node that was located, nil means always.
	attend func(*Result) (fetch bool, err error)
}

// Visit reads one domain: its disco#info, and with the feature in it the verdict, the node, the item, and what of the item counts.
// The result is never nil.
func (v *Visitor) Visit(ctx context.Context, domain xep.Name) *Result {
	r := &Result{Domain: domain, Start: v.now()}
	v.visit(ctx, r)
	r.End = v.now()
	return r
}

func (v *Visitor) visit(ctx context.Context, r *Result) {
	loc, err := (&pubsub.Locator{Session: v.Session, Now: v.now, OnStep: v.OnStep, Known: v.known}).Locate(ctx, r.Domain)
	r.Location, r.Trace = loc, loc.Trace
	r.Verdict = v.consent().Record(evidence(loc))
	named := r.Verdict.Named(v.now())
	v.note(r, StepVerdict, pubsub.StatusOK, "verdict", r.Verdict.String())
	switch {
	case !loc.Answered:
		r.Outcome, r.Err = OutcomeUnreachable, err
		return
	case !named:
		r.Outcome, r.Err = OutcomeUnnamed, err
		return
	}
	// A policy may name a domain that does not advertise the feature, but nothing binds a report to it.
	r.Outcome = OutcomeSilent
	fetch := true
	if err == nil && v.attend != nil {
		fetch, err = v.attend(r)
	}
	switch {
	case err != nil:
		r.Err = err
	case !fetch:
		r.Outcome = OutcomeSubscribed
	default:
		v.read(ctx, r)
	}
}

// evidence is what the location's one disco#info says on consent.
func evidence(loc *pubsub.Location) optin.Evidence {
	e := optin.Evidence{Domain: loc.Domain, Answered: loc.Answered, Feature: loc.Advertised}
	if !loc.Answered {
		e.Err = loc.Err
	}
	return e
}

// read fetches the item and takes from it what the domain may say.
func (v *Visitor) read(ctx context.Context, r *Result) {
	step := v.itemStep(pubsub.StepFetch, r)
	item, err := pubsub.Fetch(ctx, v.Session, r.Location.Service, r.Location.Node)
	step.Took = v.now().Sub(step.Start)
	v.take(r, step, item, err, r.Verdict.Until())
}

func (v *Visitor) itemStep(name string, r *Result) pubsub.Step {
	return pubsub.Step{
		Name:  name,
		Asked: fmt.Sprintf("item of node %q on %s", r.Location.Node, r.Location.Service),
		Start: v.now(),
	}
}

// take ends the step that brought an item, and takes from the item what the domain may say.
func (v *Visitor) take(r *Result, step pubsub.Step, item *pubsub.Item, err error, until time.Time) {
	r.Item, r.Err, step.Err = item, err, err
	if err != nil {
		step.Status, step.Got = pubsub.StatusFailed, err.Error()
		v.add(r, step)
		return
	}
	r.hash = sha256.Sum256(item.Raw)
	step.Got = fmt.Sprintf("item %q, %d bytes", cut(item.ID), len(item.Raw))
	v.add(r, step)
	if r.Err = v.bind(r, until); r.Err == nil {
		r.Outcome = OutcomeReport
	}
}

func (v *Visitor) bind(r *Result, until time.Time) error {
	b := bind(r.Item.Info, r.Domain, v.self)
	r.Quarantined = b.claims
	r.Neighbours = neighbours(b, r.Domain, v.self)
	if !b.speaks {
		v.note(r, StepBind, pubsub.StatusFailed, "what the item says of "+r.Domain.Unicode(), ErrForeign.Error())
		return ErrForeign
	}
	r.Report = &graph.Report{
		Domain:  r.Domain,
		At:      v.now(),
		Until:   until,
		Peers:   b.peers,
		Unnamed: b.unnamed,
		Users:   b.users,
	}
	if b.software != nil {
		r.Report.Software, r.Report.Version = b.software.Name, b.software.Version
	}
	got := fmt.Sprintf("%d named peers, %d unnamed, %d claims about others", len(b.peers), b.unnamed, len(b.claims))
	v.note(r, StepBind, pubsub.StatusOK, "what the item says of "+r.Domain.Unicode(), got)
	return nil
}

// neighbours lists whom a visit heard of and could be visited next.
func neighbours(b binding, domain xep.Name, self func(xep.Name) bool) []xep.Name {
	var names []xep.Name
	seen := map[xep.Name]bool{domain: true}
	add := func(n xep.Name) {
		if len(names) < maxNeighbours && !seen[n] && !n.IsZero() && !self(n) && n.Addressable() {
			seen[n] = true
			names = append(names, n)
		}
	}
	for _, p := range b.peers {
		add(p.Name)
	}
	for _, c := range b.claims {
		add(c.Domain)
	}
	return names
}

func (v *Visitor) note(r *Result, name string, status pubsub.Status, asked, got string) {
	v.add(r, pubsub.Step{Name: name, Status: status, Asked: asked, Got: got, Start: v.now()})
}

func (v *Visitor) add(r *Result, s pubsub.Step) {
	r.Trace = append(r.Trace, s)
	if v.OnStep != nil {
		v.OnStep(s)
	}
}

func (v *Visitor) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

func (v *Visitor) consent() *optin.Checker {
	if v.Consent == nil {
		return &optin.Checker{Session: v.Session, Now: v.Now}
	}
	return v.Consent
}

func (v *Visitor) self(n xep.Name) bool { return v.Self != nil && v.Self(n) }
