package report

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/optin"
)

// Handle returns an option that answers disco#info for the domains of several reporters, see [optin.Handle].
func Handle(reporters ...*Reporter) mux.Option {
	var adverts []*optin.Advert
	for _, r := range reporters {
		adverts = append(adverts, r.Adverts()...)
	}
	return optin.Handle(adverts...)
}

// RunAll runs several reporters until ctx ends, and returns when all have ended.
//
// That is for a server with several virtual hosts of which each has a node of its own, rather than [Reporter.Also].
// They may share a Session, a Consent, so that each peer is asked once, and a Source, which must then say the local domain of
// each of its connections.
// A node or a local domain that two of them have is an error, because they would replace each other's item.
// The error joins what each of them returns.
func RunAll(ctx context.Context, reporters ...*Reporter) error {
	if err := disjoint(reporters); err != nil {
		return err
	}
	errs := make([]error, len(reporters))
	var wg sync.WaitGroup
	for i, r := range reporters {
		wg.Go(func() { errs[i] = r.Run(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func disjoint(reporters []*Reporter) error {
	nodes, domains := make(map[string]bool), make(map[string]bool)
	for _, r := range reporters {
		s, err := r.prepare()
		if err != nil {
			return err
		}
		node := s.publisher.URI().String()
		if nodes[node] {
			return fmt.Errorf("report: two reporters for the node %s", node)
		}
		nodes[node] = true
		for _, d := range s.locals {
			if domains[d.String()] {
				return fmt.Errorf("report: two reporters for the domain %s", d)
			}
			domains[d.String()] = true
		}
	}
	return nil
}
