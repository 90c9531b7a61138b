package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"text/tabwriter"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/examples/internal/providers"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// serve does what the flags say until that is done, ctx ends or the connection is lost for good.
func serve(ctx context.Context, c *config, log *slog.Logger, stdout io.Writer) error {
	adverts, err := newAdverts(c)
	if err != nil {
		return err
	}
	s, err := dial(ctx, c, log, optin.Handle(adverts...))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer s.Close()
	log.Info("connected", "as", s.LocalAddr().String())
	p, err := newProgram(c, s, log)
	if err != nil {
		return err
	}
	if c.check {
		return p.check(ctx, stdout)
	}
	if err := p.loadProviders(ctx); err != nil {
		return err
	}
	switch {
	case c.dryRun:
		return p.dryRun(ctx, stdout)
	case c.once:
		return p.publishOnce(ctx, stdout)
	}
	return p.publish(ctx)
}

// program is what the flags come down to, on a session.
type program struct {
	*config
	session   *connect.Session
	consent   *optin.Checker
	providers *providers.List
	reporters []*report.Reporter
	log       *slog.Logger
}

func newProgram(c *config, s *connect.Session, log *slog.Logger) (*program, error) {
	p := &program{config: c, session: s, log: log}
	policy, err := p.policy()
	if err != nil {
		return nil, err
	}
	p.consent = &optin.Checker{
		Session: s, Policy: policy, NamedTTL: c.verdictTTL, UnnamedTTL: min(c.verdictTTL, optin.DefaultUnnamedTTL),
	}
	source, err := newSource(c, s)
	if err != nil {
		return nil, err
	}
	sites, err := c.sites()
	if err != nil {
		return nil, err
	}
	for i, site := range sites {
		r, err := p.reporter(site, source)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			r.Users = c.activeUsers()
		}
		p.reporters = append(p.reporters, r)
	}
	return p, nil
}

// policy turns exclusions and the list of providers into functions.
func (p *program) policy() (optin.Policy, error) {
	excluded := make([]xep.Name, 0, len(p.exclude))
	for _, s := range p.exclude {
		n, err := xep.ParseName(s)
		if err != nil {
			return optin.Policy{}, err
		}
		excluded = append(excluded, n)
	}
	policy := optin.Policy{Excluded: optin.NewSet(excluded...).Has}
	if p.config.providers != "" {
		p.providers = &providers.List{Location: p.config.providers, StateFile: p.providersState, Logger: p.log}
		policy.Listed = p.providers.Has
	}
	return policy, nil
}

// loadProviders gets the list of providers, if there is one. That a URL has none now is no reason not to start.
func (p *program) loadProviders(ctx context.Context) error {
	if p.providers == nil {
		return nil
	}
	err := p.providers.Load(ctx)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("-providers: %w", err)
	}
	return nil
}

func (p *program) reporter(s site, source report.Source) (*report.Reporter, error) {
	counts, err := p.countPolicy()
	if err != nil {
		return nil, err
	}
	r := &report.Reporter{
		Session: p.session, Domain: s.domain, Service: s.service, Node: s.node, Source: source,
		Also: s.also, Omit: slices.Clone(p.omit), Counts: counts,
		Interval: p.interval, Heartbeat: p.heartbeat,
		Consent: p.consent,
		Logger:  p.log.With("domain", s.domain),
	}
	if p.component != "" {
		r.Omit = append(r.Omit, p.component)
	}
	if p.keep {
		r.Exit = report.Keep
	}
	if p.software {
		host, err := jid.Parse(s.domain)
		if err != nil {
			return nil, err
		}
		r.Software = func(ctx context.Context) (xep.Software, error) { return report.AskSoftware(ctx, p.session, host) }
	}
	return r, nil
}

// publish runs the reporters until ctx ends or the session is beyond repair.
func (p *program) publish(ctx context.Context) error {
	if p.metrics != "" {
		stop, err := serveMetrics(ctx, p.metrics, func() []metrics.Family { return collect(p.reporters, p.consent) }, p.log)
		if err != nil {
			return err
		}
		defer stop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var beside sync.WaitGroup
	beside.Go(func() {
		select {
		case <-p.session.Done():
			cancel(p.session.Err())
		case <-ctx.Done():
		}
	})
	if p.providers != nil {
		beside.Go(func() { p.providers.Run(ctx) })
	}
	err := report.RunAll(ctx, p.reporters...)
	cancel(nil)
	beside.Wait()
	if lost := p.session.Err(); lost != nil {
		return lost
	}
	return err
}

// publishOnce publishes each item and prints where it is.
func (p *program) publishOnce(ctx context.Context, w io.Writer) error {
	for _, r := range p.reporters {
		if _, err := r.Once(ctx); err != nil {
			return err
		}
		fmt.Fprintln(w, r.Advert().Node)
	}
	return nil
}

// dial connects as a component or as a user.
func dial(ctx context.Context, c *config, log *slog.Logger, handle mux.Option) (*connect.Session, error) {
	cfg := connect.Config{Server: c.server, Logger: log}
	var err error
	if cfg.JID, err = cli.Address(c.jid, c.component); err != nil {
		return nil, err
	}
	if c.tlsCA != "" {
		pool, err := cli.Roots(c.tlsCA)
		if err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if c.component != "" {
		if cfg.Secret, err = cli.Secret(c.secretFile); err != nil {
			return nil, err
		}
		cfg.Handler = mux.New(component.NSAccept, handle)
		return connect.Component(ctx, cfg)
	}
	if cfg.Password, err = cli.Secret(c.passwordFile); err != nil {
		return nil, err
	}
	cfg.Handler = mux.New(stanza.NSClient, handle)
	return connect.Client(ctx, cfg)
}

// dryRun prints what would be published, and why.
func (p *program) dryRun(ctx context.Context, w io.Writer) error {
	for _, r := range p.reporters {
		if err := dryRun(ctx, r, w); err != nil {
			return err
		}
	}
	return nil
}

func dryRun(ctx context.Context, r *report.Reporter, w io.Writer) error {
	c, err := r.Compose(ctx)
	if err != nil {
		return err
	}
	payload, err := c.Redacted.Payload()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n\n", payload)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range c.Peers {
		what := "counted"
		if p.Verdict.Named(c.At) {
			what = "named"
		}
		fmt.Fprintf(tw, "%s\t%q\t%s\t%v\n", what, p.Remote, p.Verdict.Reason(), p.Connections)
	}
	return tw.Flush()
}
