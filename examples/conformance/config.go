package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
)

const usage = `Usage:
    conformance publisher [OPTION…] COMMAND [ARGUMENT…]
    conformance network [OPTION…]

Tests programs in any language for XEP-0485, on a network on loopback TCP.

conformance publisher starts COMMAND anew for each case, in real time. The
program connects as a component (XEP-0114) or a client, and publishes about the
domain XMPP_DOMAIN until it is told to end by SIGTERM. Let it look every second
or so. Its environment says where to go:

    XMPP_DOMAIN          the domain to publish about
    XMPP_SIBLINGS        other domains of the same server, with spaces between
    XMPP_SERVICE         the pubsub service, and
    XMPP_NODE            the node to publish on
    XMPP_COMPONENT       an address for a component,
    XMPP_COMPONENT_ADDR  HOST:PORT where it connects, and
    XMPP_SECRET          its secret
    XMPP_ACCOUNT         the account of a client, an administrator,
    XMPP_CLIENT_ADDR     HOST:PORT where it connects (StartTLS),
    XMPP_DIRECT_ADDR     the same with TLS from the start, and
    XMPP_PASSWORD        its password
    XMPP_CA_FILE         the authority of the server's certificate (PEM)

On its standard input, each line is the whole of the live connections, as JSON:

    {"connections":[{"local":"…","remote":"…","direction":"incoming"}]}

The same can be asked of the server in the ways of Prosody and ejabberd.

    -server KIND         what the server is like: prosody or ejabberd (prosody)
    -settle TIME         how long it may take until the first publication, and
                         until a change of connections shows (10s)
    -withdrawal TIME     within which it ceases to name whoever ceases to opt in,
                         as its documentation says (30s)
    -rate N              how often it may publish in a window (30)
    -window TIME         that window (12s, which is to a program that looks every
                         second what an hour is to one that does every 5 min)
    -case ID             only this case; repeat for more
    -strict              what is only recommended counts, too, and so does what
                         could not be checked
    -format FORMAT       text, json, junit or tap (text)

conformance network serves until it is interrupted. Its standard output is one
JSON object: where to connect, and what there is to be found.

    -server KIND         as above
    -domains N           so many domains, linked like those of the real network
    -seed N              other ones (1)
    -zoo                 a domain for each kind of publisher, each oddity of real
                         servers and each misdeed of hostile ones

Exit status:
    0  nothing that XEP-0485 demands is violated
    1  something is, or the network could not be served
    2  a mistake in how the program was called
`

// config is what the caller wants.
type config struct {
	kind                       peer.Kind
	settle, withdrawal, window time.Duration
	rate                       int
	cases                      cli.List
	strict                     bool
	format                     string
	// command is what to test, nil for a network alone.
	command []string

	domains int
	seed    uint64
	zoo     bool
}

var errMode = errors.New(`what to do: "publisher COMMAND" or "network"`)

// parseConfig reads the mode, its flags and what follows them. The error is flag.ErrHelp where only the usage was asked for.
func parseConfig(args []string) (*config, error) {
	if len(args) == 0 {
		return nil, errMode
	}
	c := new(config)
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	server := fs.String("server", "prosody", "")
	switch args[0] {
	case "publisher":
		c.registerPublisher(fs)
	case "network":
		fs.IntVar(&c.domains, "domains", 0, "")
		fs.Uint64Var(&c.seed, "seed", 1, "")
		fs.BoolVar(&c.zoo, "zoo", false, "")
	case "-h", "-help", "--help":
		return nil, flag.ErrHelp
	default:
		return nil, errMode
	}
	if err := fs.Parse(args[1:]); err != nil {
		return nil, err
	}
	kinds := map[string]peer.Kind{"prosody": peer.StockProsody, "ejabberd": peer.StockEjabberd}
	if c.kind = kinds[*server]; c.kind == 0 {
		return nil, fmt.Errorf("-server %q is not prosody or ejabberd", *server)
	}
	if args[0] == "publisher" {
		c.command = fs.Args()
		return c, c.checkPublisher()
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected %q", fs.Arg(0))
	}
	return c, nil
}

func (c *config) registerPublisher(fs *flag.FlagSet) {
	fs.DurationVar(&c.settle, "settle", 10*time.Second, "")
	fs.DurationVar(&c.withdrawal, "withdrawal", 30*time.Second, "")
	fs.DurationVar(&c.window, "window", 12*time.Second, "")
	fs.IntVar(&c.rate, "rate", conformance.DefaultRate, "")
	fs.Var(&c.cases, "case", "")
	fs.BoolVar(&c.strict, "strict", false, "")
	fs.StringVar(&c.format, "format", "text", "")
}

func (c *config) checkPublisher() error {
	if len(c.command) == 0 {
		return errors.New("which command to test is missing")
	}
	if !slices.Contains([]string{"text", "json", "junit", "tap"}, c.format) {
		return fmt.Errorf("-format %q is not text, json, junit or tap", c.format)
	}
	for _, id := range c.cases {
		if one, ok := conformance.Lookup(id); !ok || one.Needs != conformance.NeedPublisher {
			return fmt.Errorf("-case %q is not a case of a publisher", id)
		}
	}
	return nil
}
