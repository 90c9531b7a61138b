package connect

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// closeWait is how long the server may take to close its side of the stream.
const closeWait = time.Second

// Session is a connection that is made again whenever it is lost.
//
// All methods are safe for concurrent use.
type Session struct {
	cfg      Config
	ns       string
	connect  connector
	counters counters
	log      quietLog
	limiter  *roundtrip.Limiter

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	done     chan struct{}
	handlers sync.WaitGroup
	handling sync.Mutex // held while the handler runs, which an earlier connection's may still do

	mu     sync.Mutex
	link   *link         // nil while disconnected
	change chan struct{} // closed when link or err changes
	local  jid.JID
	err    error // why the session has ended
	hooks  []*hook
	closed bool
}

// connector makes one connection.
type connector func(context.Context, *Config) (*negotiation, error)

// start makes the first connection, and then a session that keeps it.
func start(ctx context.Context, cfg Config, ns string, connect connector) (*Session, error) {
	s := &Session{
		cfg: cfg, ns: ns, connect: connect,
		log:     quietLog{logger: cfg.Logger},
		limiter: roundtrip.NewLimiter(cfg.MaxInFlight, cfg.MaxInFlightPerDomain),
		done:    make(chan struct{}),
		change:  make(chan struct{}),
		local:   cfg.JID,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	l, err := s.dial(ctx)
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.set(l, nil)
	go s.supervise(l)
	return s, nil
}

// dial makes one connection and serves it.
func (s *Session) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	n, err := s.connect(ctx, &s.cfg)
	if err != nil {
		return nil, err
	}
	l, err := newLink(s, n)
	if err != nil {
		_ = n.w.conn.Close()
		return nil, err
	}
	s.counters.add(cConnects)
	return l, nil
}

// supervise replaces lost connections until the session is closed or nothing can be done without a human.
func (s *Session) supervise(l *link) {
	defer close(s.done)
	for attempt := 0; ; {
		<-l.ctx.Done()
		l.unhook() // or else every connection would stay in memory until the session ends
		s.set(nil, nil)
		l.work.Wait()
		// A server that answers the end of our stream with the end of its own has not been lost.
		if s.ctx.Err() != nil || s.closing() {
			break
		}
		s.counters.add(cLosses)
		s.cfg.Logger.Warn("connection lost", "address", l.local, "error", l.err)
		if time.Since(l.born) > s.cfg.MaxBackoff {
			attempt = 0
		}
		next, err := s.reconnect(&attempt)
		if err != nil {
			s.cfg.Logger.Error("connection given up", "error", err)
			s.set(nil, err)
			break
		}
		if next == nil {
			break
		}
		l = next
		s.cfg.Logger.Info("connected again", "address", l.local)
		s.set(l, nil)
	}
	s.cancel()
	s.handlers.Wait()
}

// reconnect tries until it succeeds, the session is closed (nil, nil), or trying again would do harm.
func (s *Session) reconnect(attempt *int) (*link, error) {
	for {
		timer := time.NewTimer(backoff(s.cfg.MinBackoff, s.cfg.MaxBackoff, *attempt))
		*attempt++
		select {
		case <-s.ctx.Done():
			timer.Stop()
			return nil, nil
		case <-timer.C:
		}
		l, err := s.dial(s.ctx)
		switch {
		case err == nil:
			return l, nil
		case s.ctx.Err() != nil:
			return nil, nil
		case permanent(err):
			return nil, err
		}
		s.counters.add(cFailures)
		s.cfg.Logger.Warn("cannot connect", "error", err, "attempt", *attempt)
	}
}

// backoff returns a pause that doubles with each attempt, give or take half of it: after an outage, not all may come back
// at once.
func backoff(min, max time.Duration, attempt int) time.Duration {
	d := max
	if attempt < 30 && min<<attempt < max && min<<attempt > 0 {
		d = min << attempt
	}
	return d/2 + time.Duration(rand.Int64N(int64(d)))
}

// set changes the current connection and wakes those that wait for one.
func (s *Session) set(l *link, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.err = l, err
	close(s.change)
	s.change = make(chan struct{})
	if l == nil {
		return
	}
	s.local = l.local
	for _, h := range s.hooks {
		s.handlers.Go(func() { h.run(l.ctx, s.cfg.Logger) })
	}
}

// hook is what is called for every connection.
type hook struct {
	mu sync.Mutex
	f  func(context.Context)
}

// run calls the hook unless the connection has ended while a call for an earlier one was still busy.
func (h *hook) run(ctx context.Context, logger *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			logger.Error("OnConnect function failed", "error", printable(fmt.Sprint("panic: ", p), maxLoggedError), "stack", string(debug.Stack()))
		}
	}()
	h.f(ctx)
}

// current returns the connection, and waits for one until ctx ends.
func (s *Session) current(ctx context.Context) (*link, error) {
	for {
		s.mu.Lock()
		l, change, err, closed := s.link, s.change, s.err, s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return nil, ErrClosed
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrDisconnected, err)
		case l != nil && l.ctx.Err() == nil:
			return l, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-change:
		case <-s.ctx.Done():
		}
	}
}

// OnConnect calls f in a goroutine of its own now, if there is a connection, and again after every later one.
//
// What a server forgets with the connection, such as presence, belongs here.
// The context ends with the connection, and f must return soon after: its calls do not overlap.
// If it panics, that is logged.
func (s *Session) OnConnect(f func(ctx context.Context)) {
	h := &hook{f: f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, h)
	if l := s.link; l != nil && !s.closed {
		s.handlers.Go(func() { h.run(l.ctx, s.cfg.Logger) })
	}
}

// ExchangeIQ sends a request and returns the reply as bytes, which are the caller's own.
//
// Payload is the child element of the iq.
// While there is no connection, it waits for one.
// It fails with an error that wraps [ErrDisconnected] when the connection ends before the reply, with the error of ctx, and
// with an error about the reply that was dropped.
// The reply's sender is the request's addressee; nothing else about it has been checked.
func (s *Session) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	if err := wellFormed(payload); err != nil {
		return nil, err
	}
	l, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	return l.exchange(ctx, iq, payload)
}

// AcquireIQ waits for leave to have one more request in flight, see [Config.MaxInFlight].
// This module's roles call it; those who call ExchangeIQ themselves may.
func (s *Session) AcquireIQ(ctx context.Context, to jid.JID) (release func(), err error) {
	return s.limiter.AcquireIQ(ctx, to)
}

// SendIQElement sends an IQ and returns its reply, which the caller closes; an IQ that is a reply itself has none.
// The reply is held in memory, so that a slow caller delays nobody.
func (s *Session) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	switch iq.Type {
	case stanza.GetIQ, stanza.SetIQ, "":
	default:
		return nil, s.Send(ctx, iq.Wrap(payload))
	}
	if iq.Type == "" {
		iq.Type = stanza.GetIQ
	}
	b, err := roundtrip.AppendElement(nil, payload, s.cfg.MaxSend)
	if err != nil {
		return nil, fmt.Errorf("connect: payload to send: %w", err)
	}
	raw, err := s.ExchangeIQ(ctx, iq, b)
	if err != nil {
		return nil, err
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = s.ns
	return nopCloser{d}, nil
}

// wellFormed refuses a payload that would break the stream.
func wellFormed(b []byte) error {
	s := xmlscan.New(b, xmlscan.Limits{})
	for s.Next() {
	}
	if s.Err() != nil {
		return fmt.Errorf("connect: payload to send: %w", s.Err())
	}
	return nil
}

type nopCloser struct{ xml.TokenReader }

func (nopCloser) Close() error { return nil }

// Send sends the first element that r yields, such as a message or presence.
// Nothing is sent if r fails or yields something malformed.
// While there is no connection, it waits for one; that it returned nil does not mean that the stanza has arrived.
func (s *Session) Send(ctx context.Context, r xml.TokenReader) error {
	b, err := roundtrip.AppendElement(nil, r, s.cfg.MaxSend)
	if err != nil {
		return fmt.Errorf("connect: stanza to send: %w", err)
	}
	l, err := s.current(ctx)
	if err != nil {
		return err
	}
	return l.send(ctx, b)
}

// LocalAddr returns the session's address: with the resource that the server gave to a client.
func (s *Session) LocalAddr() jid.JID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.local
}

// Counters returns what the session has counted so far.
func (s *Session) Counters() Counters { return s.counters.snapshot() }

// InFlight returns the number of requests in flight that have leave, see [Session.AcquireIQ].
func (s *Session) InFlight() int { return s.limiter.InFlight() }

// Connected reports whether there is a connection now.
func (s *Session) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link != nil
}

// Done is closed when the session has ended for good: after Close, or when reconnecting makes no sense any more.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session has ended, nil before it has.
func (s *Session) Err() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return ErrClosed
}

// Close ends the session and waits for its goroutines, those that run the handler and the hooks included; so it must not
// be called from there.
// Requests in flight fail with an error that wraps [ErrDisconnected].
func (s *Session) Close() error {
	s.mu.Lock()
	l := s.link
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first && l != nil && l.out.tryAdd([]byte("</stream:stream>")) {
		timer := time.NewTimer(closeWait)
		select {
		case <-l.ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	s.cancel()
	<-s.done
	return nil
}

// closing reports whether Close was called.
func (s *Session) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
