package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// checkDomain checks a live domain: through the account, if there is one, and over the network from here.
func checkDomain(ctx context.Context, c *config, w world) (*conformance.Report, error) {
	name, err := xep.ParseName(c.domain)
	if err != nil {
		return nil, usageError{err}
	}
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	r := &conformance.Report{Target: name.String(), At: start, Results: []conformance.Result{noAccount()}}
	if c.hasAccount() {
		if r, err = checkXMPP(ctx, c, w, roots, name); err != nil {
			return nil, err
		}
	}
	p := &prober{world: w, timeout: c.timeout, roots: roots}
	around := p.examine(ctx, hostCases("domain", "the domain"), name)
	if answer, _ := r.Result("disco-answer"); answer.Status == conformance.Pass {
		around.soften()
	}
	r.Results = append(around.results, r.Results...)
	insertService(r, p.examineService(ctx, r, name))
	r.Took = time.Since(start)
	return r, ctx.Err()
}

// roots are the authorities to trust, nil for those of the system.
func (c *config) roots() (*x509.CertPool, error) {
	if c.tlsCA == "" {
		return nil, nil
	}
	pool, err := cli.Roots(c.tlsCA)
	if err != nil {
		return nil, usageError{err}
	}
	return pool, nil
}

// checkXMPP checks what can be asked through the account.
func checkXMPP(ctx context.Context, c *config, w world, roots *x509.CertPool, name xep.Name) (*conformance.Report, error) {
	sub := new(pubsub.Subscriber)
	s, err := login(ctx, c, w, roots, sub)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	o := conformance.Options{Timeout: c.timeout, Peers: c.peers}
	if c.peers == 0 {
		o.Peers = -1
	}
	r, err := conformance.Run(ctx, s, name.String(), o)
	if err != nil {
		return nil, err
	}
	if c.watch > 0 {
		sub.Session, sub.Timeout = s, c.timeout
		if c.jid != "" {
			// A server delivers events to a bare address only while that has announced itself.
			sub.Addr = s.LocalAddr()
		}
		watch(ctx, sub, r, c.watch)
	}
	return r, nil
}

// login connects as a component or as a user.
func login(ctx context.Context, c *config, w world, roots *x509.CertPool, sub *pubsub.Subscriber) (*connect.Session, error) {
	addr, err := cli.Address(c.jid, c.component)
	if err != nil {
		return nil, usageError{err}
	}
	cfg := connect.Config{
		JID: addr, Server: c.server, Dial: w.dial,
		Logger: slog.New(slog.NewTextHandler(w.stderr, &slog.HandlerOptions{Level: c.logLevel})),
	}
	if roots != nil {
		cfg.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if c.component != "" {
		if cfg.Secret, err = cli.Secret(c.secretFile); err != nil {
			return nil, usageError{err}
		}
		cfg.Handler = mux.New(component.NSAccept, pubsub.Handle(sub))
		return connect.Component(ctx, cfg)
	}
	if cfg.Password, err = cli.Secret(c.passwordFile); err != nil {
		return nil, usageError{err}
	}
	cfg.Handler = mux.New(stanza.NSClient, pubsub.Handle(sub))
	return connect.Client(ctx, cfg)
}

// needNetwork is what the cases of DNS, reachability and certificates need.
const needNetwork conformance.Need = "network"

func noAccount() conformance.Result {
	return conformance.Result{
		Case: conformance.Case{
			ID: "xmpp", Level: conformance.Should, Section: "§3", Needs: conformance.NeedDomain,
			Sentence: "What the domain says of itself and of its node is asked over XMPP.",
		},
		Status: conformance.Skip, Message: "no account was given: add -jid or -component",
	}
}

// hostCases are the cases of one host: its names, whether it can be reached, and its certificate.
func hostCases(suffix, what string) [3]conformance.Case {
	return [3]conformance.Case{
		{ID: "dns-" + suffix, Level: conformance.Must, Section: "RFC 6120 §3.2", Needs: needNetwork,
			Sentence: "The name of " + what + " leads other servers to an address."},
		{ID: "s2s-" + suffix, Level: conformance.Must, Section: "RFC 6120 §5.4", Needs: needNetwork,
			Sentence: "At that address a server answers for " + what + ", and offers encryption."},
		{ID: "tls-" + suffix, Level: conformance.Must, Section: "RFC 6120 §13.7", Needs: needNetwork,
			Sentence: "The certificate there is trusted, and covers the name of " + what + "."},
	}
}

// examination is what was found about one host.
type examination struct {
	results []conformance.Result
	// unreached tells that it has an address to which there was no connection.
	unreached bool
}

// examine checks one host.
func (p *prober) examine(ctx context.Context, cases [3]conformance.Case, name xep.Name) *examination {
	all := make([]conformance.Result, len(cases))
	for i, c := range cases {
		all[i] = conformance.Result{Case: c, Status: conformance.Skip, Message: "there is no address"}
	}
	settle := func(i int, message string, err error) bool {
		all[i].Status, all[i].Message = conformance.Pass, message
		if err != nil {
			all[i].Status, all[i].Message = conformance.Fail, oneLine(err)
		}
		return err == nil
	}
	targets, err := p.resolve(ctx, name)
	if !settle(0, describe(targets), err) {
		return &examination{results: all}
	}
	all[2].Message = "there was no TLS"
	g, err := p.connect(ctx, name, targets)
	if err != nil {
		settle(1, "", err)
		var unreached unreachedError
		return &examination{results: all, unreached: errors.As(err, &unreached)}
	}
	settle(1, g.where, nil)
	valid, err := p.verify(name, g.state)
	settle(2, valid, err)
	return &examination{results: all}
}

func describe(targets []target) string {
	var parts []string
	for _, t := range targets {
		parts = append(parts, t.String()+" → "+strings.Join(t.addrs, ", "))
	}
	return strings.Join(parts, "; ")
}

// oneLine joins the errors of several attempts, each once.
func oneLine(err error) string {
	seen := map[string]bool{}
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !seen[line] {
			seen[line] = true
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

// soften keeps what only this machine can't connect to from being held against a host that the account's server reaches.
func (e *examination) soften() {
	for i := range e.results {
		if one := &e.results[i]; e.unreached && one.Status == conformance.Fail {
			one.Status = conformance.Skip
			one.Message = "not from here, though the account's server reaches it: " + one.Message
		}
	}
}

// examineService checks the host of the pubsub service, which is where most domains fail.
func (p *prober) examineService(ctx context.Context, r *conformance.Report, domain xep.Name) []conformance.Result {
	cases := hostCases("service", "the pubsub service")
	host, guessed := r.Service, ""
	if host == "" {
		host, guessed = "pubsub."+domain.String(), " (a guess: where it publishes is not known)"
	}
	name, err := xep.ParseName(host)
	if err != nil || name == domain {
		var none []conformance.Result
		for _, c := range cases {
			none = append(none, conformance.Result{Case: c, Status: conformance.NotApplicable, Message: "there is no separate service"})
		}
		return none
	}
	e := p.examine(ctx, cases, name)
	if guessed == "" {
		if one, _ := r.Result("service-identity"); one.Status == conformance.Pass {
			e.soften()
		}
		return e.results
	}
	all := e.results
	for i := range all {
		// That there is nothing at a name which nobody has given is no fault.
		if all[i].Status == conformance.Fail {
			all[i].Status = conformance.Skip
		}
		all[i].Message += guessed
	}
	return all
}

// insertService puts the results of the service's host where an operator looks for them: before what is asked of it.
func insertService(r *conformance.Report, all []conformance.Result) {
	at := len(r.Results)
	for i, one := range r.Results {
		if one.ID == "service-identity" {
			at = i
			break
		}
	}
	rest := append(all, r.Results[at:]...)
	r.Results = append(r.Results[:at:at], rest...)
}

// stale is the age beyond which an item is not kept up to date: publishers renew theirs every few minutes, or hours.
const stale = 24 * time.Hour

// watch waits for a publication, adds what it tells of freshness, and checks its payload if there was none to fetch.
func watch(ctx context.Context, sub *pubsub.Subscriber, r *conformance.Report, patience time.Duration) {
	c := conformance.Case{
		ID: "freshness", Level: conformance.Should, Section: "§6", Needs: conformance.NeedDomain,
		Sentence: "The item is published again now and then, so that readers know that it still stands.",
	}
	status, message, payload := await(ctx, sub, r, patience)
	if one, ok := r.Result("item-present"); ok && one.Status == conformance.Skip && payload != nil {
		seen, err := conformance.Payload(payload, r.Target)
		if err == nil {
			replace(r, seen)
		}
	}
	r.Results = append(r.Results, conformance.Result{Case: c, Status: status, Message: message})
}

// replace takes over the results of another report.
func replace(r, with *conformance.Report) {
	for i, one := range r.Results {
		if better, ok := with.Result(one.ID); ok {
			r.Results[i] = better
		}
	}
}

func await(ctx context.Context, sub *pubsub.Subscriber, r *conformance.Report, patience time.Duration) (conformance.Status, string, []byte) {
	service, err := jid.Parse(r.Service)
	if err != nil {
		return conformance.Skip, "it is not known which node it is", nil
	}
	if _, err := sub.Subscribe(ctx, service, r.Node); err != nil {
		return conformance.Skip, "no subscription: " + err.Error(), nil
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = sub.Unsubscribe(ctx, service, r.Node)
	}()
	timed, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		e, err := sub.Next(timed)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return conformance.Skip, fmt.Sprintf("nothing was published within %v", patience), nil
		case err != nil:
			return conformance.Skip, err.Error(), nil
		case e.Kind != pubsub.ItemPublished:
			continue
		}
		var payload []byte
		if e.Item != nil {
			payload = e.Item.Raw
		}
		if e.Stamp.IsZero() {
			return conformance.Pass, "published just now", payload
		}
		age := e.At.Sub(e.Stamp).Round(time.Second)
		if age > stale {
			return conformance.Fail, fmt.Sprintf("the item was published %v ago", age), payload
		}
		return conformance.Pass, fmt.Sprintf("published %v ago", age), payload
	}
}
