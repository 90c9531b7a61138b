package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/mail"
	"net/url"
	"time"

	"github.com/peterbourgon/ff/v3"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/xep"
)

const usage = `Usage:
    aggregator -demo
    aggregator -jid me@example.org -password-file FILE -contact URI -seed DOMAIN…
    aggregator -component crawler.example.org -server HOST:PORT -secret-file FILE
               -contact URI -seed DOMAIN…
    aggregator … -check-config
    aggregator COMMAND …

Draws the network of XMPP servers from what they report about themselves
(XEP-0485). It begins at the seeds, follows the domains that reports name, and
serves the result as a page and as data.json. Only domains that opt in are
named; all others are counted.

    -demo                a network invented on the spot, without any contact to
                         the outside, crawled at a pace that suits a viewer
    -check-config        say what the other options would do, and what of it
                         can't work, without doing it; the status is 0 or 2

Commands, each with a -h of its own; the service may be running meanwhile:
    exclude DOMAIN       never ask or show a domain
    readmit DOMAIN       take it off the exclusion list
    exclusions           print that list
    requests             print what was asked for by message, and what came of it
    purge DOMAIN         remove all that is known of a domain
    backup FILE          write the database to a file, from which
    restore FILE         fills an empty one, of whichever kind
    migrate              bring the database to the schema of this program

Connecting, as a user:
    -jid ADDRESS         the account
    -password-file FILE  its password
    -server HOST:PORT    the server, if not the one that DNS names
    -tls-ca FILE         trust the certificates in FILE (PEM) as well

or as a component (XEP-0114), which servers don't slow down:
    -component DOMAIN    the component's domain
    -secret-file FILE    its secret
    -server HOST:PORT    the server's component port

Crawling:
    -contact URI         how those who are asked can reach you, for example
                         mailto:ops@example.org; required and public
    -seed DOMAIN         a domain to begin with; repeat for more
    -interval TIME       the most time between two visits of a domain (30m)
    -verdict-ttl TIME    how long a domain may be named after it was last seen
                         to opt in (twice the interval)
    -spacing TIME        the least time between two questions to one host (1s)
    -concurrency N       how many domains are visited at a time (64)
    -rate N              the most questions per second to all hosts (100);
                         0 for no limit
    -per-site N          how many domains below one registrable domain may be
                         known that don't opt in, beside as many as do (100);
                         0 for no limit
    -no-subscriptions    only fetch reports: some nodes are then not readable,
                         and all others are fetched every interval

    -database PLACE      where to keep what is known, so that a restart goes on:
                         a file (SQLite) or postgres://USER@HOST/NAME; without
                         it all is forgotten at the end
    -role ROLE           all, crawl (which serves only /metrics and /healthz)
                         or web (which doesn't crawl) (all). Any number of
                         processes share one PostgreSQL; each that crawls needs
                         an account or component of its own
    -lease TIME          how long the domains of a crawler that died wait until
                         another one takes them over (1m); the same for all

Who is left out, and who is named by policy:
    -exclude-file FILE   domains that are never asked and never shown, one per
                         line; "*.example.org" stands for all subdomains, and
                         # begins a comment. Changes are taken up within
                         seconds. The database keeps a list of its own, see
                         the commands
    -providers WHERE     name the domains of this JSON array, a file or a URL,
                         although they don't advertise; the XEP knows no such
                         exception
With a database, whoever is among the contact addresses of a domain (XEP-0157),
or the domain itself, may exclude it by a message to the crawler's address:
"exclude example.org".

The page:
    -listen ADDR         where to serve it (localhost:8080)
    -metrics-listen ADDR serve /metrics there, over HTTP, and not at -listen,
                         where it is open to everybody
    -url URL             its public address, for links and for those who are
                         asked: https://graph.example.org
    -title TEXT          its title
    -operator TEXT       who runs it
    -legal FILE          a text for the page about it, such as an imprint
    -source URL          where its source is, if you have changed it

Encryption, unless a reverse proxy sees to it:
    -tls-cert FILE       the certificate and those between it and its authority
                         (PEM), and
    -tls-key FILE        its key; both are read again when they change
    -acme-domain DOMAIN  get a certificate for this domain from Let's Encrypt,
                         whose terms you agree to with this; repeat for more.
                         The page must be served at port 443, or -redirect at 80
    -acme-cache DIR      where it is kept (acme, beside the database's file)
    -acme-directory URL  another authority
    -redirect ADDR       serve HTTP there that leads to HTTPS
    -trusted-proxy NET   believe what X-Forwarded-For or Forwarded say if the
                         request comes from there, an address or 192.0.2.0/24;
                         repeat for more

    -log-level LEVEL     debug, info, warn or error (info); debug shows names
                         that are not public
    -log-format FORMAT   text or json (text)
    -config FILE         options from a file, one per line: "seed example.org"
    -h, -help            this text

Every option can also be given in the environment: AGGREGATOR_LISTEN and so on,
several seeds separated by commas.

The URL is printed once the page is there. Everything else goes to stderr.
SIGINT or SIGTERM ends the program within 10 s, a second one at once.
SIGHUP has it read -exclude-file, -tls-cert and -tls-key again.
`

// config is what the operator wants.
type config struct {
	demo         bool
	demoSize     int
	demoSeed     uint64
	listen       string
	jid          string
	passwordFile string
	component    string
	secretFile   string
	server       string
	tlsCA        string
	contact      string
	seeds        cli.List
	interval     time.Duration
	verdictTTL   time.Duration
	spacing      time.Duration
	concurrency  int
	rate         float64
	perSite      int
	// noSubscriptions leaves the crawler with fetches.
	noSubscriptions bool
	database        string
	sharing
	title     string
	logLevel  slog.Level
	logFormat string
	operations
}

// sources are where options come from beside the command line.
var sources = []ff.Option{
	ff.WithEnvVarPrefix("AGGREGATOR"),
	ff.WithEnvVarSplit(","),
	ff.WithConfigFileFlag("config"),
	ff.WithConfigFileParser(ff.PlainParser),
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

// parseConfig reads flags, environment and file, in this order of precedence.
// The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	c := new(config)
	fs := flag.NewFlagSet("aggregator", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.flags(fs)
	err := ff.Parse(fs, args, sources...)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, flag.ErrHelp
	case err != nil:
		return nil, usageError{err}
	case fs.NArg() > 0:
		return nil, usageError{fmt.Errorf("unexpected argument %q; the commands are %s, and come first", fs.Arg(0), commandNames())}
	}
	if err := c.check(); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// flags adds all options.
func (c *config) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.demo, "demo", false, "")
	fs.IntVar(&c.demoSize, "demo-size", 0, "")
	fs.Uint64Var(&c.demoSeed, "demo-seed", 485, "")
	fs.StringVar(&c.listen, "listen", "localhost:8080", "")
	fs.StringVar(&c.jid, "jid", "", "")
	fs.StringVar(&c.passwordFile, "password-file", "", "")
	fs.StringVar(&c.component, "component", "", "")
	fs.StringVar(&c.secretFile, "secret-file", "", "")
	fs.StringVar(&c.server, "server", "", "")
	fs.StringVar(&c.tlsCA, "tls-ca", "", "")
	fs.StringVar(&c.contact, "contact", "", "")
	fs.Var(&c.seeds, "seed", "")
	fs.DurationVar(&c.interval, "interval", crawl.DefaultInterval, "")
	fs.DurationVar(&c.verdictTTL, "verdict-ttl", 0, "")
	fs.DurationVar(&c.spacing, "spacing", crawl.DefaultSpacing, "")
	fs.IntVar(&c.concurrency, "concurrency", crawl.DefaultConcurrency, "")
	fs.Float64Var(&c.rate, "rate", crawl.DefaultRate, "")
	fs.IntVar(&c.perSite, "per-site", crawl.DefaultMaxUnconfirmed, "")
	fs.BoolVar(&c.noSubscriptions, "no-subscriptions", false, "")
	fs.StringVar(&c.database, "database", "", "")
	c.registerRole(fs)
	fs.StringVar(&c.title, "title", "", "")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "")
	fs.StringVar(&c.logFormat, "log-format", "text", "")
	_ = fs.String("config", "", "")
	c.register(fs)
}

func (c *config) check() error {
	if err := c.operations.check(c.listen, c.database); err != nil {
		return err
	}
	if err := c.checkRole(c); err != nil {
		return err
	}
	switch {
	case c.interval <= 0 || c.verdictTTL < 0 || c.spacing < 0 || c.concurrency <= 0:
		return errors.New("-interval and -concurrency must be positive, -verdict-ttl and -spacing not negative")
	case !(c.rate >= 0) || c.perSite < 0:
		return errors.New("-rate and -per-site must not be negative")
	case c.logFormat != "text" && c.logFormat != "json":
		return fmt.Errorf("-log-format %q is neither text nor json", c.logFormat)
	case c.demo && (c.jid != "" || c.component != ""):
		return errors.New("-demo needs no account: leave -jid and -component out")
	case c.demo:
		c.contact = "mailto:nobody@example.org"
		c.spacing, c.interval, c.rate, c.perSite = min(c.spacing, demoSpacing), min(c.interval, demoInterval), 0, 0
		return nil
	case !c.crawls():
		return c.checkWeb()
	case (c.jid == "") == (c.component == ""):
		return errors.New("give either -jid or -component, or try -demo")
	case c.jid != "" && c.passwordFile == "":
		return errors.New("-jid needs -password-file")
	case c.component != "" && c.secretFile == "":
		return errors.New("-component needs -secret-file")
	case c.component != "" && c.server == "":
		return errors.New("-component needs -server, for example localhost:5347")
	case len(c.seeds) == 0:
		return errors.New("give at least one -seed")
	}
	if _, err := cli.Address(c.jid, c.component); err != nil {
		return err
	}
	for _, s := range c.seeds {
		if _, err := xep.ParseName(s); err != nil {
			return fmt.Errorf("-seed: %w", err)
		}
	}
	return checkContact(c.contact)
}

// checkContact wants an address that leads somewhere, because it is all that those who are asked have.
func checkContact(s string) error {
	if s == "" {
		return errors.New("-contact is required: those who are asked need to know by whom, for example mailto:ops@example.org")
	}
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("-contact %q: %w", s, err)
	}
	switch u.Scheme {
	case "mailto":
		if _, err := mail.ParseAddress(u.Opaque); err != nil {
			return fmt.Errorf("-contact %q: %w", s, err)
		}
	case "xmpp":
		if _, err := jid.Parse(u.Opaque); err != nil {
			return fmt.Errorf("-contact %q: %w", s, err)
		}
	case "https":
		if u.Host == "" {
			return fmt.Errorf("-contact %q names no host", s)
		}
	default:
		return fmt.Errorf("-contact %q: the scheme is not one of mailto, xmpp and https", s)
	}
	return nil
}
