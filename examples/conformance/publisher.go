package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/report"
)

const (
	secret   = "component-secret"
	password = "account-password"
	// patience is how long the program may take to end when it is told to.
	patience = 5 * time.Second
)

// testPublisher runs the cases.
func testPublisher(ctx context.Context, c *config, stderr io.Writer) (*conformance.Report, error) {
	if _, err := exec.LookPath(c.command[0]); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return conformance.Publisher(ctx, conformance.Subject{
		Run: func(ctx context.Context, e conformance.Environment) error {
			return runCommand(ctx, c.command, dir, e, stderr)
		},
		Settle: c.settle, Withdrawal: c.withdrawal, Window: c.window, Rate: c.rate,
		Wire: &peer.Config{Home: peer.Domain{Kind: c.kind}, Secret: secret, Password: password},
	}, c.cases...)
}

// runCommand runs the program under test until ctx ends, and then waits for it.
func runCommand(ctx context.Context, command []string, dir string, e conformance.Environment, stderr io.Writer) error {
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, e.Server.CertPEM(), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), environment(e, ca)...)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		defer stdin.Close()
		feed(ended, stdin, e)
	}()
	err = cmd.Wait()
	cancel()
	<-fed
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(errors.New("the program ended by itself"), err)
}

func environment(e conformance.Environment, ca string) []string {
	return []string{
		"XMPP_DOMAIN=" + e.Domain, "XMPP_SIBLINGS=" + strings.Join(e.Siblings, " "),
		"XMPP_SERVICE=" + e.Service.String(), "XMPP_NODE=" + e.Node,
		"XMPP_COMPONENT=reporter." + e.Domain, "XMPP_COMPONENT_ADDR=" + e.Server.ComponentAddr(), "XMPP_SECRET=" + secret,
		"XMPP_ACCOUNT=" + e.Server.Account().String(), "XMPP_PASSWORD=" + password,
		"XMPP_CLIENT_ADDR=" + e.Server.ClientAddr(), "XMPP_DIRECT_ADDR=" + e.Server.DirectAddr(), "XMPP_CA_FILE=" + ca,
	}
}

// feed writes the live connections now and after each change, until ctx ends or nobody reads.
func feed(ctx context.Context, w io.Writer, e conformance.Environment) {
	for {
		changed := e.Changed()
		all, err := e.Connections.Connections(ctx)
		if err != nil {
			return
		}
		if all == nil {
			all = []report.Connection{}
		}
		b, err := json.Marshal(map[string][]report.Connection{"connections": all})
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "%s\n", b); err != nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
