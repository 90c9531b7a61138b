package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3"

	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/providers"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

const usage = `Usage:
    reporter -component reporter.example.org -server HOST:PORT -secret-file FILE
    reporter -jid admin@example.org -password-file FILE
    reporter … -check
    reporter … -dry-run

Publishes which domains your XMPP server federates with (XEP-0485). Only peers
that opt in are named; all others are counted.

Connecting, as a component (XEP-0114):
    -component DOMAIN    the component's domain
    -secret-file FILE    its secret
    -server HOST:PORT    the server's component port (localhost:5347)

or as a user:
    -jid ADDRESS         the account
    -password-file FILE  its password
    -server HOST:PORT    the server, if not the one that DNS names
    -tls-ca FILE         trust the certificates in FILE (PEM) as well

What to publish:
    -domain DOMAIN       your domain (the account's, or what follows the first
                         dot of the component's); repeat for more domains, of
                         which each gets a node of its own
    -also DOMAIN         a further domain of yours in the same item as the only
                         -domain; repeat
    -service ADDRESS     your pubsub service (pubsub. and each domain)
    -node NAME           the node on it (serverinfo; serverinfo/DOMAIN where
                         several domains share a service)
    -source SOURCE       where the live connections come from (prosody):
                           prosody     its ad-hoc command, for which the
                                       reporter must be an administrator
                           prosody-socket[:PATH]
                                       its admin socket, for which the reporter
                                       must run on the same machine, as the
                                       user prosody
                                       (` + report.DefaultProsodySocket + `)
                           ejabberd    its list of outgoing connections, for
                                       which it must be an administrator, too;
                                       incoming connections can't be seen in
                                       this way
                           file:PATH   a file with a line of JSON for each:
                                       {"remote":"a.example","direction":"bidi"}
                           exec:CMD    a command that prints such lines
    -omit DOMAIN         a domain to leave out; repeat for more. What the server
                         itself lists below your domain is left out anyhow
    -contact KIND=URI    an address for your domain's disco form, for example
                         abuse=mailto:abuse@example.org; repeat for more
    -software            tell which software your server runs, in which version
    -users HOW           tell how many active users your first domain has:
                           prosody     as Prosody's mod_measure_active_users
                                       counts them, with -source prosody-socket
                           exec:CMD    a command that prints the number

Who is named:
    -exclude DOMAIN      never name it, whatever it advertises; repeat for more
    -providers WHERE     name the domains of this JSON array, a file or a URL,
                         although they don't advertise; the XEP knows no such
                         exception
    -providers-state FILE
                         keep the list of a URL there for the next start
    -counts HOW          publish the number of unnamed peers exact, rounded down
                         to tens, or none (exact)
    -verdict-ttl TIME    how long a peer may be named after it was last seen to
                         opt in (1h); who doesn't is asked again after 15m, or
                         after this if it is shorter

    -interval TIME       the mean time between two looks (5m)
    -heartbeat TIME      publish again after this even if nothing changed (1h)
    -keep                leave the item in place at the end
    -once                publish once, leave the item in place and exit
    -dry-run             print the payload, and why each peer is named or not,
                         without publishing
    -check               try every step and say what to configure
    -metrics HOST:PORT   serve counters for Prometheus at /metrics (off)
    -log-level LEVEL     debug, info, warn or error (info)
    -log-format FORMAT   text or json (text)
    -config FILE         options from a file, one per line: "domain example.org"
    -h, -help            this text

Every option can also be given in the environment: REPORTER_COMPONENT and so
on, several values separated by commas.

Results go to stdout, everything else to stderr.
SIGINT or SIGTERM ends the program and withdraws the item.
`

// config is what the operator wants.
type config struct {
	component, secretFile string
	jid, passwordFile     string
	server, tlsCA         string

	domains       cli.List
	service, node string
	source        string
	also, omit    cli.List
	contacts      cli.List
	software      bool
	users         string

	exclude                   cli.List
	providers, providersState string
	counts                    string
	verdictTTL                time.Duration

	interval, heartbeat time.Duration
	keep                bool
	once, dryRun, check bool
	metrics             string
	logLevel            slog.Level
	logFormat           string
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

// parseConfig reads flags, environment and file, in this order of precedence.
// The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	c := new(config)
	fs := flag.NewFlagSet("reporter", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.register(fs)
	_ = fs.String("config", "", "")
	err := ff.Parse(fs, args,
		ff.WithEnvVarPrefix("REPORTER"),
		ff.WithEnvVarSplit(","),
		ff.WithConfigFileFlag("config"),
		ff.WithConfigFileParser(ff.PlainParser))
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, flag.ErrHelp
	case err != nil:
		return nil, usageError{err}
	case fs.NArg() > 0:
		return nil, usageError{fmt.Errorf("unexpected argument %q", fs.Arg(0))}
	}
	if err := c.checkFlags(); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (c *config) register(fs *flag.FlagSet) {
	for _, f := range []struct {
		p           *string
		name, value string
	}{
		{&c.component, "component", ""}, {&c.secretFile, "secret-file", ""},
		{&c.jid, "jid", ""}, {&c.passwordFile, "password-file", ""},
		{&c.server, "server", ""}, {&c.tlsCA, "tls-ca", ""},
		{&c.service, "service", ""}, {&c.node, "node", ""}, {&c.source, "source", "prosody"}, {&c.users, "users", ""},
		{&c.providers, "providers", ""}, {&c.providersState, "providers-state", ""}, {&c.counts, "counts", "exact"},
		{&c.metrics, "metrics", ""}, {&c.logFormat, "log-format", "text"},
	} {
		fs.StringVar(f.p, f.name, f.value, "")
	}
	fs.Var(&c.domains, "domain", "")
	fs.Var(&c.also, "also", "")
	fs.Var(&c.omit, "omit", "")
	fs.Var(&c.exclude, "exclude", "")
	fs.Var(&c.contacts, "contact", "")
	fs.DurationVar(&c.verdictTTL, "verdict-ttl", optin.DefaultNamedTTL, "")
	fs.DurationVar(&c.interval, "interval", report.DefaultInterval, "")
	fs.DurationVar(&c.heartbeat, "heartbeat", report.DefaultHeartbeat, "")
	fs.BoolVar(&c.software, "software", false, "")
	fs.BoolVar(&c.keep, "keep", false, "")
	fs.BoolVar(&c.once, "once", false, "")
	fs.BoolVar(&c.dryRun, "dry-run", false, "")
	fs.BoolVar(&c.check, "check", false, "")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "")
}

// checkFlags finds what is missing or makes no sense, and fills in what follows from the rest.
func (c *config) checkFlags() error {
	switch {
	case (c.jid == "") == (c.component == ""):
		return errors.New("give either -component or -jid")
	case c.component != "" && c.secretFile == "":
		return errors.New("-component needs -secret-file")
	case c.jid != "" && c.passwordFile == "":
		return errors.New("-jid needs -password-file")
	case c.interval <= 0 || c.heartbeat <= 0 || c.verdictTTL <= 0:
		return errors.New("-interval, -heartbeat and -verdict-ttl must be positive")
	case c.verdictTTL < c.interval:
		return errors.New("-verdict-ttl must not be shorter than -interval")
	case c.logFormat != "text" && c.logFormat != "json":
		return fmt.Errorf("-log-format %q is neither text nor json", c.logFormat)
	}
	addr, err := cli.Address(c.jid, c.component)
	if err != nil {
		return err
	}
	if len(c.domains) == 0 {
		domain := addr.Domainpart()
		if c.component != "" {
			_, domain, _ = strings.Cut(domain, ".")
		}
		c.domains = cli.List{domain}
	}
	if len(c.domains) > 1 && len(c.also) > 0 {
		return errors.New("-also puts a domain into the item of the only -domain, but there are several")
	}
	if err := errors.Join(checkNames("-domain", c.domains...), checkNames("-also", c.also...),
		checkNames("-omit", c.omit...), checkNames("-exclude", c.exclude...)); err != nil {
		return err
	}
	if _, err := c.sites(); err != nil {
		return err
	}
	if _, err := c.countPolicy(); err != nil {
		return err
	}
	if _, err := c.contactFields(); err != nil {
		return err
	}
	if _, _, err := sourceKind(c.source); err != nil {
		return err
	}
	if err := c.checkUsers(); err != nil {
		return err
	}
	if err := providers.CheckLocation(c.providers); err != nil {
		return fmt.Errorf("-providers: %w", err)
	}
	return nil
}

func checkNames(flag string, names ...string) error {
	for _, n := range names {
		if _, err := xep.ParseName(n); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	return nil
}

func (c *config) countPolicy() (optin.Counts, error) {
	switch c.counts {
	case "exact":
		return optin.CountExact, nil
	case "rounded":
		return optin.CountRounded, nil
	case "none":
		return optin.CountNone, nil
	}
	return 0, fmt.Errorf("-counts %q is neither exact, rounded nor none", c.counts)
}

// contactFields are the fields of XEP-0157 for the flags.
func (c *config) contactFields() (map[string][]string, error) {
	fields := make(map[string][]string)
	for _, s := range c.contacts {
		kind, uri, ok := strings.Cut(s, "=")
		if !ok || kind == "" || !strings.Contains(uri, ":") {
			return nil, fmt.Errorf("-contact %q is not like abuse=mailto:abuse@example.org", s)
		}
		fields[kind+"-addresses"] = append(fields[kind+"-addresses"], uri)
	}
	return fields, nil
}
