package crawl

import (
	"context"
	"encoding/xml"
	"errors"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// maxPaceWait bounds how long a question waits for its turn.
// A longer queue before one host is better slept out on the frontier than in a slot that others could use.
const maxPaceWait = 15 * time.Second

// errBusy is a host that so many visits want to ask that this one had better come back later.
var errBusy = errors.New("too many questions wait for the same host")

// pacer spaces the questions that go to one host, and all of them.
type pacer struct {
	clock   Clock
	spacing time.Duration
	// every is the time between two questions to anybody, 0 for none.
	every time.Duration
	// limiter bounds what is in flight on a session that does not do so itself.
	limiter *roundtrip.Limiter

	mu sync.Mutex
	// crawlers is how many crawlers may ask a host that serves several domains.
	crawlers int
	free     map[string]time.Time // when the next question may go
	sweep    int                  // how large free may grow before what is past is thrown away
	total    time.Time            // when the next question to anybody may go
}

// newPacer returns a pacer; rate is the number of questions per second, without a limit if it is not positive.
func newPacer(clock Clock, spacing time.Duration, rate float64) *pacer {
	p := &pacer{
		clock:    clock,
		spacing:  spacing,
		limiter:  roundtrip.NewLimiter(0, 0),
		crawlers: 1,
		free:     make(map[string]time.Time),
		sweep:    1024,
	}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// divide says how many crawlers there are. Each asks such a host the less often the more they are, so that all together keep to the spacing.
func (p *pacer) divide(crawlers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crawlers = max(crawlers, 1)
}

// turn is when the next question of one visit may go, and whom it visits: nobody else does so at the time.
type turn struct {
	domain string
	next   time.Time
}

type turnKey struct{}

// withTurn makes all that is asked under a context share one spacing, for the visit of a domain.
func withTurn(ctx context.Context, domain string) context.Context {
	return context.WithValue(ctx, turnKey{}, &turn{domain: domain})
}

// wait returns when a question may go to a host, which it then counts as asked.
func (p *pacer) wait(ctx context.Context, host string) error {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok {
		t = new(turn)
	}
	if p.spacing > 0 {
		delay, err := p.reserve(host, t)
		if err != nil {
			return err
		}
		if err := p.sleep(ctx, delay); err != nil {
			return err
		}
	}
	if p.every > 0 {
		return p.sleep(ctx, p.reserveAny())
	}
	return ctx.Err()
}

func (p *pacer) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	c, stop := p.clock.After(d)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve takes the next free moment of both the host and the visit, so that the several hosts of one domain share its spacing.
func (p *pacer) reserve(host string, t *turn) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, spacing := p.clock.Now(), p.spacing
	if host != t.domain {
		spacing *= time.Duration(p.crawlers)
	}
	at := now
	for _, free := range []time.Time{p.free[host], t.next} {
		if free.After(at) {
			at = free
		}
	}
	if at.Sub(now) > maxPaceWait+spacing {
		return 0, errBusy
	}
	p.free[host] = at.Add(spacing)
	t.next = at.Add(p.spacing)
	p.forget(now)
	return at.Sub(now), nil
}

// reserveAny takes the next free moment of all hosts.
// After a pause a few questions may go at once, so that what was not sent is not lost for good.
func (p *pacer) reserveAny() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if earliest := now.Add(-time.Second / 4); p.total.Before(earliest) {
		p.total = earliest
	}
	at := p.total
	p.total = at.Add(p.every)
	return at.Sub(now)
}

// forget throws away hosts whose turn is past, whenever their number has doubled.
func (p *pacer) forget(now time.Time) {
	if len(p.free) < p.sweep {
		return
	}
	for h, t := range p.free {
		if !t.After(now) {
			delete(p.free, h)
		}
	}
	p.sweep = max(1024, 2*len(p.free))
}

// paced returns a session whose questions wait for their turn.
// It keeps the reply lane exactly where s has one, as that is found by type assertion.
func (p *pacer) paced(s Session) Session {
	ps := &pacedSession{session: s, pacer: p}
	if x, ok := s.(roundtrip.Exchanger); ok {
		return &pacedExchanger{pacedSession: ps, lane: x}
	}
	return ps
}

// pacedSession is shared by all visits, whose contexts tell them apart.
type pacedSession struct {
	session Session
	pacer   *pacer
}

// SendIQElement implements Session.
func (s *pacedSession) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return s.session.SendIQElement(ctx, payload, iq)
}

// AcquireIQ implements [roundtrip.Limited], because what is waited for there is not counted as the time of an answer.
//
// A visit whose time ends there was held up by us: the error says so, and the domain is not blamed.
func (s *pacedSession) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	err = s.pacer.wait(ctx, to.Domainpart())
	if err == nil {
		release, err = s.limited().AcquireIQ(ctx, to)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errBusy
	}
	return release, err
}

func (s *pacedSession) limited() roundtrip.Limited {
	if l, ok := s.session.(roundtrip.Limited); ok {
		return l
	}
	return s.pacer.limiter
}

// LocalAddr is the session's own address, zero where it does not tell.
func (s *pacedSession) LocalAddr() jid.JID {
	if a, ok := s.session.(interface{ LocalAddr() jid.JID }); ok {
		return a.LocalAddr()
	}
	return jid.JID{}
}

type pacedExchanger struct {
	*pacedSession
	lane roundtrip.Exchanger
}

// ExchangeIQ implements [roundtrip.Exchanger].
func (s *pacedExchanger) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	return s.lane.ExchangeIQ(ctx, iq, payload)
}
