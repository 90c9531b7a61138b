// Command conformance tests publishers and consumers of XEP-0485 that are written in any language.
//
// It puts a network on loopback TCP, which programs join as a component or a client: for a publisher, peers that give and withdraw
// their consent, answer with errors and garbage, or not at all; for a consumer, domains as odd and as hostile as real ones.
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

	"github.com/xmppgraph/xmppgraph/conformance"
)

// The exit statuses.
const (
	exitConforms = 0
	exitViolates = 1
	exitUsage    = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program, with the exit status as its result.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseConfig(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitConforms
	case err != nil:
		fmt.Fprintf(stderr, "conformance: %v\nRun \"conformance -h\" for help.\n", err)
		return exitUsage
	}
	if c.command == nil {
		err = serveNetwork(ctx, c, stdout)
	} else {
		var r *conformance.Report
		if r, err = testPublisher(ctx, c, stderr); err == nil {
			return tell(r, c, stdout, stderr)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "conformance: %v\n", err)
		return exitViolates
	}
	return exitConforms
}

// tell writes the report, and returns the exit status.
func tell(r *conformance.Report, c *config, stdout, stderr io.Writer) int {
	if c.strict {
		r = r.Strict()
	}
	write := map[string]func(io.Writer) error{"text": r.WriteText, "json": r.WriteJSON, "junit": r.WriteJUnit, "tap": r.WriteTAP}[c.format]
	if err := write(stdout); err != nil {
		fmt.Fprintf(stderr, "conformance: %v\n", err)
		return exitViolates
	}
	if !r.Conforms() || c.strict && len(r.Failed(conformance.Should)) > 0 {
		return exitViolates
	}
	return exitConforms
}
