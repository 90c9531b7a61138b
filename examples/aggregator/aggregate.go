package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/examples/internal/quick"
	"github.com/xmppgraph/xmppgraph/examples/internal/web"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// farewell is how long ending all subscriptions may take, which begins at the same time as the goodbye of the server.
const farewell = 4 * time.Second

// aggregate crawls and serves until ctx ends or something essential fails.
func aggregate(ctx context.Context, c *config, log *slog.Logger, stdout io.Writer, line *progress) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	db, err := keptFor(ctx, c)
	if err != nil {
		return err
	}
	if db != nil {
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	g := newGraph(c)
	op, err := newOperation(ctx, c, db, g, log)
	if err != nil {
		return err
	}
	front, err := newFront(c, log)
	if err != nil {
		return err
	}
	defer front.close()
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	press := edition.New(g, edition.Options{Exclude: op.exclusion.Has})
	op.exclusion.Watch(func([]xep.Name) { press.Refresh() })
	history := op.history(db)
	shared := newShared(c, db, g, op, log)
	interfaces := newPrograms(press, shared.options(api.Options{History: history, Visited: visited(db), Exclude: op.exclusion.Has, Metrics: func() []metrics.Family {
		return append(op.metrics(), front.metrics()...)
	}}), shared)
	defer interfaces.Close()
	pages := web.New(press, web.Options{Site: site(c), History: history, Programs: interfaces})
	numbers, err := newNumbers(c, interfaces, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer numbers.end()
	srv := newServer(front.handler(numbers.public(c.served(interfaces.with(pages)))), log)
	srv.RegisterOnShutdown(interfaces.Close)
	if front.tls == nil {
		listener = quick.Listen(listener, interfaces.Quick)
	}

	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel(nil)
	parts.Go(func() {
		if err := front.serve(srv, listener); err != nil {
			cancel(fmt.Errorf("serve: %w", err))
		}
	})
	parts.Go(func() { numbers.serve(log) })
	parts.Go(func() {
		<-ctx.Done()
		numbers.end()
		shutdown(srv)
	})
	reload := op.reloads()
	parts.Go(func() { front.run(ctx, reload, log) })
	parts.Go(func() { op.run(ctx) })
	parts.Go(func() { shared.run(ctx) })
	fmt.Fprintf(stdout, "%s://%s/\n", front.scheme(), address(c.listen, listener))

	if !c.crawls() {
		keepHistoryOf(ctx, shared, g, log)
		return ended(ctx)
	}
	crawler := newCrawler(c, op)
	noted := newVisits(db, log)
	crawler.OnVisit = noted.heard()
	parts.Go(func() { noted.run(ctx) })
	op.exclusion.Watch(func(readmitted []xep.Name) {
		for _, n := range readmitted {
			// Reports that have not changed since don't lead to it. That there is no room for it is no worse than before.
			_ = crawler.Submit(n.String())
		}
	})
	switch {
	case shared != nil:
		crawler.Share, crawler.Lease = shared.share, c.lease
		parts.Go(func() { keepHistoryOf(ctx, shared, g, log) })
	case db == nil:
		interfaces.filled.Store(true)
	default:
		if err := interfaces.fill(ctx, db, g, op.exclusion.Has); err != nil {
			if ctx.Err() != nil {
				return ended(ctx)
			}
			return err
		}
		crawler.Store = db
		parts.Go(func() { keepHistory(ctx, db, crawler.Stats, g, log) })
		if c.demo {
			parts.Go(func() { observeOften(ctx, db, g, log) })
		}
	}
	s, done, err := session(ctx, c, crawler, op, log)
	if err != nil {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		return err
	}
	defer done()
	if err := crawlInto(ctx, c, crawler, s, op, g, interfaces, log, line); err != nil {
		return err
	}
	return ended(ctx)
}

// newGraph returns an empty graph. Its versions are no other process's, and as numbers safe in JavaScript for as long as anybody counts.
func newGraph(c *config) *graph.Graph {
	return graph.New(graph.Options{MaxAge: max(graph.DefaultMaxAge, 5*c.interval), Version: rand.Uint64N(1 << 48)})
}

// ended returns why the context ended, nil where that was asked for.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// session connects as the operator wants.
// The returned function ends the session, and whatever was started for it.
func session(ctx context.Context, c *config, crawler *crawl.Crawler, op *operation, log *slog.Logger) (crawl.Session, func(), error) {
	if c.demo {
		return startDemo(ctx, c, crawler, log)
	}
	cfg, err := connectConfig(c, log)
	if err != nil {
		return nil, nil, err
	}
	dial, ns := connect.Client, stanza.NSClient
	if c.component != "" {
		dial, ns = connect.Component, component.NSAccept
	}
	cfg.Handler = answers(ns, crawler, op.answers()...)
	s, err := reach(ctx, c.database != "", log, func() (*connect.Session, error) { return dial(ctx, cfg) })
	if err != nil {
		return nil, nil, err
	}
	if c.component == "" {
		// A server hands the events of subscriptions only to accounts that are available.
		s.OnConnect(func(ctx context.Context) {
			if err := s.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
				log.Warn("cannot send presence", "err", err)
			}
		})
	}
	log.Info("connected", "as", s.LocalAddr())
	leave := op.attend(ctx, s)
	return s, func() { leave(); _ = s.Close() }, nil
}

// reach connects. Where there is a database, there are pages to serve meanwhile, and it waits for a server that is not up yet or has no network:
// both start with the machine. Whatever else stands in the way is for a human to mend.
func reach(ctx context.Context, patient bool, log *slog.Logger, dial func() (*connect.Session, error)) (*connect.Session, error) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		s, err := dial()
		if err == nil || !patient || !mayPass(err) || ctx.Err() != nil {
			return s, err
		}
		log.Warn("the XMPP server can't be reached: until it is, nobody is visited", "err", err, "again_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// mayPass tells errors of a server that is not there, not ready, or overloaded from those that have a reason of their own.
func mayPass(err error) bool {
	var e *connect.Error
	return errors.As(err, &e) && e.Op != "config" && (e.Kind == nil || errors.Is(err, connect.ErrUnreachable))
}

// answers is what the session says to others, and where it receives events.
func answers(ns string, crawler *crawl.Crawler, more ...mux.Option) *mux.ServeMux {
	return mux.New(ns, append([]mux.Option{crawler.Handle(), optin.Handle()}, more...)...)
}

func connectConfig(c *config, log *slog.Logger) (cfg connect.Config, err error) {
	cfg = connect.Config{Server: c.server, Logger: log}
	if cfg.JID, err = cli.Address(c.jid, c.component); err != nil {
		return cfg, err
	}
	if c.component != "" {
		cfg.Secret, err = cli.Secret(c.secretFile)
	} else {
		cfg.Password, err = cli.Secret(c.passwordFile)
	}
	if err != nil || c.tlsCA == "" {
		return cfg, err
	}
	pool, err := cli.Roots(c.tlsCA)
	if err != nil {
		return cfg, err
	}
	cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return cfg, nil
}

// newCrawler returns a crawler that lacks a session, because a session's answers need the crawler first.
func newCrawler(c *config, op *operation) *crawl.Crawler {
	return &crawl.Crawler{
		Contact:         c.contact,
		Interval:        c.interval,
		Concurrency:     c.concurrency,
		Rate:            c.rate,
		MaxUnconfirmed:  c.perSite,
		NoSubscriptions: c.noSubscriptions,
		Exclude:         op.exclusion.Has,
		Farewell:        farewell,
	}
}

// crawlInto crawls into the graph until ctx ends.
func crawlInto(ctx context.Context, c *config, crawler *crawl.Crawler, s crawl.Session, op *operation, g *graph.Graph, p *programs, log *slog.Logger, line *progress) error {
	crawler.Session, crawler.Seeds, crawler.Spacing = s, c.seeds, c.spacing
	if c.spacing == 0 {
		crawler.Spacing = -1
	}
	ttl := c.verdictTTL
	if ttl <= 0 {
		ttl = 2 * c.interval
	}
	crawler.Consent = &optin.Checker{Session: s, Policy: op.policy(), NamedTTL: ttl, MaxEntries: crawl.DefaultMaxDomains}
	if c.rate == 0 {
		crawler.Rate = -1
	}
	if c.perSite == 0 {
		crawler.MaxUnconfirmed = -1
	}
	p.crawler.Store(crawler)
	tell := newTeller(log, crawler, g, line != nil)
	var drawing sync.WaitGroup
	drawn, cancel := context.WithCancel(ctx)
	defer drawing.Wait()
	defer cancel()
	drawing.Go(func() {
		line.run(drawn, func() string { return summary(crawler.Stats(), g.Snapshot().Counts()) })
	})
	for ev := range crawler.Run(ctx) {
		switch {
		case crawler.Share != nil:
			// The graph follows the database, which hears of this within a second.
		case crawler.Store != nil && ev.Kind == crawl.ReportUnchanged && ev.Visit == nil:
			// It comes from the database, which the graph was filled from.
		default:
			op.exclusion.Apply(g, ev)
		}
		tell.event(ev)
	}
	return crawler.Err()
}

// teller logs what a crawl finds.
type teller struct {
	log     *slog.Logger
	crawler *crawl.Crawler
	graph   *graph.Graph
	// watched tells that somebody has the numbers before their eyes anyway.
	watched bool
	next    time.Time
	pause   time.Duration
}

func newTeller(log *slog.Logger, c *crawl.Crawler, g *graph.Graph, watched bool) *teller {
	return &teller{log: log, crawler: c, graph: g, watched: watched, pause: 2 * time.Second}
}

// event logs each event for whoever debugs, and a summary for operators, ever less often.
// Only the first may hold names that are not public.
func (t *teller) event(ev crawl.Event) {
	if t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.log.Debug(ev.Kind.String(), "domain", ev.Domain, "until", ev.Until, "err", ev.Err, "claims", len(ev.Quarantined))
	}
	now := time.Now()
	if t.watched || now.Before(t.next) {
		return
	}
	t.next = now.Add(t.pause)
	t.pause = min(2*t.pause, 10*time.Minute)
	st := t.crawler.Stats()
	if !st.Restored {
		// To count what is half read would hold up the other half.
		t.next, t.pause = now.Add(200*time.Millisecond), 2*time.Second
		return
	}
	n := t.graph.Snapshot().Counts()
	t.log.Info("crawling", "known", st.Known, "due", st.Due, "in_flight", st.InFlight, "subscribed", st.Subscribed,
		"named", n.Domains, "links", n.Links, "unnamed_links", n.Unnamed, "failures", failures(st.Failures))
}

// site is what the page says of its operator; nobody operates a demonstration.
func site(c *config) web.Site {
	if c.demo {
		return web.Site{Title: c.title, Demo: true}
	}
	return web.Site{
		Title: c.title, URL: c.url, Operator: c.operator, Contact: c.contact, Source: c.source, Legal: c.legal, OptOut: cmp.Or(c.component, c.jid),
	}
}
