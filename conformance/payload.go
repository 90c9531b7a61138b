package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// MaxPayload is the greatest size of a payload in bytes that all known services take: ejabberd refuses more (XEP-0060 §7.1.3).
const MaxPayload = 250_000

// payloadEvidence is what is known of a payload.
type payloadEvidence struct {
	// missing says why there is none, empty if there is one.
	missing string
	size    int
	info    *xep.ServerInfo
	// err is why it can't be read.
	err error
	// deviations are those that package xep finds.
	deviations []xep.Deviation
}

// Payload checks one captured payload, offline: the serverinfo element, or an item or a whole stanza around it.
//
// Domain is whose payload it is, in any spelling; if it is empty, the case about the domain's own entry only asks for one
// domain with a name.
// The error is that of [xep.ParseName] for the domain; whatever is wrong with the payload is in the report.
func Payload(b []byte, domain string) (*Report, error) {
	e := &evidence{}
	if domain != "" {
		name, err := xep.ParseName(domain)
		if err != nil {
			return nil, err
		}
		e.domain = name
	}
	e.payload = readPayload(unwrap(b))
	r := &Report{Target: e.domain.String(), At: time.Now()}
	r.judge(e, payloadCases)
	return r, nil
}

// judge adds the results of cases.
func (r *Report) judge(e *evidence, cases []definition) {
	for _, d := range cases {
		o := d.check(e)
		r.Results = append(r.Results, Result{Case: d.Case, Status: o.status, Message: printable(o.message), Log: e.stanzas(d.uses)})
	}
}

// readPayload decodes a serverinfo element and notes what is wrong with it.
func readPayload(b []byte) payloadEvidence {
	p := payloadEvidence{size: len(b)}
	if p.info, p.err = xep.Unmarshal(b); p.err != nil {
		return p
	}
	p.deviations = p.info.Validate()
	for _, d := range scanValues(b) {
		// What decoding leaves out is noted up to a bound only, and noise must not hide what matters.
		if !slices.ContainsFunc(p.deviations, func(o xep.Deviation) bool { return o.Code == d.Code }) {
			p.deviations = append(p.deviations, d)
		}
	}
	return p
}

// scanValues finds what decoding has no place for and the prose of §4 does not allow.
func scanValues(b []byte) []xep.Deviation {
	var out []xep.Deviation
	add := func(code xep.Code, path, message string) {
		out = append(out, xep.Deviation{Code: code, Level: xep.Must, Section: "§4", Path: path, Message: message})
	}
	s := xmlscan.New(b, xmlscan.Limits{})
	if !s.Next() {
		return nil
	}
	for root := s.Depth(); s.Child(root); {
		if !s.Is(xep.NS, "domain") {
			if s.Space() == "" || s.Space() == xep.NS {
				add(xep.CodeExtensionNamespace, "serverinfo", "holds an element that is not in a namespace of its own")
			}
			continue
		}
		for domain := s.Depth(); s.Child(domain); {
			if !s.Is(xep.NS, "federation") {
				if s.Space() == "" || s.Space() == xep.NS {
					add(xep.CodeExtensionNamespace, "domain", "holds an element that is not in a namespace of its own")
				}
				continue
			}
			scanFederation(s, add)
		}
	}
	return out
}

func scanFederation(s *xmlscan.Scanner, add func(code xep.Code, path, message string)) {
	for federation := s.Depth(); s.Child(federation); {
		if !s.Is(xep.NS, "remote-domain") {
			continue
		}
		if name, ok := s.Attr("name"); ok && name == "" {
			add(xep.CodeRemoteName, "remote-domain@name", "is empty")
		}
		for remote := s.Depth(); s.Child(remote); {
			if typ, ok := s.Attr("type"); ok && s.Is(xep.NS, "connection") && typ == "" {
				add(xep.CodeConnectionType, "connection@type", `"" is not one of incoming, outgoing, bidi`)
			}
		}
	}
}

// wrappers are the elements that stand around a payload in a capture.
var wrappers = []string{"iq", "message", "pubsub", "event", "items", "publish", "item"}

// unwrap returns the serverinfo element inside of a captured item or stanza, and anything else as it is.
func unwrap(b []byte) []byte {
	s := xmlscan.New(b, xmlscan.Limits{})
	if !s.Next() || !slices.Contains(wrappers, s.Local()) {
		return b
	}
	for s.Next() {
		if s.Kind() != xmlscan.Start {
			continue
		}
		if s.Is(xep.NS, "serverinfo") {
			inner, err := s.Element()
			for err == nil && s.Next() {
			}
			if err != nil || s.Err() != nil {
				return b
			}
			return inner
		}
	}
	return b
}

// deviating makes the outcome of a case that package xep decides by certain codes.
func deviating(codes ...xep.Code) func(*evidence) outcome {
	return func(e *evidence) outcome {
		if o, ok := e.payload.unusable(); ok {
			return o
		}
		var found []xep.Deviation
		for _, d := range e.payload.deviations {
			if slices.Contains(codes, d.Code) {
				found = append(found, d)
			}
		}
		if len(found) == 0 {
			return pass("")
		}
		o := fail("%s: %s", found[0].Path, found[0].Message)
		if n := len(found) - 1; n > 0 {
			o.message += fmt.Sprintf(" (and %d more)", n)
		}
		return o
	}
}

// unusable is the outcome of a case that needs to look into a payload which is not there or can't be read.
func (p *payloadEvidence) unusable() (outcome, bool) {
	switch {
	case p.missing != "":
		return skip("%s", p.missing), true
	case p.err != nil:
		return skip("the payload can't be read"), true
	}
	return outcome{}, false
}

func checkXML(e *evidence) outcome {
	p := &e.payload
	switch {
	case p.missing != "":
		return skip("%s", p.missing)
	case errors.Is(p.err, xep.ErrSyntax):
		return fail("%v", p.err)
	}
	return deviating(xep.CodeCharacters, xep.CodeExtensionXML, xep.CodeExtensionKnown)(&evidence{payload: payloadEvidence{
		deviations: p.deviations,
	}})
}

func checkElement(e *evidence) outcome {
	p := &e.payload
	switch {
	case errors.Is(p.err, xep.ErrNotServerInfo):
		return fail("%v", p.err)
	case errors.Is(p.err, xep.ErrLimit):
		return pass("")
	}
	if o, ok := p.unusable(); ok {
		return o
	}
	return pass("")
}

func checkSize(e *evidence) outcome {
	p := &e.payload
	switch {
	case p.missing != "":
		return skip("%s", p.missing)
	case errors.Is(p.err, xep.ErrLimit):
		return fail("%v", p.err)
	case p.size > MaxPayload:
		return fail("%d bytes are more than the %d that ejabberd takes", p.size, MaxPayload)
	case p.size > pubsub.DefaultMaxPayload:
		return pass("%d bytes, which is near the limit of %d: leave out the connections", p.size, MaxPayload)
	}
	return pass("%d bytes", p.size)
}

func checkOwnDomain(e *evidence) outcome {
	if errors.Is(e.payload.err, xep.ErrLimit) {
		// Readers won't go further than we do to look for it.
		return fail("no domain is found within what readers take: %v", e.payload.err)
	}
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	if len(e.payload.info.Domains) == 0 {
		return skip("the payload describes no domain at all")
	}
	var first xep.Name
	for _, d := range e.payload.info.Domains {
		name, err := xep.ParseName(d.Name)
		if err != nil {
			continue
		}
		if name == e.domain {
			return pass("%s", name)
		}
		if first.IsZero() {
			first = name
		}
	}
	switch {
	case first.IsZero():
		return skip("no domain of the payload has a usable name")
	case !e.domain.IsZero() && isRemote(e.payload.info, e.domain):
		return fail("%s is only a remote domain in the payload", e.domain)
	case !e.domain.IsZero():
		return fail("the payload does not describe %s", e.domain)
	}
	return pass("%s", first)
}

func isRemote(info *xep.ServerInfo, domain xep.Name) bool {
	for _, d := range info.Domains {
		if d.Federation == nil {
			continue
		}
		for _, r := range d.Federation.RemoteDomains {
			if name, err := xep.ParseName(r.Name); err == nil && name == domain {
				return true
			}
		}
	}
	return false
}

func checkSelf(e *evidence) outcome {
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	for i, d := range e.payload.info.Domains {
		own, err := xep.ParseName(d.Name)
		if err == nil && isRemote(&xep.ServerInfo{Domains: e.payload.info.Domains[i : i+1]}, own) {
			return fail("%s is listed as a peer of itself", own)
		}
	}
	return pass("")
}

func checkSeveral(e *evidence) outcome {
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	if n := len(e.payload.info.Domains); n > 1 {
		return pass("%d domains", n)
	}
	return none("no more than one domain")
}

func checkPeers(e *evidence) outcome {
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	named, unnamed := 0, 0
	for _, d := range e.payload.info.Domains {
		if d.Federation == nil {
			continue
		}
		for _, r := range d.Federation.RemoteDomains {
			if r.Name == "" {
				unnamed++
			} else {
				named++
			}
		}
	}
	if named+unnamed == 0 {
		return none("no peers")
	}
	return pass("%d named, %d unnamed", named, unnamed)
}

func checkExtensions(e *evidence) outcome {
	if o, ok := e.payload.unusable(); ok {
		return o
	}
	var spaces []string
	note := func(all []xep.Extension) {
		for _, x := range all {
			if !slices.Contains(spaces, x.Space) {
				spaces = append(spaces, x.Space)
			}
		}
	}
	info := e.payload.info
	note(info.Extensions)
	software := info.Software != nil
	users := false
	for _, d := range info.Domains {
		note(d.Extensions)
		software, users = software || d.Software != nil, users || d.ActiveUsers != nil
	}
	if software {
		spaces = append(spaces, xep.NSVersion)
	}
	if users {
		spaces = append(spaces, xep.NSUsers)
	}
	if len(spaces) == 0 {
		return none("no additional data")
	}
	slices.Sort(spaces)
	return pass("%s", strings.Join(spaces, ", "))
}
