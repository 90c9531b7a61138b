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

// pacer spaces the questions that go to one host.
type pacer struct {
	clock   Clock
	spacing time.Duration
	// limiter bounds what is in flight on a session that does not do so itself.
	limiter *roundtrip.Limiter

	mu    sync.Mutex
	free  map[string]time.Time // when the next question may go
	sweep int                  // how large free may grow before what is past is thrown away
}

func newPacer(clock Clock, spacing time.Duration) *pacer {
	return &pacer{
		clock:   clock,
		spacing: spacing,
		limiter: roundtrip.NewLimiter(0, 0),
		free:    make(map[string]time.Time),
		sweep:   1024,
	}
}

// wait returns when a question may go to a host, which it then counts as asked.
func (p *pacer) wait(ctx context.Context, host string, visit *time.Time) error {
	if p.spacing <= 0 {
		return ctx.Err()
	}
	delay, err := p.reserve(host, visit)
	if err != nil || delay <= 0 {
		return errors.Join(err, ctx.Err())
	}
	c, stop := p.clock.After(delay)
	defer stop()
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reserve takes the next free moment of both the host and the visit, so that the several hosts of one domain share its spacing.
func (p *pacer) reserve(host string, visit *time.Time) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	at := now
	for _, t := range []time.Time{p.free[host], *visit} {
		if t.After(at) {
			at = t
		}
	}
	if at.Sub(now) > maxPaceWait+p.spacing {
		return 0, errBusy
	}
	p.free[host] = at.Add(p.spacing)
	*visit = at.Add(p.spacing)
	p.forget(now)
	return at.Sub(now), nil
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

// paced returns a session for one visit, whose questions wait for their turn.
// It keeps the reply lane exactly where s has one, as that is found by type assertion.
func (p *pacer) paced(s Session) Session {
	ps := &pacedSession{session: s, pacer: p}
	if x, ok := s.(roundtrip.Exchanger); ok {
		return &pacedExchanger{pacedSession: ps, lane: x}
	}
	return ps
}

// pacedSession is used by one visit, which asks one question at a time.
type pacedSession struct {
	session Session
	pacer   *pacer
	next    time.Time
}

// SendIQElement implements Session.
func (s *pacedSession) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return s.session.SendIQElement(ctx, payload, iq)
}

// AcquireIQ implements [roundtrip.Limited], because what is waited for there is not counted as the time of an answer.
func (s *pacedSession) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	if err := s.pacer.wait(ctx, to.Domainpart(), &s.next); err != nil {
		return nil, err
	}
	if l, ok := s.session.(roundtrip.Limited); ok {
		return l.AcquireIQ(ctx, to)
	}
	return s.pacer.limiter.AcquireIQ(ctx, to)
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
