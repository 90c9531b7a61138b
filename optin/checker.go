package optin

import (
	"context"
	"encoding/xml"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Session carries the questions of a [Checker].
//
// *xmpp.Session and *connect.Session have the method, and so can a server's own router.
// It must be safe for concurrent use and give up when ctx ends.
type Session interface {
	SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error)
}

// The defaults of [Checker].
const (
	DefaultInFlight   = 32
	DefaultMaxEntries = 100_000
)

// Checker finds out who may be named, and remembers it.
//
// Only Session is required. The fields must not be changed after the first call.
// All methods are safe for concurrent use. It starts no goroutines: a probe runs in the call of [Checker.Check] that
// needs it first, and the others wait for that one.
type Checker struct {
	// Session carries the questions.
	Session Session
	// Policy is what the operator adds to the rule of the XEP, nothing by default.
	Policy Policy
	// NamedTTL and UnnamedTTL are how long a yes and a no hold, [DefaultNamedTTL] and [DefaultUnnamedTTL] if zero.
	// Each verdict's life is shortened at random by up to a tenth, so that not all of them lapse at once.
	NamedTTL, UnnamedTTL time.Duration
	// Timeout bounds one probe, 30 s if zero.
	Timeout time.Duration
	// InFlight bounds how many probes run at a time, [DefaultInFlight] if zero.
	InFlight int
	// MaxEntries bounds how many verdicts are remembered, [DefaultMaxEntries] if zero.
	MaxEntries int
	// Now is the clock, nil means time.Now.
	Now func() time.Time
	// Jitter returns numbers in [0, 1), nil means a random source.
	Jitter func() float64

	mu      sync.Mutex
	entries map[xep.Name]*entry
	slots   chan struct{}
	losses  map[chan struct{}]struct{}
	asked   atomic.Uint64
}

// entry is what is known of a domain.
type entry struct {
	verdict Verdict
	// due is when to ask again, which for a yes is well before it lapses.
	due time.Time
	// flight is the probe that runs now, nil if there is none.
	flight *flight
}

// flight is one probe for which others wait.
type flight struct {
	done chan struct{}
	// verdict and settled may be read once done is closed. Unsettled is a probe whose caller gave up.
	verdict Verdict
	settled bool
}

func (c *Checker) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// lives returns how long verdicts made now shall hold.
func (c *Checker) lives() lives {
	jitter := rand.Float64
	if c.Jitter != nil {
		jitter = c.Jitter
	}
	shorten := func(d, otherwise time.Duration) time.Duration {
		if d <= 0 {
			d = otherwise
		}
		return d - time.Duration(jitter()*float64(d)/10)
	}
	return lives{shorten(c.NamedTTL, DefaultNamedTTL), shorten(c.UnnamedTTL, DefaultUnnamedTTL)}
}

// Check returns the verdict on a domain, asking the domain if none is at hand or the one at hand nears its end.
//
// It returns when the verdict is known, the probe has timed out or ctx has ended.
// In the last case it returns the verdict from before, which may have lapsed: [Verdict.Named] is what counts.
func (c *Checker) Check(ctx context.Context, name xep.Name) Verdict {
	for {
		v, wait, lead := c.join(name)
		switch {
		case wait == nil:
			return v
		case lead:
			return c.lead(ctx, name, wait)
		}
		select {
		case <-wait.done:
			if wait.settled {
				return wait.verdict
			}
			// The caller who ran the probe gave up, and this one didn't.
		case <-ctx.Done():
			return v
		}
	}
}

// Verdict returns what is remembered of a domain without asking anybody.
// It is a verdict that names nobody if nothing is.
func (c *Checker) Verdict(name xep.Name) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.recall(name)
	return v
}

// Record makes the verdict on evidence that was gathered elsewhere, and remembers it as if it had been its own.
func (c *Checker) Record(e Evidence) Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record(e)
}

// Forget drops what is remembered of a domain, so that the next check asks it.
func (c *Checker) Forget(name xep.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[name]; e != nil {
		e.verdict, e.due = Verdict{}, time.Time{}
	}
}

// Losses returns a channel that receives something after domains have lost their consent, until stop is called.
//
// That is for those who have published names and must take them back at once.
// It tells of answers, whoever asked; that a verdict lapses can be foreseen by its [Verdict.Until].
func (c *Checker) Losses() (losses <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.losses == nil {
		c.losses = make(map[chan struct{}]struct{})
	}
	c.losses[ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.losses, ch)
	}
}

// lost tells those who asked for it. Who has not looked yet since the last time is told once. The lock is held.
func (c *Checker) lost() {
	for ch := range c.losses {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// join returns the verdict at hand, and the probe to wait for or to lead if that is not good enough.
func (c *Checker) join(name xep.Name) (v Verdict, wait *flight, lead bool) {
	if name.IsZero() {
		return Verdict{}, nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v, fresh := c.recall(name)
	if fresh {
		return v, nil, false
	}
	if c.policyDecides(name) {
		return c.record(Evidence{Domain: name}), nil, false
	}
	e := c.entry(name)
	if e.flight != nil {
		return v, e.flight, false
	}
	e.flight = &flight{done: make(chan struct{})}
	return v, e.flight, true
}

// policyDecides reports whether asking the domain can't change the verdict.
// A listed domain is still asked: that it advertises is the better reason.
func (c *Checker) policyDecides(name xep.Name) bool {
	return has(c.Policy.Excluded, name) || has(c.Policy.Own, name) || !name.Addressable()
}

// recall returns the remembered verdict and whether it still needs no refresh.
// What the policy says is looked at every time, so that an exclusion works at once.
func (c *Checker) recall(name xep.Name) (v Verdict, fresh bool) {
	e, at := c.entries[name], c.now()
	if e != nil {
		v = e.verdict
	}
	excluded := has(c.Policy.Excluded, name)
	switch {
	case excluded && v.reason != Excluded:
		return decide(v, Evidence{Domain: name}, c.Policy, c.lives(), at), false
	case !excluded && v.reason == Excluded,
		v.reason == Own && !has(c.Policy.Own, name),
		v.reason == Listed && !has(c.Policy.Listed, name):
		return Verdict{}, false
	case !v.reason.consents() && v.reason != Excluded && has(c.Policy.Listed, name):
		// A list that was loaded or has grown since then counts at once.
		return v, false
	}
	return v, v.live(at) && at.Before(e.due)
}

// entry returns the entry of a name and makes one if need be. The lock is held.
func (c *Checker) entry(name xep.Name) *entry {
	if e := c.entries[name]; e != nil {
		return e
	}
	if c.entries == nil {
		c.entries = make(map[xep.Name]*entry)
	}
	c.evict()
	e := &entry{}
	c.entries[name] = e
	return e
}

// evict makes room for one more entry: first the lapsed go, then any. Who is forgotten is asked again.
func (c *Checker) evict() {
	most := c.MaxEntries
	if most <= 0 {
		most = DefaultMaxEntries
	}
	if len(c.entries) < most {
		return
	}
	at := c.now()
	for name, e := range c.entries {
		if e.flight == nil && !e.verdict.live(at) {
			delete(c.entries, name)
		}
	}
	for name, e := range c.entries {
		// Down to nine tenths, so that not every new name walks the whole table.
		if len(c.entries) < most-most/10 || len(c.entries) == 0 {
			return
		}
		if e.flight == nil {
			delete(c.entries, name)
		}
	}
}

// record decides and remembers. The lock is held.
func (c *Checker) record(ev Evidence) Verdict {
	if ev.Domain.IsZero() {
		return Verdict{}
	}
	e, at := c.entry(ev.Domain), c.now()
	before := e.verdict
	v := decide(before, ev, c.Policy, c.lives(), at)
	e.verdict = v
	if before.Named(at) && !v.Named(at) {
		c.lost()
	}
	switch {
	case v == before:
		// A refresh failed. Try again a few times before the verdict lapses.
		e.due = at.Add(c.lives().unnamed / 3)
	case v.reason.consents():
		e.due = at.Add(v.until.Sub(at) * 3 / 4)
	default:
		e.due = v.until
	}
	return v
}

// lead runs the probe for which others wait, and ends the wait whatever happens.
func (c *Checker) lead(ctx context.Context, name xep.Name, f *flight) Verdict {
	defer func() {
		c.mu.Lock()
		if e := c.entries[name]; e != nil && e.flight == f {
			e.flight = nil
		}
		c.mu.Unlock()
		close(f.done)
	}()
	ev := c.probe(ctx, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil || errors.Is(ev.Err, roundtrip.ErrDisconnected) {
		// Nothing was learned of the domain, so nothing is remembered.
		v, _ := c.recall(name)
		f.verdict, f.settled = v, ctx.Err() == nil
		return v
	}
	f.verdict, f.settled = c.record(ev), true
	return f.verdict
}

// probe asks one domain, as soon as there is a slot.
func (c *Checker) probe(ctx context.Context, name xep.Name) Evidence {
	ev := Evidence{Domain: name}
	slots := c.slotChannel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		ev.Err = ctx.Err()
		return ev
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	to, err := name.JID()
	if err != nil {
		ev.Err = err
		return ev
	}
	c.asked.Add(1)
	info, err := disco.GetInfo(ctx, c.Session, to, "")
	if err != nil {
		ev.Err = err
		return ev
	}
	ev.Answered, ev.Feature = true, info.Has(xep.NS)
	return ev
}

func (c *Checker) slotChannel() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		n := c.InFlight
		if n <= 0 {
			n = DefaultInFlight
		}
		c.slots = make(chan struct{}, n)
	}
	return c.slots
}
