package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/peterbourgon/ff/v3"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/mirror"
	"github.com/xmppgraph/xmppgraph/xep"
)

const usage = `Usage:
    bot -jid bot@example.net -password-file FILE -api https://map.example.org
        [-room chat@rooms.example.net …]
    bot -jid bot@example.net -password-file FILE -contact mailto:me@example.net
        -seed DOMAIN … [-room chat@rooms.example.net …]

Answers questions about the network of XMPP servers (XEP-0485), in direct chats
and in rooms: who is connected to whom, the way from one domain to another, the
newest and the largest, and it tells when a domain joins or leaves.

It names only domains that agreed to be named, and says the same about all
others, whether they exist or not. In a room it hears only what begins with its
nick and a colon or with an exclamation mark. What it is asked to watch it keeps
in memory, and forgets when it ends.

The account:
    -jid ADDRESS         the account
    -password-file FILE  its password
    -server HOST:PORT    the server, if not the one that DNS names
    -tls-ca FILE         trust the certificates in FILE (PEM) as well

Rooms:
    -room ROOM           a room to be in; repeatable
    -nick NICK           the name there (xmppgraph)

What it knows comes from an aggregator:
    -api URL             where the aggregator's pages begin
    -interval TIME       look so often, if nothing is heard of changes (1m)

or from a crawl of its own, over the account's own server:
    -contact URI         how operators reach you: mailto:… or xmpp:…
    -seed DOMAIN         a domain to begin with; repeatable
    -interval TIME       visit each domain so often (30m)
    -spacing TIME        the least time between two questions to one host (1s)

    -log-level LEVEL     debug, info, warn or error (info)
    -log-format FORMAT   text or json (text)
    -config FILE         options from a file, one per line: "nick graph"
    -h, -help            this text

Every option can also be given in the environment: BOT_JID and so on.

Exit status: 0 when asked to end, 1 for a failure, 2 for a mistake in the call.
`

// config is what the operator wants.
type config struct {
	jid, passwordFile string
	server, tlsCA     string
	roomNames         cli.List
	nick              string
	api, contact      string
	seeds             cli.List
	interval, spacing time.Duration
	logFormat         string
	logLevel          slog.Level

	address jid.JID
	rooms   []jid.JID
}

// parseConfig reads flags, environment and file, in this order of precedence.
// The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	c := new(config)
	fs := flag.NewFlagSet("bot", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for name, p := range map[string]*string{
		"jid": &c.jid, "password-file": &c.passwordFile, "server": &c.server, "tls-ca": &c.tlsCA, "api": &c.api, "contact": &c.contact,
	} {
		fs.StringVar(p, name, "", "")
	}
	fs.StringVar(&c.nick, "nick", "xmppgraph", "")
	fs.StringVar(&c.logFormat, "log-format", "text", "")
	fs.Var(&c.roomNames, "room", "")
	fs.Var(&c.seeds, "seed", "")
	fs.DurationVar(&c.interval, "interval", 0, "")
	fs.DurationVar(&c.spacing, "spacing", 0, "")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "")
	_ = fs.String("config", "", "")
	err := ff.Parse(fs, args, ff.WithEnvVarPrefix("BOT"), ff.WithConfigFileFlag("config"), ff.WithConfigFileParser(ff.PlainParser))
	switch {
	case err != nil:
		return nil, err
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, c.addresses()
}

// check finds what is missing or makes no sense.
func (c *config) check() error {
	switch {
	case c.jid == "":
		return errors.New("-jid is missing: the bot needs an account")
	case c.passwordFile == "":
		return errors.New("-jid needs -password-file")
	case c.api == "" && len(c.seeds) == 0:
		return errors.New("give -api with the URL of an aggregator, or -seed and -contact for a crawl")
	case c.api != "" && (len(c.seeds) > 0 || c.contact != ""):
		return errors.New("-api and a crawl (-seed, -contact) exclude each other")
	case c.api == "" && c.contact == "":
		return errors.New("a crawl needs -contact, such as mailto:ops@example.org, for those who want to know who asks")
	case c.interval < 0 || c.spacing < 0:
		return errors.New("-interval and -spacing must not be negative")
	case c.logFormat != "text" && c.logFormat != "json":
		return fmt.Errorf("-log-format %q is neither text nor json", c.logFormat)
	}
	if c.api != "" {
		_, err := mirror.New(c.api)
		return err
	}
	for _, s := range c.seeds {
		if _, err := xep.ParseName(s); err != nil {
			return fmt.Errorf("-seed: %w", err)
		}
	}
	return nil
}

// addresses reads the addresses of the account and of the rooms.
func (c *config) addresses() (err error) {
	if c.address, err = cli.Address(c.jid, ""); err != nil {
		return err
	}
	for _, name := range c.roomNames {
		room, err := jid.Parse(name)
		if err != nil || room.Localpart() == "" || room.Resourcepart() != "" {
			return fmt.Errorf("-room %q is not the address of a room, such as chat@rooms.example.net", name)
		}
		if _, err := room.WithResource(c.nick); err != nil || c.nick == "" {
			return fmt.Errorf("-nick %q can't be a name in a room", c.nick)
		}
		c.rooms = append(c.rooms, room)
	}
	return nil
}
