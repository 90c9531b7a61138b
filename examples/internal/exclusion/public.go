package exclusion

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Public returns what a database shows to anybody, without what is excluded by the list and not by the database itself.
func (l *List) Public(p store.Public) store.Public { return public{p, l} }

type public struct {
	store.Public
	list *List
}

// Live implements [store.Public].
func (p public) Live(ctx context.Context) iter.Seq2[graph.Report, error] {
	return func(yield func(graph.Report, error) bool) {
		for r, err := range p.Public.Live(ctx) {
			if err == nil && p.list.Has(r.Domain) {
				continue
			}
			if !yield(*p.list.Redact(&r), err) {
				return
			}
		}
	}
}

// Moment implements [store.Public].
func (p public) Moment(ctx context.Context, at time.Time) (*store.Moment, error) {
	m, err := p.Public.Moment(ctx, at)
	if err != nil {
		return nil, err
	}
	m.Domains = slices.DeleteFunc(m.Domains, func(d store.Domain) bool { return p.list.Has(d.Name) })
	m.Links = slices.DeleteFunc(m.Links, func(l store.Link) bool { return p.list.Has(l.A) || p.list.Has(l.B) })
	return m, nil
}

// Past implements [store.Public].
func (p public) Past(ctx context.Context, name xep.Name) (*store.Past, error) {
	if p.list.Has(name) {
		return nil, store.ErrNotFound
	}
	past, err := p.Public.Past(ctx, name)
	if err != nil {
		return nil, err
	}
	past.Links = slices.DeleteFunc(past.Links, func(l store.LinkInterval) bool { return p.list.Has(l.Peer) })
	return past, nil
}
