package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3"
	"mellium.im/xmpp/jid"

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
                         dot of the component's)
    -service ADDRESS     your pubsub service (pubsub. and your domain)
    -node NAME           the node on it (serverinfo)
    -source SOURCE       where the live connections come from (prosody):
                           prosody     its ad-hoc command, for which the
                                       reporter must be an administrator
                           ejabberd    its list of outgoing connections, for
                                       which it must be one, too; incoming
                                       connections can't be seen in this way
                           file:PATH   a file with a line of JSON for each:
                                       {"remote":"a.example","direction":"bidi"}
                           exec:CMD    a command that prints such lines
    -also DOMAIN         a further domain of yours in the same item; repeat
    -omit DOMAIN         a domain to leave out, such as a component of yours;
                         repeat for more
    -contact KIND=URI    an address for your domain's disco form, for example
                         abuse=mailto:abuse@example.org; repeat for more

Who is named:
    -exclude DOMAIN      never name it, whatever it advertises; repeat for more
    -providers FILE      name the domains of this JSON array although they don't
                         advertise; the XEP knows no such exception
    -counts HOW          publish the number of unnamed peers exact, rounded down
                         to tens, or none (exact)
    -verdict-ttl TIME    how long a peer may be named after it was last seen to
                         opt in (1h)

    -interval TIME       the mean time between two looks (5m)
    -heartbeat TIME      publish again after this even if nothing changed (1h)
    -keep                leave the item in place at the end
    -once                publish once, leave the item in place and exit
    -dry-run             print the payload, and why each peer is named or not,
                         without publishing
    -check               try every step and say what to configure
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

	domain, service, node string
	source                string
	also, omit            list
	contacts              list

	exclude    list
	providers  string
	counts     string
	verdictTTL time.Duration

	interval, heartbeat time.Duration
	keep                bool
	once, dryRun, check bool
	logLevel            slog.Level
	logFormat           string
}

// list is a flag that can be repeated.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error {
	*l = append(*l, strings.TrimSpace(s))
	return nil
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
		{&c.domain, "domain", ""}, {&c.service, "service", ""}, {&c.node, "node", xep.DefaultNode},
		{&c.source, "source", "prosody"}, {&c.providers, "providers", ""}, {&c.counts, "counts", "exact"},
		{&c.logFormat, "log-format", "text"},
	} {
		fs.StringVar(f.p, f.name, f.value, "")
	}
	fs.Var(&c.also, "also", "")
	fs.Var(&c.omit, "omit", "")
	fs.Var(&c.exclude, "exclude", "")
	fs.Var(&c.contacts, "contact", "")
	fs.DurationVar(&c.verdictTTL, "verdict-ttl", optin.DefaultNamedTTL, "")
	fs.DurationVar(&c.interval, "interval", report.DefaultInterval, "")
	fs.DurationVar(&c.heartbeat, "heartbeat", report.DefaultHeartbeat, "")
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
	addr, err := c.address()
	if err != nil {
		return err
	}
	if c.domain == "" {
		c.domain = addr.Domainpart()
		if c.component != "" {
			_, c.domain, _ = strings.Cut(c.domain, ".")
		}
	}
	if c.service == "" {
		c.service = "pubsub." + c.domain
	}
	if _, err := jid.Parse(c.service); err != nil {
		return fmt.Errorf("-service %q: %w", c.service, err)
	}
	if _, err := c.countPolicy(); err != nil {
		return err
	}
	if _, err := c.contactFields(); err != nil {
		return err
	}
	if _, err := sourceKind(c.source); err != nil {
		return err
	}
	return errors.Join(checkNames("-domain", c.domain), checkNames("-also", c.also...),
		checkNames("-omit", c.omit...), checkNames("-exclude", c.exclude...))
}

func checkNames(flag string, names ...string) error {
	for _, n := range names {
		if _, err := xep.ParseName(n); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
	}
	return nil
}

func (c *config) address() (jid.JID, error) {
	s := c.jid + c.component
	addr, err := jid.Parse(s)
	switch {
	case err != nil:
		return jid.JID{}, fmt.Errorf("address %q: %w", s, err)
	case c.jid != "" && addr.Localpart() == "":
		return jid.JID{}, fmt.Errorf("-jid %q has no user before an @", s)
	case c.component != "" && addr.Localpart() != "":
		return jid.JID{}, fmt.Errorf("-component %q is not a domain", s)
	}
	return addr, nil
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

// readSecret returns the content of a file without the line end that editors leave there.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return s, nil
}
