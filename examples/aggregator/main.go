// Command aggregator draws the network of XMPP servers from what they report about themselves (XEP-0485).
//
// It crawls from a few seeds over an XMPP session, and serves the result as a page and as data.json.
// With -demo it invents a network, so that everything can be seen without an account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, with the exit status as its result: 0 for success, 1 for failure, 2 for a mistake in the call.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseConfig(args)
	var usageErr usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case errors.As(err, &usageErr):
		fmt.Fprintf(stderr, "aggregator: %v\nRun \"aggregator -h\" for help.\n", err)
		return 2
	}
	line := newProgress(stderr)
	if line != nil {
		stderr = line
	}
	log := cli.Logger(stderr, c.logFormat, c.logLevel)
	if err := aggregate(ctx, c, log, stdout, line); err != nil {
		fmt.Fprintf(stderr, "aggregator: %v\n", err)
		return 1
	}
	return 0
}
