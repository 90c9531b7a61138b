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

// Limiter bounds the number of requests in flight, in all and for each domain.
type Limiter struct {
	total chan struct{}
	each  int

	mu      sync.Mutex
	domains map[string]*domainSlots
}

type domainSlots struct {
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
	return &Limiter{total: make(chan struct{}, total), each: perDomain, domains: make(map[string]*domainSlots)}
}

// AcquireIQ implements [Limited].
//
// A domain's own slot comes first: requests that wait for a silent domain hold nothing that others need.
func (l *Limiter) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	key := to.Domainpart()
	d := l.enter(key)
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		l.leave(key, d)
		return nil, ctx.Err()
	}
	select {
	case l.total <- struct{}{}:
	case <-ctx.Done():
		<-d.slots
		l.leave(key, d)
		return nil, ctx.Err()
	}
	return func() {
		<-l.total
		<-d.slots
		l.leave(key, d)
	}, nil
}

// InFlight returns the number of requests that have leave now.
func (l *Limiter) InFlight() int { return len(l.total) }

func (l *Limiter) enter(key string) *domainSlots {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.domains[key]
	if d == nil {
		d = &domainSlots{slots: make(chan struct{}, l.each)}
		l.domains[key] = d
	}
	d.users++
	return d
}

func (l *Limiter) leave(key string, d *domainSlots) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.users--; d.users == 0 {
		delete(l.domains, key)
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
