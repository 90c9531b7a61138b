// Command reporter publishes which domains an XMPP server federates with (XEP-0485).
//
// It is for the operators of stock Prosody and ejabberd: it connects as a component or as an administrator, reads the
// server's live connections, asks every peer whether it may be named, and keeps the result on a pubsub node.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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
		fmt.Fprintf(stderr, "reporter: %v\nRun \"reporter -h\" for help.\n", err)
		return 2
	}
	if err := serve(ctx, c, cli.Logger(stderr, c.logFormat, c.logLevel), stdout); err != nil {
		fmt.Fprintf(stderr, "reporter: %v\n", err)
		for line := range strings.Lines(sourceRemedy(c.source, err)) {
			fmt.Fprintf(stderr, "    %s\n", strings.TrimRight(line, "\n"))
		}
		return 1
	}
	return 0
}
