package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// site is a domain with a node of its own.
type site struct {
	domain  string
	also    []string
	service jid.JID
	node    string
}

// locals are all domains of the operator's.
func (c *config) locals() []string { return slices.Concat([]string(c.domains), c.also) }

// sites are the nodes to publish on. Domains that share a service get nodes of different names.
func (c *config) sites() ([]site, error) {
	sites := make([]site, 0, len(c.domains))
	for _, d := range c.domains {
		s := site{domain: d, also: c.also, node: c.node}
		address := c.service
		if address == "" {
			address = "pubsub." + d
		}
		var err error
		if s.service, err = jid.Parse(address); err != nil {
			return nil, fmt.Errorf("-service %q: %w", address, err)
		}
		if s.node == "" {
			s.node = xep.DefaultNode
		}
		if c.service != "" && len(c.domains) > 1 {
			s.node += "/" + d
		}
		sites = append(sites, s)
	}
	return sites, nil
}

// newAdverts is what a server that delegates the feature to us gets for its domains.
// It is needed before there is a session, because the server asks as soon as there is one.
func newAdverts(c *config) ([]*optin.Advert, error) {
	contacts, err := c.contactFields()
	if err != nil {
		return nil, err
	}
	sites, err := c.sites()
	if err != nil {
		return nil, err
	}
	var adverts []*optin.Advert
	for _, s := range sites {
		for _, d := range slices.Concat([]string{s.domain}, s.also) {
			name, err := xep.ParseName(d)
			if err != nil {
				return nil, err
			}
			adverts = append(adverts, &optin.Advert{Domain: name, Node: xep.NodeURI{Service: s.service, Node: s.node}, Contacts: contacts})
		}
	}
	return adverts, nil
}

// activeUsers returns how the number of active users is learned, nil if it is not to be told.
func (c *config) activeUsers() func(context.Context) (uint64, error) {
	if command, ok := strings.CutPrefix(c.users, "exec:"); ok {
		return func(ctx context.Context) (uint64, error) { return readNumber(ctx, command) }
	}
	if c.users == "" {
		return nil
	}
	_, path, _ := strings.Cut(c.source, ":")
	return func(ctx context.Context) (uint64, error) {
		return report.ProsodySocket{Path: path}.ActiveUsers(ctx, c.domains[0])
	}
}

func (c *config) checkUsers() error {
	command, isExec := strings.CutPrefix(c.users, "exec:")
	switch {
	case c.users == "", isExec && strings.TrimSpace(command) != "":
		return nil
	case c.users == "prosody":
		if kind, _, _ := strings.Cut(c.source, ":"); kind != "prosody-socket" {
			return fmt.Errorf("-users prosody needs -source prosody-socket")
		}
		return nil
	}
	return fmt.Errorf("-users %q is neither prosody nor exec:CMD", c.users)
}

func readNumber(ctx context.Context, command string) (uint64, error) {
	out, err := output(ctx, command)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 53)
	if err != nil {
		return 0, fmt.Errorf("%s printed no number: %w", strings.Fields(command)[0], err)
	}
	return n, nil
}
