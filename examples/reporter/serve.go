package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"text/tabwriter"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// serve does what the flags say until that is done, ctx ends or the connection is lost for good.
func serve(ctx context.Context, c *config, log *slog.Logger, stdout io.Writer) error {
	advert, err := newAdvert(c)
	if err != nil {
		return err
	}
	s, err := dial(ctx, c, log, optin.Handle(advert...))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer s.Close()
	log.Info("connected", "as", s.LocalAddr().String())
	r, err := newReporter(c, s, log)
	if err != nil {
		return err
	}
	switch {
	case c.check:
		return check(ctx, c, s, r, stdout)
	case c.dryRun:
		return dryRun(ctx, r, stdout)
	case c.once:
		if _, err := r.Once(ctx); err != nil {
			return err
		}
		fmt.Fprintln(stdout, r.Advert().Node)
		return nil
	}
	return publish(ctx, s, r)
}

// publish runs the reporter until ctx ends or the session is beyond repair.
func publish(ctx context.Context, s *connect.Session, r *report.Reporter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.Done():
			cancel(s.Err())
		case <-ctx.Done():
		}
	}()
	err := r.Run(ctx)
	cancel(nil)
	<-watched
	if lost := s.Err(); lost != nil {
		return lost
	}
	return err
}

// dial connects as a component or as a user.
func dial(ctx context.Context, c *config, log *slog.Logger, handle mux.Option) (*connect.Session, error) {
	cfg := connect.Config{Server: c.server, Logger: log}
	var err error
	if cfg.JID, err = c.address(); err != nil {
		return nil, err
	}
	if c.tlsCA != "" {
		if cfg.TLS, err = trust(c.tlsCA); err != nil {
			return nil, err
		}
	}
	if c.component != "" {
		if cfg.Secret, err = readSecret(c.secretFile); err != nil {
			return nil, err
		}
		cfg.Handler = mux.New(component.NSAccept, handle)
		return connect.Component(ctx, cfg)
	}
	if cfg.Password, err = readSecret(c.passwordFile); err != nil {
		return nil, err
	}
	cfg.Handler = mux.New(stanza.NSClient, handle)
	return connect.Client(ctx, cfg)
}

func trust(path string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// newAdvert is what a server that delegates the feature to us gets for its domains.
// It is needed before there is a session, because the server asks as soon as there is one.
func newAdvert(c *config) ([]*optin.Advert, error) {
	service, err := jid.Parse(c.service)
	if err != nil {
		return nil, err
	}
	contacts, err := c.contactFields()
	if err != nil {
		return nil, err
	}
	var adverts []*optin.Advert
	for _, d := range append([]string{c.domain}, c.also...) {
		name, err := xep.ParseName(d)
		if err != nil {
			return nil, err
		}
		adverts = append(adverts, &optin.Advert{Domain: name, Node: xep.NodeURI{Service: service, Node: c.node}, Contacts: contacts})
	}
	return adverts, nil
}

func newReporter(c *config, s report.Session, log *slog.Logger) (*report.Reporter, error) {
	service, err := jid.Parse(c.service)
	if err != nil {
		return nil, err
	}
	policy, err := newPolicy(c, log)
	if err != nil {
		return nil, err
	}
	omit := slices.Clone(c.omit)
	if c.component != "" {
		omit = append(omit, c.component)
	}
	r := &report.Reporter{
		Session: s, Domain: c.domain, Service: service, Node: c.node,
		Also: c.also, Omit: omit,
		Interval: c.interval, Heartbeat: c.heartbeat,
		Consent: &optin.Checker{Session: s, Policy: policy, NamedTTL: c.verdictTTL},
		Logger:  log,
	}
	if c.keep {
		r.Exit = report.Keep
	}
	if r.Counts, err = c.countPolicy(); err != nil {
		return nil, err
	}
	r.Source, err = newSource(c, s)
	return r, err
}

// newPolicy turns exclusions and the list of providers into functions.
func newPolicy(c *config, log *slog.Logger) (optin.Policy, error) {
	excluded := make([]xep.Name, 0, len(c.exclude))
	for _, s := range c.exclude {
		n, err := xep.ParseName(s)
		if err != nil {
			return optin.Policy{}, err
		}
		excluded = append(excluded, n)
	}
	p := optin.Policy{Excluded: optin.NewSet(excluded...).Has}
	if c.providers == "" {
		return p, nil
	}
	b, err := os.ReadFile(c.providers)
	if err != nil {
		return p, err
	}
	names, skipped, err := optin.ParseList(b)
	if err != nil {
		return p, fmt.Errorf("%s: %w", c.providers, err)
	}
	log.Info("providers are named whether or not they advertise", "count", len(names), "skipped", skipped)
	p.Listed = optin.NewSet(names...).Has
	return p, nil
}

// dryRun prints what would be published, and why.
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
