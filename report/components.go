package report

import (
	"context"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/xep"
)

// components returns the services that the local domains list in their disco#items, such as chat rooms and pubsub.
//
// Only those below a local domain count: servers also list services of others, and with these they do federate.
// A domain that does not answer lists none.
func (s *setup) components(ctx context.Context, session Session) []xep.Name {
	var found []xep.Name
	for _, local := range s.locals {
		to, err := local.JID()
		if err != nil {
			continue
		}
		items, err := disco.GetItems(ctx, session, to, "")
		if err != nil {
			continue
		}
		for _, it := range items {
			if name, ok := bareDomain(it.JID); ok && s.below(name) {
				found = append(found, name)
			}
		}
	}
	return found
}

func bareDomain(address string) (xep.Name, bool) {
	j, err := jid.Parse(address)
	if err != nil || j.Localpart() != "" || j.Resourcepart() != "" {
		return xep.Name{}, false
	}
	name, err := xep.NameOf(j)
	return name, err == nil
}

func (s *setup) below(name xep.Name) bool {
	return slices.ContainsFunc(s.locals, func(local xep.Name) bool {
		return strings.HasSuffix(name.String(), "."+local.String())
	})
}

// leaveOut adds the domains' own components to what is left out, if they could be learned.
// What was learned once stays: a component that is down for a while is no stranger when it comes back.
func (s *setup) leaveOut(found []xep.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range found {
		if !s.omit.Has(name) {
			s.omitted = append(s.omitted, name)
		}
	}
	if len(found) > 0 {
		s.omit.Replace(s.omitted)
	}
}
