package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errCheck is a check that found something to do.
var errCheck = errors.New("there is something left to configure")

// trialSuffix makes the name of the node on which the check publishes.
const trialSuffix = "-check"

// checker prints a line for each step and what to do about those that fail.
type checker struct {
	w      io.Writer
	failed bool
}

func (k *checker) line(mark, what, got string) { fmt.Fprintf(k.w, "%s %-44s %s\n", mark, what, got) }

func (k *checker) ok(what, got string) { k.line("✔", what, got) }

// skip is for what could not be tried.
func (k *checker) skip(what, why string) { k.line("–", what, why) }

func (k *checker) fail(what string, err error, fix string) {
	k.failed = true
	k.line("✖", what, strings.ReplaceAll(err.Error(), "\n", "; "))
	for line := range strings.Lines(fix) {
		fmt.Fprintf(k.w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

func (k *checker) step(what, got string, err error, fix string) {
	if err != nil {
		k.fail(what, err, fix)
	} else {
		k.ok(what, got)
	}
}

// check tries every step. It creates and configures the nodes, publishes on a node of its own and removes that again.
func (p *program) check(ctx context.Context, w io.Writer) error {
	k := &checker{w: w}
	k.ok("connected", p.session.LocalAddr().String())
	known := p.checkSource(ctx, k)
	if p.providers != nil {
		err := p.providers.Load(ctx)
		k.step("list of providers", fmt.Sprintf("%d domains", p.providers.Len()), err, "")
	}
	for _, r := range p.reporters {
		brand, usable := k.node(ctx, p, r)
		k.trial(ctx, p, r, usable)
		for _, a := range r.Adverts() {
			k.advertised(ctx, p, a, brand)
		}
		k.server(ctx, r)
		k.peers(ctx, p, r, known)
	}
	if k.failed {
		return errCheck
	}
	return nil
}

func (p *program) checkSource(ctx context.Context, k *checker) bool {
	kind, _, _ := strings.Cut(p.source, ":")
	cs, err := p.reporters[0].Source.Connections(ctx)
	k.step("live connections from "+kind, fmt.Sprintf("%d", len(cs)), err, sourceRemedy(p.source, err))
	return err == nil
}

// node makes sure of the node, and reports whether one could publish.
func (k *checker) node(ctx context.Context, p *program, r *report.Reporter) (brand pubsub.Brand, usable bool) {
	what := "node " + r.Node + " on " + r.Service.String()
	node, err := (&pubsub.Publisher{Session: p.session, Service: r.Service, Node: r.Node}).Ensure(ctx)
	if err != nil {
		k.fail(what, err, remedy(err))
		return pubsub.UnknownBrand, false
	}
	got := "configured before"
	switch {
	case !node.Owned:
		err = errors.New("belongs to somebody else, so that publishing may be refused")
	case node.Created:
		got = "created"
	}
	k.step(what, got, err, forBrand(node.Brand, "Have its owner delete it, or make "+p.session.LocalAddr().Bare().String()+" an owner.", ""))
	for _, d := range node.Deviations {
		k.fail("    "+d.Field, errors.New(d.String()), "")
	}
	return node.Brand, true
}

// trial publishes an empty report on a node of its own, reads it back and deletes the node.
func (k *checker) trial(ctx context.Context, p *program, r *report.Reporter, usable bool) {
	const what = "trial publication"
	if !usable {
		k.skip(what, "needs the node")
		return
	}
	name, err := xep.ParseName(r.Domain)
	if err != nil {
		k.fail(what, err, "")
		return
	}
	payload, err := optin.Redact(name, nil, p.consent.Verdict, time.Now(), optin.CountNone).Payload()
	if err != nil {
		k.fail(what, err, "")
		return
	}
	trial := &pubsub.Publisher{Session: p.session, Service: r.Service, Node: r.Node + trialSuffix}
	err = trial.Publish(ctx, payload)
	if err == nil {
		_, err = pubsub.Fetch(ctx, p.session, r.Service, trial.Node)
	}
	removed := trial.Delete(ctx)
	if err != nil {
		k.fail(what, err, remedy(err))
		return
	}
	k.step(what, "published, read back and removed", removed, remedy(removed))
}

// advertised looks at the domain as everybody else does.
func (k *checker) advertised(ctx context.Context, p *program, a *optin.Advert, brand pubsub.Brand) {
	domain, self := a.Domain.Unicode(), p.session.LocalAddr().Bare().String()
	fill := func(s string) string { return fmt.Sprintf(s+"%[4]s", self, domain, a.Node, "") }
	loc, err := pubsub.Locate(ctx, p.session, a.Domain)
	if !loc.Advertised {
		if err == nil {
			err = fmt.Errorf("%s is not among its features", xep.NS)
		}
		fix := forBrand(brand, advertiseProsody, advertiseEjabberd)
		if p.component == "" {
			fix = forBrand(brand, advertiseProsodyUser, advertiseEjabberdUser)
		}
		k.fail(domain+" advertises", err, fill(fix))
		k.skip(domain+" points at the node", "needs the feature")
		return
	}
	k.ok(domain+" advertises", xep.NS)
	got := xep.NodeURI{Service: loc.Service, Node: loc.Node}
	if err == nil && !got.Equal(a.Node) && !loc.Service.Equal(jid.JID{}) {
		err = fmt.Errorf("points at %s", got)
	}
	k.step(domain+" points at the node", a.Node.String(), err, fill(forBrand(brand, formProsody, formEjabberd)))
}

// server asks what is to be told of the server itself.
func (k *checker) server(ctx context.Context, r *report.Reporter) {
	if r.Software != nil {
		s, err := r.Software(ctx)
		k.step("software of "+r.Domain, s.Name+" "+s.Version, err, "")
	}
	if r.Users != nil {
		n, err := r.Users(ctx)
		k.step("active users of "+r.Domain, fmt.Sprintf("%d", n), err, "")
	}
}

// peers asks the connected peers. That none of them answers is more likely our fault than theirs.
func (k *checker) peers(ctx context.Context, p *program, r *report.Reporter, known bool) {
	what := "peers of " + r.Domain
	if !known {
		k.skip(what, "needs the connections")
		return
	}
	c, err := r.Compose(ctx)
	if err != nil {
		k.fail(what, err, sourceRemedy(p.source, err))
		return
	}
	answered := 0
	for _, peer := range c.Peers {
		switch peer.Verdict.Reason() {
		case optin.Advertised, optin.NoFeature, optin.Revoked:
			answered++
		}
	}
	got := fmt.Sprintf("%d connected, %d answered, %d named", len(c.Peers), answered, len(c.Redacted.Names()))
	switch {
	case len(c.Peers) == 0:
		k.skip(what, "none is connected now")
	case answered == 0:
		k.fail(what, errors.New(got), fmt.Sprintf(noAnswersRemedy, p.session.LocalAddr().Domain()))
	default:
		k.ok(what, got)
	}
}
