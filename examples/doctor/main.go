// Command doctor says why a domain does not show up in the network graph, or what is wrong with its report (XEP-0485).
//
// It looks at the domain as every other server does: names, certificates, reachability, what the domain says about itself, its
// node, and the item there.
// Each step that fails comes with what to change, for each brand of server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/remedy"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The exit statuses.
const (
	exitHealthy = 0
	exitSick    = 1
	exitUsage   = 2
	exitAccount = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], world{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, resolver: net.DefaultResolver, dial: new(net.Dialer).DialContext,
	}))
}

// world is everything outside of the program.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	resolver       resolver
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
}

// run is the program, with the exit status as its result.
func run(ctx context.Context, args []string, w world) int {
	c, err := parseConfig(args)
	var mistake usageError
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(w.stdout, usage)
		return exitHealthy
	case errors.As(err, &mistake):
		fmt.Fprintf(w.stderr, "doctor: %v\nRun \"doctor -h\" for help.\n", err)
		return exitUsage
	}
	examine := checkDomain
	if c.payload != "" {
		examine = checkPayload
	}
	r, err := examine(ctx, c, w)
	if err == nil {
		if c.strict {
			r = r.Strict()
		}
		addRemedies(r, c.domain)
		err = c.write(w.stdout, r)
	}
	if err != nil {
		return complain(w.stderr, err)
	}
	if !r.Conforms() || c.strict && len(r.Failed(conformance.Should)) > 0 {
		return exitSick
	}
	return exitHealthy
}

// complain tells of what kept the doctor from an examination.
func complain(w io.Writer, err error) int {
	fmt.Fprintf(w, "doctor: %v\n", err)
	var mistake usageError
	var account *connect.Error
	switch {
	case errors.As(err, &mistake):
		return exitUsage
	case errors.As(err, &account):
		for line := range strings.Lines(account.Remedy) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
		return exitAccount
	}
	return exitSick
}

// addRemedies completes the results that failed with what to change.
// A payload alone may be about no domain that is known.
func addRemedies(r *conformance.Report, domain string) {
	w := remedy.Where{Service: r.Service, Node: r.Node, Server: r.Server}
	w.Domain, _ = xep.ParseName(domain)
	for i := range r.Results {
		if one := &r.Results[i]; one.Status == conformance.Fail {
			one.Remedy = w.Case(one.ID)
		}
	}
}
