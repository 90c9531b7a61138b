package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/peterbourgon/ff/v3"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/xep"
)

const usage = `Usage:
    doctor DOMAIN
    doctor -jid me@example.net -password-file FILE DOMAIN
    doctor -component crawler.example.net -server HOST:PORT -secret-file FILE
           DOMAIN
    doctor -payload FILE [-domain DOMAIN]

Says why a domain does not show up in the graph of the XMPP network, and what
to change: it checks DNS, certificates, reachability, and everything that
XEP-0485 says about how a domain opts in and publishes.

Without an account, only DNS, certificates and reachability are checked. It is
best to use one on another server than the one that is checked, since that is
how everybody else sees the domain.

Connecting, as a user:
    -jid ADDRESS         the account
    -password-file FILE  its password
    -server HOST:PORT    the server, if not the one that DNS names
    -tls-ca FILE         trust the certificates in FILE (PEM) as well

or as a component (XEP-0114):
    -component DOMAIN    the component's domain
    -secret-file FILE    its secret
    -server HOST:PORT    the server's component port

What to check:
    -domain DOMAIN       the domain, as an alternative to the argument
    -payload FILE        a captured payload, item or stanza, without any network;
                         - is the standard input
    -peers N             ask so many of the named peers whether they opt in (20);
                         0 asks none
    -watch TIME          wait so long for the next publication, to see whether
                         anything is published at all, such as 10m
    -timeout TIME        the longest wait for one answer (15s)
    -strict              what is only recommended counts, too, and so does what
                         could not be checked

    -format FORMAT       text, json, junit or tap (text)
    -log-level LEVEL     debug, info, warn or error (error)
    -config FILE         options from a file, one per line: "format json"
    -h, -help            this text

Every option can also be given in the environment: DOCTOR_JID and so on.

In the text, ✔ is in order, ✖ is not, and – could not be checked.
Results go to stdout, everything else to stderr.

Exit status:
    0  nothing that XEP-0485 demands is violated
    1  something is
    2  a mistake in how the program was called, such as a file that is not there
    3  the account given could not be used, so nothing was checked
`

// config is what the operator wants.
type config struct {
	jid, passwordFile     string
	component, secretFile string
	server, tlsCA         string

	domain, payload string
	peers           int
	watch, timeout  time.Duration
	strict          bool
	format          string
	logLevel        slog.Level
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// parseConfig reads flags, environment and file, in this order of precedence. Flags may follow the domain.
// The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	c := new(config)
	fs := flag.NewFlagSet("doctor", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.register(fs)
	err := ff.Parse(fs, args,
		ff.WithEnvVarPrefix("DOCTOR"),
		ff.WithConfigFileFlag("config"),
		ff.WithConfigFileParser(ff.PlainParser))
	var words []string
	for err == nil && fs.NArg() > 0 {
		words = append(words, fs.Arg(0))
		err = fs.Parse(fs.Args()[1:])
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, flag.ErrHelp
	case err != nil:
		return nil, usageError{err}
	}
	if err := c.check(words); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (c *config) register(fs *flag.FlagSet) {
	for _, f := range []struct {
		p           *string
		name, value string
	}{
		{&c.jid, "jid", ""}, {&c.passwordFile, "password-file", ""},
		{&c.component, "component", ""}, {&c.secretFile, "secret-file", ""},
		{&c.server, "server", ""}, {&c.tlsCA, "tls-ca", ""},
		{&c.domain, "domain", ""}, {&c.payload, "payload", ""}, {&c.format, "format", "text"},
	} {
		fs.StringVar(f.p, f.name, f.value, "")
	}
	fs.IntVar(&c.peers, "peers", conformance.DefaultPeers, "")
	fs.DurationVar(&c.watch, "watch", 0, "")
	fs.DurationVar(&c.timeout, "timeout", 15*time.Second, "")
	fs.BoolVar(&c.strict, "strict", false, "")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelError, "")
	_ = fs.String("config", "", "")
}

// check finds what is missing or makes no sense.
func (c *config) check(words []string) error {
	switch {
	case len(words) > 1:
		return fmt.Errorf("unexpected argument %q", words[1])
	case len(words) == 1 && c.domain != "" && c.payload == "":
		return errors.New("give the domain once, with -domain or as the argument")
	case len(words) == 1 && c.payload != "":
		return fmt.Errorf("unexpected argument %q: with -payload, give the domain with -domain", words[0])
	case len(words) == 1:
		c.domain = words[0]
	}
	if !slices.Contains([]string{"text", "json", "junit", "tap"}, c.format) {
		return fmt.Errorf("-format %q is not one of text, json, junit and tap", c.format)
	}
	if c.domain == "" && c.payload == "" {
		return errors.New("give a domain, or a file with -payload")
	}
	if c.domain != "" {
		if _, err := xep.ParseName(c.domain); err != nil {
			return err
		}
	}
	if c.peers < 0 || c.watch < 0 || c.timeout <= 0 {
		return errors.New("-timeout must be positive, -peers and -watch not negative")
	}
	return c.checkAccount()
}

func (c *config) checkAccount() error {
	switch {
	case c.payload != "" && (c.jid != "" || c.component != ""):
		return errors.New("-payload needs no account: leave -jid and -component out")
	case c.payload != "" && c.watch > 0:
		return errors.New("-payload and -watch exclude each other")
	case c.jid != "" && c.component != "":
		return errors.New("give either -jid or -component")
	case c.jid != "" && c.passwordFile == "":
		return errors.New("-jid needs -password-file")
	case c.component != "" && c.secretFile == "":
		return errors.New("-component needs -secret-file")
	case c.component != "" && c.server == "":
		return errors.New("-component needs -server, for example localhost:5347")
	case c.watch > 0 && !c.hasAccount():
		return errors.New("-watch needs an account: -jid or -component")
	case !c.hasAccount():
		return nil
	}
	_, err := cli.Address(c.jid, c.component)
	return err
}

func (c *config) hasAccount() bool { return c.jid != "" || c.component != "" }

func (c *config) write(w io.Writer, r *conformance.Report) error {
	switch c.format {
	case "json":
		return r.WriteJSON(w)
	case "junit":
		return r.WriteJUnit(w)
	case "tap":
		return r.WriteTAP(w)
	}
	return r.WriteText(w)
}
