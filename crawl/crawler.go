package crawl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The defaults of a [Crawler].
const (
	DefaultInterval    = 30 * time.Minute
	DefaultSpacing     = time.Second
	DefaultConcurrency = 64
	DefaultGiveUp      = 7 * 24 * time.Hour
	DefaultMaxDomains  = 1_000_000
	// DefaultMaxUnconfirmed is the number of names that one owner may make up.
	DefaultMaxUnconfirmed = 100
	// DefaultVisitTimeout bounds one visit, in which a dead host may cost several round trips.
	DefaultVisitTimeout = 3 * time.Minute
	// DefaultRate is a number of questions per second that costs nobody anything.
	DefaultRate = 100
	// DefaultFarewell is how long the end of a run may take because of subscriptions.
	DefaultFarewell = 10 * time.Second
	// pollIntervals is the default of Crawler.Poll in intervals.
	pollIntervals = 4
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
	// Poll is the most time between two fetches of an item whose node tells of changes itself.
	// The domain is still asked every interval whether it opts in. 0 means four intervals.
	// A graph must not forget a report within that time.
	Poll time.Duration
	// NoSubscriptions leaves the crawler with fetches alone.
	// It also does without subscriptions if Once is set, or if its session's handler was made without [Crawler.Handle].
	NoSubscriptions bool
	// Farewell bounds the time in which the end of a run ends all subscriptions. 0 means [DefaultFarewell].
	// Below 0 they are left in place, for a crawler that soon goes on from its store.
	Farewell time.Duration
	// Store keeps what is known beyond the run, nil means that nothing is kept.
	Store Store
	// Share divides the domains with other crawlers, nil means that this one has them all. It takes the place of Store.
	// Its events then tell what this crawler finds; the network of all crawlers is to be had from the database.
	Share Share
	// Lease is the time within which the domains of a crawler that has died are taken over. 0 means [DefaultLease].
	// All crawlers of a share need the same. One that can't reach its database for two thirds of that visits nobody.
	Lease time.Duration

	// Spacing is the least time between two questions to one host, or in one visit.
	// Crawlers of one Share keep it together where a host serves several domains.
	// 0 means [DefaultSpacing]; below 0 means none, for networks of one's own.
	Spacing time.Duration
	// Rate is the most questions per second to all hosts together. 0 means [DefaultRate], below 0 no limit.
	Rate float64
	// Concurrency bounds the visits at a time. 0 means [DefaultConcurrency].
	Concurrency int
	// VisitTimeout bounds one visit. 0 means [DefaultVisitTimeout].
	VisitTimeout time.Duration
	// GiveUp is the silence after which a domain is given up. 0 means [DefaultGiveUp].
	GiveUp time.Duration
	// MaxDomains bounds the domains that are known at a time. 0 means [DefaultMaxDomains].
	// Of a hundredth of it, and of 1,000 at least, may the reports of one registrable domain make known that don't opt in,
	// so that nobody fills it alone with names that are made up. That is not bounded in a single round, nor where MaxUnconfirmed is below 0.
	MaxDomains int
	// MaxUnconfirmed bounds the domains of one registrable domain that are known at a time and don't opt in; as many more may be as do.
	// Those beyond it take turns, at most one for each place and interval, and those that never answered go first.
	// 0 means [DefaultMaxUnconfirmed], below 0 no bound, for networks of one's own.
	MaxUnconfirmed int
	// Once ends the run when every domain that can be reached from the seeds was visited.
	Once bool

	// OnVisit is told how each visit went that says something about its domain, nil means nobody is.
	// It is called from several goroutines and must not take long.
	// What it hears of domains without a verdict is as private as what a Store has.
	OnVisit func(domain xep.Name, a Account)

	// Clock is the time, nil means the real one.
	Clock Clock
	// Seed makes the jitter repeat itself.
	Seed uint64

	mu    sync.Mutex
	run   *run
	err   error
	early []xep.Name // submitted before the run
	// sub receives events, nil before Handle was called.
	sub *pubsub.Subscriber
	// hooked is the session that tells of its reconnections.
	hooked Session
}

// The errors of a crawler's use.
var (
	errRunning   = errors.New("crawl: the crawler already runs")
	errNoContact = errors.New("crawl: a crawler must have a contact, so that those it asks can answer")
	errNoSession = errors.New("crawl: a crawler needs a session")
	errFull      = errors.New("crawl: too many domains are known already")
)

// Run crawls until ctx ends or the loop over its events breaks, and then waits for the visits in flight.
//
// Events are delivered one at a time.
// A loop that is slow delays visits and never the session.
// With a store, the first events are about what it holds that still stands: consents that have not ended, and their reports.
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
			c.finished(r.work(ctx))
		}()
		defer func() {
			cancel()
			<-done
			c.stop()
		}()
		r.deliver(ctx, done, yield)
	}
}

// Err returns why the last Run could not start, or what went wrong with its store, nil if all went well.
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
	c.hook()
	return r, nil
}

// finished notes how a run ended.
func (c *Crawler) finished(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// hook has a session that reconnects by itself say when it did.
// It can't be taken back, so that it must last for all runs with the session.
func (c *Crawler) hook() {
	s, ok := c.Session.(interface{ OnConnect(func(context.Context)) })
	if !ok || c.run.sub == nil || c.hooked == c.Session {
		return
	}
	c.hooked = c.Session
	session, first := c.Session, true
	s.OnConnect(func(context.Context) {
		c.mu.Lock()
		r := c.run
		// The first call is about the connection that there is.
		if first || r == nil || c.hooked != session {
			first, r = false, nil
		}
		c.mu.Unlock()
		if r != nil {
			r.reconnected()
		}
	})
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
	case c.Share != nil && (c.Store != nil || c.Once):
		return nil, errSharedOnce
	}
	r := &run{
		consent:     c.Consent,
		exclude:     c.Exclude,
		onVisit:     c.OnVisit,
		store:       c.Store,
		clock:       c.Clock,
		interval:    or(c.Interval, DefaultInterval),
		timeout:     or(c.VisitTimeout, DefaultVisitTimeout),
		giveUp:      or(c.GiveUp, DefaultGiveUp),
		patience:    or(c.Farewell, DefaultFarewell),
		concurrency: or(c.Concurrency, DefaultConcurrency),
		once:        c.Once,
		wake:        make(chan struct{}, 1),
		ready:       make(chan struct{}, 1),
		save:        make(chan struct{}, 1),
		urgent:      make(chan *entry, looksWaiting),
		over:        make(chan struct{}),
		visits:      make(map[Outcome]uint64),
		failures:    make(map[Failure]uint64),
		quarantined: make(map[Reason]uint64),
		reports:     make(map[xep.Name]*graph.Report),
		feeds:       feeds{byNode: make(map[feedKey]*feed)},
		frontier:    newFrontier(or(c.MaxDomains, DefaultMaxDomains), c.Seed),
	}
	r.frontier.perSite = or(c.MaxUnconfirmed, DefaultMaxUnconfirmed)
	if r.frontier.perSite >= 0 && !r.once {
		r.frontier.perBringer = max(leastPerBringer, r.frontier.limit/bringersToFill)
	}
	r.frontier.maxStrangers = r.concurrency - r.concurrency/4
	if r.hold.init(c); c.Share != nil {
		r.store = sharedStore{r}
	}
	r.poll = or(c.Poll, pollIntervals*r.interval)
	if r.clock == nil {
		r.clock = systemClock{}
	}
	if r.consent == nil {
		r.consent = &optin.Checker{Session: c.Session, NamedTTL: 2 * r.interval, MaxEntries: or(c.MaxDomains, DefaultMaxDomains), Now: r.clock.Now}
	}
	r.pacer = newPacer(r.clock, or(c.Spacing, DefaultSpacing), or(c.Rate, DefaultRate))
	r.session = r.pacer.paced(c.Session)
	if c.sub != nil && !c.NoSubscriptions && !c.Once {
		r.sub = c.sub
		r.sub.Session, r.sub.MaxSubscriptions = r.session, or(c.MaxDomains, DefaultMaxDomains)
	}
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
		if c.Share != nil {
			r.hold.seeds[name], r.hold.mentioned[name] = true, struct{}{}
			continue
		}
		if e, _ := r.frontier.add(name, r.clock.Now()); e != nil {
			e.seed = true
			r.frontier.rank(e)
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

func or[T int | float64 | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}
