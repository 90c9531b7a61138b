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
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/cli"
)

// lastMoment is how long the program may take to end once it is asked to.
const lastMoment = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		// A second signal ends the program at once, and so does the time: whoever supervises it is about to do the same.
		stop()
		time.AfterFunc(lastMoment, func() {
			fmt.Fprintf(os.Stderr, "aggregator: still busy %v after it was asked to end, so it ends now; what was saved is whole\n", lastMoment)
			os.Exit(1)
		})
	})
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, with the exit status as its result: 0 for success, 1 for failure, 2 for a mistake in the call.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if _, ok := commands[args[0]]; ok {
			return runCommand(ctx, args[0], args[1:], stdout, stderr)
		}
	}
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
	if c.checkConfig {
		return checkConfig(ctx, c, stdout)
	}
	line := newProgress(stderr)
	if line != nil {
		stderr = line
	}
	log := cli.Logger(stderr, c.logFormat, c.logLevel)
	if err := aggregate(ctx, c, log, stdout, line); err != nil {
		fmt.Fprintf(stderr, "aggregator: %v\n", err)
		explain(stderr, err)
		return 1
	}
	return 0
}
