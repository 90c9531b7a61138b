package roundtrip

import (
	"context"
	"sync"

	"mellium.im/xmpp/jid"
)

// The defaults of [NewLimiter].
const (
	DefaultTotal     = 1024
	DefaultPerDomain = 16
)

// shareOfSite is which part of all requests in flight may go to the domains of one site: 1/8.
const shareOfSite = 8

// Limiter bounds the number of requests in flight, in all, for each domain and for each [Site].
type Limiter struct {
	total      chan struct{}
	each, site int

	mu   sync.Mutex
	gate map[gateKey]*gate
}

type gateKey struct {
	site bool
	name string
}

// gate is the limit of one domain or site.
type gate struct {
	key   gateKey
	slots chan struct{}
	users int // holders and waiters
}

// NewLimiter returns a limiter; a number that is not positive means its default.
func NewLimiter(total, perDomain int) *Limiter {
	if total <= 0 {
		total = DefaultTotal
	}
	if perDomain <= 0 {
		perDomain = DefaultPerDomain
	}
	return &Limiter{
		total: make(chan struct{}, total), each: perDomain, site: max(total/shareOfSite, perDomain), gate: make(map[gateKey]*gate),
	}
}

// AcquireIQ implements [Limited].
//
// A domain's own slot comes first: requests that wait for a silent domain hold nothing that others need, nor do those that
// wait for its site.
func (l *Limiter) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	domain := to.Domainpart()
	site, _ := Site(domain)
	gates := [2]*gate{l.enter(gateKey{name: domain}, l.each), l.enter(gateKey{site: true, name: site}, l.site)}
	held := 0
	leave := func() {
		for i, g := range gates {
			if i < held {
				<-g.slots
			}
			l.leave(g)
		}
	}
	for _, g := range gates {
		select {
		case g.slots <- struct{}{}:
			held++
		case <-ctx.Done():
			leave()
			return nil, ctx.Err()
		}
	}
	select {
	case l.total <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
	return func() {
		<-l.total
		leave()
	}, nil
}

// InFlight returns the number of requests that have leave now.
func (l *Limiter) InFlight() int { return len(l.total) }

func (l *Limiter) enter(key gateKey, size int) *gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gate[key]
	if g == nil {
		g = &gate{key: key, slots: make(chan struct{}, size)}
		l.gate[key] = g
	}
	g.users++
	return g
}

func (l *Limiter) leave(g *gate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(l.gate, g.key)
	}
}

// shared limits the sessions that have no limit of their own.
var shared = NewLimiter(0, 0)

func acquire(ctx context.Context, s Session, to jid.JID) (func(), error) {
	if l, ok := s.(Limited); ok {
		return l.AcquireIQ(ctx, to)
	}
	return shared.AcquireIQ(ctx, to)
}
