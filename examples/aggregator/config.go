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

Draws the network of XMPP servers from what they report about themselves
(XEP-0485). It begins at the seeds, follows the domains that reports name, and
serves the result as a page and as data.json. Only domains that opt in are
named; all others are counted.

    -demo                a network invented on the spot, without any contact to
                         the outside, crawled at a pace that suits a viewer
    -listen ADDR         where to serve HTTP (default localhost:8080)

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
    -no-subscriptions    only fetch reports: some nodes are then not readable,
                         and all others are fetched every interval

    -database PLACE      where to keep what is known, so that a restart goes on:
                         a file (SQLite) or postgres://USER@HOST/NAME; without
                         it all is forgotten at the end

    -title TEXT          the title of the page
    -log-level LEVEL     debug, info, warn or error (info); debug shows names
                         that are not public
    -log-format FORMAT   text or json (text)
    -config FILE         options from a file, one per line: "seed example.org"
    -h, -help            this text

Every option can also be given in the environment: AGGREGATOR_LISTEN and so on,
several seeds separated by commas.

The URL is printed once the page is there. Everything else goes to stderr.
SIGINT or SIGTERM ends the program.
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
	// noSubscriptions leaves the crawler with fetches.
	noSubscriptions bool
	database        string
	title           string
	logLevel        slog.Level
	logFormat       string
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

// parseConfig reads flags, environment and file, in this order of precedence.
// The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	c := new(config)
	fs := flag.NewFlagSet("aggregator", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
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
	fs.BoolVar(&c.noSubscriptions, "no-subscriptions", false, "")
	fs.StringVar(&c.database, "database", "", "")
	fs.StringVar(&c.title, "title", "", "")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "")
	fs.StringVar(&c.logFormat, "log-format", "text", "")
	_ = fs.String("config", "", "")
	err := ff.Parse(fs, args,
		ff.WithEnvVarPrefix("AGGREGATOR"),
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
	if err := c.check(); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (c *config) check() error {
	switch {
	case c.interval <= 0 || c.verdictTTL < 0 || c.spacing < 0 || c.concurrency <= 0:
		return errors.New("-interval and -concurrency must be positive, -verdict-ttl and -spacing not negative")
	case !(c.rate >= 0):
		return errors.New("-rate must not be negative")
	case c.logFormat != "text" && c.logFormat != "json":
		return fmt.Errorf("-log-format %q is neither text nor json", c.logFormat)
	case c.demo && (c.jid != "" || c.component != ""):
		return errors.New("-demo needs no account: leave -jid and -component out")
	case c.demo:
		c.contact = "mailto:nobody@example.org"
		c.spacing, c.interval, c.rate = min(c.spacing, demoSpacing), min(c.interval, demoInterval), 0
		return nil
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
