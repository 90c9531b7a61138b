package crawl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The defaults of a [Crawler].
const (
	DefaultInterval    = 30 * time.Minute
	DefaultSpacing     = time.Second
	DefaultConcurrency = 64
	DefaultGiveUp      = 7 * 24 * time.Hour
	DefaultMaxDomains  = 1_000_000
	// DefaultVisitTimeout bounds one visit, in which a dead host may cost several round trips.
	DefaultVisitTimeout = 3 * time.Minute
)

// maxBackoff bounds the pause after failures, so that a domain which returns is back within a day.
const maxBackoff = 24 * time.Hour

// Crawler visits domains, beginning at its seeds, and whoever the reports it accepts name.
//
// Session and Contact are required; every other field has a default.
// The fields must not change while the crawler runs.
type Crawler struct {
	// Session carries the questions. A session of package connect reconnects by itself.
	Session Session
	// Contact is an address for those who want to know who asks, as a URI: "mailto:ops@example.org" or "xmpp:ops@example.org".
	Contact string
	// Seeds are the domains to begin with. They are never given up.
	Seeds []string

	// Consent decides who may be named, nil means a strict [optin.Checker] whose verdicts last for two intervals.
	// A domain is then still named when one visit in between fails.
	Consent *optin.Checker
	// Self are the crawler's own domains, which are neither visited nor counted:
	// its questions open connections, so that it appears in what servers report.
	// Nil means the domain of the session's own address, where the session tells it.
	Self []string
	// Exclude tells which domains are never contacted and never named, nil means none.
	Exclude func(xep.Name) bool

	// Interval is the most time between two visits of a domain that answers. 0 means [DefaultInterval].
	Interval time.Duration
	// Spacing is the least time between two questions to one host, or in one visit.
	// 0 means [DefaultSpacing]; below 0 means none, for networks of one's own.
	Spacing time.Duration
	// Concurrency bounds the visits at a time. 0 means [DefaultConcurrency].
	Concurrency int
	// VisitTimeout bounds one visit. 0 means [DefaultVisitTimeout].
	VisitTimeout time.Duration
	// GiveUp is the silence after which a domain is given up. 0 means [DefaultGiveUp].
	GiveUp time.Duration
	// MaxDomains bounds the domains that are known at a time. 0 means [DefaultMaxDomains].
	MaxDomains int
	// Once ends the run when every domain that can be reached from the seeds was visited.
	Once bool

	// Clock is the time, nil means the real one.
	Clock Clock
	// Seed makes the jitter repeat itself.
	Seed uint64

	mu    sync.Mutex
	run   *run
	err   error
	early []xep.Name // submitted before the run
}

// The errors of a crawler's use.
var (
	errRunning   = errors.New("crawl: the crawler already runs")
	errNoContact = errors.New("crawl: a crawler must have a contact, so that those it asks can answer")
	errNoSession = errors.New("crawl: a crawler needs a session")
	errFull      = errors.New("crawl: too many domains are known already")
	errExcluded  = errors.New("crawl: the domain is excluded")
)

// Run crawls until ctx ends or the loop over its events breaks, and then waits for the visits in flight.
//
// Events are delivered one at a time.
// A loop that is slow delays visits and never the session.
// Run yields nothing when the crawler can't start, see [Crawler.Err].
func (c *Crawler) Run(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		ctx, cancel := context.WithCancel(ctx)
		r, err := c.start()
		if err != nil {
			cancel()
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.dispatch(ctx)
		}()
		defer func() {
			cancel()
			<-done
			c.stop()
		}()
		r.deliver(ctx, done, yield)
	}
}

// Err returns why the last Run could not start, nil if it could.
func (c *Crawler) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Submit asks for a domain to be visited soon, known or not.
// It does so whenever the spacing allows, and may be called at any time.
func (c *Crawler) Submit(domain string) error {
	name, err := xep.ParseName(domain)
	if err != nil {
		return err
	}
	if !name.Addressable() {
		return fmt.Errorf("crawl: nothing can be sent to %q", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		if len(c.early) >= 1024 {
			return errFull
		}
		c.early = append(c.early, name)
		return nil
	}
	return c.run.submit(name)
}

// Stats counts what a crawler does.
type Stats struct {
	// Known are the domains on the frontier, Due those that wait for a visit now, InFlight those being visited.
	Known, Due, InFlight int
	// Visits counts finished visits by outcome.
	Visits map[Outcome]uint64
}

// Stats returns the present numbers, zero while the crawler does not run.
func (c *Crawler) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return Stats{}
	}
	return c.run.stats()
}

func (c *Crawler) start() (*run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.newRun()
	if c.run != nil {
		err = errRunning
	}
	// A second Run must not hide how the first one fares.
	if c.run == nil {
		c.err = err
	}
	if err != nil {
		return nil, err
	}
	c.run = r
	return r, nil
}

func (c *Crawler) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = nil
}

func (c *Crawler) newRun() (*run, error) {
	switch {
	case c.Session == nil:
		return nil, errNoSession
	case c.Contact == "":
		return nil, errNoContact
	}
	r := &run{
		session:     c.Session,
		consent:     c.Consent,
		exclude:     c.Exclude,
		clock:       c.Clock,
		interval:    or(c.Interval, DefaultInterval),
		timeout:     or(c.VisitTimeout, DefaultVisitTimeout),
		giveUp:      or(c.GiveUp, DefaultGiveUp),
		concurrency: or(c.Concurrency, DefaultConcurrency),
		once:        c.Once,
		wake:        make(chan struct{}, 1),
		ready:       make(chan struct{}, 1),
		visits:      make(map[Outcome]uint64),
		frontier:    newFrontier(or(c.MaxDomains, DefaultMaxDomains), c.Seed),
	}
	if r.clock == nil {
		r.clock = systemClock{}
	}
	if r.consent == nil {
		r.consent = &optin.Checker{Session: c.Session, NamedTTL: 2 * r.interval, MaxEntries: or(c.MaxDomains, DefaultMaxDomains), Now: r.clock.Now}
	}
	r.pacer = newPacer(r.clock, or(c.Spacing, DefaultSpacing))
	var err error
	if r.self, err = c.selfNames(); err != nil {
		return nil, err
	}
	for _, s := range c.Seeds {
		name, err := xep.ParseName(s)
		if err != nil {
			return nil, fmt.Errorf("crawl: seed: %w", err)
		}
		if r.excluded(name) {
			continue
		}
		if e, _ := r.frontier.add(name, r.clock.Now()); e != nil {
			e.seed = true
		}
	}
	for _, name := range c.early {
		// What can't be added now was no promise.
		_ = r.submit(name)
	}
	c.early = nil
	return r, nil
}

// selfNames returns the names that stand for the crawler in what others report.
func (c *Crawler) selfNames() (map[xep.Name]bool, error) {
	self := make(map[xep.Name]bool)
	for _, s := range c.Self {
		name, err := xep.ParseName(s)
		if err != nil {
			return nil, fmt.Errorf("crawl: self: %w", err)
		}
		self[name] = true
	}
	local, ok := c.Session.(interface{ LocalAddr() jid.JID })
	if c.Self != nil || !ok {
		return self, nil
	}
	if name, err := xep.NameOf(local.LocalAddr()); err == nil {
		self[name] = true
	}
	return self, nil
}

func or[T int | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}
