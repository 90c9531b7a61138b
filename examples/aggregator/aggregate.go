package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
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
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/web"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
)

// aggregate crawls and serves until ctx ends or something essential fails.
func aggregate(ctx context.Context, c *config, log *slog.Logger, stdout io.Writer, line *progress) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var db store.Store
	if c.database != "" {
		if db, err = openDatabase(ctx, c.database); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	g := graph.New(graph.Options{MaxAge: max(graph.DefaultMaxAge, 5*c.interval)})
	press := edition.New(g, edition.Options{})
	interfaces := newPrograms(press, api.Options{History: past(db)})
	defer interfaces.Close()
	pages := web.New(press, web.Options{Site: site(c), History: past(db), Submit: interfaces})
	srv := newServer(interfaces.with(pages), log)
	srv.RegisterOnShutdown(interfaces.Close)

	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel(nil)
	parts.Go(func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve: %w", err))
		}
	})
	parts.Go(func() {
		<-ctx.Done()
		shutdown(srv)
	})
	fmt.Fprintf(stdout, "http://%s/\n", address(c.listen, listener))

	crawler := newCrawler(c)
	if db != nil {
		crawler.Store = db
		parts.Go(func() { keepHistory(ctx, db, crawler.Stats, g, log) })
	}
	s, done, err := session(ctx, c, crawler, log)
	if err != nil {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		return err
	}
	defer done()
	if err := crawlInto(ctx, c, crawler, s, g, interfaces, log, line); err != nil {
		return err
	}
	return ended(ctx)
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
func session(ctx context.Context, c *config, crawler *crawl.Crawler, log *slog.Logger) (crawl.Session, func(), error) {
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
	cfg.Handler = answers(ns, crawler)
	s, err := dial(ctx, cfg)
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
	return s, func() { _ = s.Close() }, nil
}

// answers is what the session says to others, and where it receives events.
func answers(ns string, crawler *crawl.Crawler) *mux.ServeMux {
	return mux.New(ns, crawler.Handle(), optin.Handle())
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
func newCrawler(c *config) *crawl.Crawler {
	return &crawl.Crawler{
		Contact:         c.contact,
		Interval:        c.interval,
		Concurrency:     c.concurrency,
		Rate:            c.rate,
		NoSubscriptions: c.noSubscriptions,
	}
}

// crawlInto crawls into the graph until ctx ends.
func crawlInto(ctx context.Context, c *config, crawler *crawl.Crawler, s crawl.Session, g *graph.Graph, p *programs, log *slog.Logger, line *progress) error {
	crawler.Session, crawler.Seeds, crawler.Spacing = s, c.seeds, c.spacing
	if c.spacing == 0 {
		crawler.Spacing = -1
	}
	if c.verdictTTL > 0 {
		crawler.Consent = &optin.Checker{Session: s, NamedTTL: c.verdictTTL, MaxEntries: crawl.DefaultMaxDomains}
	}
	if c.rate == 0 {
		crawler.Rate = -1
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
		ev.Apply(g)
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
	t.log.Debug(ev.Kind.String(), "domain", ev.Domain, "until", ev.Until, "err", ev.Err, "claims", len(ev.Quarantined))
	now := time.Now()
	if t.watched || now.Before(t.next) {
		return
	}
	t.next = now.Add(t.pause)
	t.pause = min(2*t.pause, 10*time.Minute)
	st, n := t.crawler.Stats(), t.graph.Snapshot().Counts()
	t.log.Info("crawling", "known", st.Known, "due", st.Due, "in_flight", st.InFlight, "subscribed", st.Subscribed,
		"named", n.Domains, "links", n.Links, "unnamed_links", n.Unnamed, "failures", failures(st.Failures))
}

// site is what the page says of its operator; nobody operates a demonstration.
func site(c *config) web.Site {
	if c.demo {
		return web.Site{Title: c.title, Demo: true}
	}
	return web.Site{Title: c.title, Contact: c.contact}
}
