package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errCheck is a check that found something to do.
var errCheck = errors.New("there is something left to configure")

const advertiseRemedy = `The domain itself has to advertise urn:xmpp:serverinfo:0.
Prosody: load mod_delegation of the community modules on the VirtualHost and on  Component "%[1]s" , and add to the VirtualHost
    delegations = { ["urn:xmpp:serverinfo:0"] = { jid = "%[1]s" } }
ejabberd: add
    acl:           {reporter: {server: "%[1]s"}}
    access_rules:  {reporter: {allow: reporter}}
    modules:       {mod_delegation: {namespaces: {"urn:xmpp:serverinfo:0": {access: reporter}}}}`

const formRemedy = `ejabberd: add to mod_disco
    server_info: [{modules: [mod_disco], name: serverinfo-pubsub-node, urls: ["%s"]}]`

// checker prints a line for each step and what to do about those that fail.
type checker struct {
	w      io.Writer
	failed bool
}

func (k *checker) step(what, got string, err error, fix string) {
	mark := "✔"
	if err != nil {
		mark, got, k.failed = "✖", err.Error(), true
	}
	fmt.Fprintf(k.w, "%s %-44s %s\n", mark, what, got)
	if err == nil || fix == "" {
		return
	}
	for line := range strings.Lines(fix) {
		fmt.Fprintf(k.w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

// check tries every step. It creates and configures the node, but publishes nothing.
func check(ctx context.Context, c *config, s *connect.Session, r *report.Reporter, w io.Writer) error {
	k := &checker{w: w}
	k.step("connected", s.LocalAddr().String(), nil, "")
	cs, err := r.Source.Connections(ctx)
	k.step("live connections from "+strings.SplitN(c.source, ":", 2)[0], fmt.Sprintf("%d", len(cs)), err, remedy(err))
	k.node(ctx, s, r)
	for _, d := range append([]string{c.domain}, c.also...) {
		k.advertised(ctx, s, d, r.Advert().Node)
	}
	if k.failed {
		return errCheck
	}
	return nil
}

func (k *checker) node(ctx context.Context, s pubsub.Session, r *report.Reporter) {
	p := &pubsub.Publisher{Session: s, Service: r.Service, Node: r.Node}
	node, err := p.Ensure(ctx)
	if err != nil {
		k.step("node "+r.Node+" on "+r.Service.String(), "", err, remedy(err))
		return
	}
	got := "configured before"
	if node.Created {
		got = "created"
	}
	if !node.Owned {
		err = errors.New("belongs to somebody else, so that publishing may be refused")
	}
	k.step("node "+node.Node+" on "+node.Service.String(), got, err, "")
	for _, d := range node.Deviations {
		k.step("    "+d.Field, "", errors.New(d.String()), "")
	}
}

// advertised looks at the domain as everybody else does.
func (k *checker) advertised(ctx context.Context, s *connect.Session, domain string, want xep.NodeURI) {
	name, err := xep.ParseName(domain)
	if err != nil {
		k.step(domain+" advertises", "", err, "")
		return
	}
	loc, err := pubsub.Locate(ctx, s, name)
	if !loc.Advertised {
		k.step(domain+" advertises", "", err, fmt.Sprintf(advertiseRemedy, s.LocalAddr().Bare()))
		return
	}
	k.step(domain+" advertises", xep.NS, nil, "")
	got := xep.NodeURI{Service: loc.Service, Node: loc.Node}
	if err == nil && !got.Equal(want) && !loc.Service.Equal(jid.JID{}) {
		err = fmt.Errorf("points at %s", got)
	}
	k.step(domain+" points at "+want.String(), "", err, fmt.Sprintf(formRemedy, want))
}
