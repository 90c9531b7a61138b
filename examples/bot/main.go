// Command bot answers questions about the network of XMPP servers (XEP-0485) in direct chats and in rooms.
//
// What it knows comes from a crawl of its own (own_crawl.go) or from an aggregator's HTTP API (from_api.go).
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
	"github.com/xmppgraph/xmppgraph/examples/internal/talk"
	"github.com/xmppgraph/xmppgraph/optin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, with the exit status as its result: 0 for success, 1 for failure, 2 for a mistake in the call.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseConfig(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "bot: %v\nRun \"bot -h\" for help.\n", err)
		return 2
	}
	serve := ownCrawl
	if c.api != "" {
		serve = fromAPI
	}
	if err := serve(ctx, c, cli.Logger(stderr, c.logFormat, c.logLevel)); err != nil {
		fmt.Fprintf(stderr, "bot: %v\n", err)
		return 1
	}
	return 0
}

// converse connects the bot's account. The context that it returns ends with the session as well, and its cause says why.
func converse(ctx context.Context, c *config, log *slog.Logger, bot *chat.Bot, identity mux.Option) (context.Context, *talk.Talker, *connect.Session, error) {
	t := &talk.Talker{Address: c.address, Bot: bot, Rooms: c.rooms, Nick: c.nick, Logger: log}
	cfg := connect.Config{
		JID: c.address, Server: c.server, Logger: log,
		Handler: t.Handler(mux.New(stanza.NSClient, identity, optin.Handle())),
	}
	var err error
	if cfg.Password, err = cli.Secret(c.passwordFile); err != nil {
		return nil, nil, nil, err
	}
	if c.tlsCA != "" {
		pool, err := cli.Roots(c.tlsCA)
		if err != nil {
			return nil, nil, nil, err
		}
		cfg.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	s, err := connect.Client(ctx, cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	t.Session = s
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		<-s.Done()
		cancel(s.Err())
	}()
	return ctx, t, s, nil
}

// ended returns why the program ends, nil where that was asked for.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
