//go:build integration

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// program runs the reporter as an operator would, and returns its output.
func program(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status := run(ctx, args, &out, &errs)
	require.Equal(t, want, status, "stdout:\n%s\nstderr:\n%s", out.String(), errs.String())
	return out.String(), errs.String()
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
	return path
}

// other is somebody on another server.
func other(t *testing.T, name, server string) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(name), Server: server, Secret: integration.Secret, Handler: mux.New(component.NSAccept),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// From Debian's configuration through what -check says to a node that the other server can read.
func TestProsodyOperator(t *testing.T) {
	lab := integration.Start(t, integration.Options{Stock: true})
	b := other(t, "comp.b.test", lab.Ejabberd.Component())
	args := []string{"-component", "reporter.a.test", "-secret-file", secretFile(t, integration.Secret), "-server", lab.Prosody.Component()}

	out, _ := program(t, 1, append(args, "-check")...)
	require.Contains(t, out, "✖ live connections from prosody")
	require.Contains(t, out, `Component "pubsub.a.test" "pubsub"  add  admins = { "reporter.a.test" }`)
	require.Contains(t, out, "✖ a.test advertises")

	lab.Prosody.Configure(t, func(c *integration.ProsodyConfig) {
		c.Admins = append(c.Admins, "reporter.a.test")
		c.PubSubAdmins = append(c.PubSubAdmins, "reporter.a.test")
	})
	// Prosody reads admins when it starts; that a reload is not enough is what the remedy says.
	lab.Prosody.Restart(t)
	lab.Prosody.Advertise(t, "a.test", true)
	out, _ = program(t, 0, append(args, "-check")...)
	require.NotContains(t, out, "✖")

	// The component of ejabberd looks for the node, and by that federates.
	lab.Ejabberd.Advertise(t, "b.test", true)
	program(t, 0, append(args, "-once")...)
	loc, err := pubsub.Locate(t.Context(), b, xep.MustName("a.test"))
	require.NoError(t, err)
	require.True(t, loc.Leaf)
	federate(t, lab)
	program(t, 0, append(args, "-once")...)
	it, err := pubsub.Fetch(t.Context(), b, loc.Service, loc.Node)
	require.NoError(t, err)
	require.Equal(t, xep.ItemCurrent, it.ID)
	t.Log(string(it.Raw))
	require.Contains(t, string(it.Raw), "b.test")
	require.NotContains(t, string(it.Raw), "c.test")

	dry, _ := program(t, 0, append(args, "-dry-run")...)
	t.Log(dry)
}

// federate makes the domains of all servers talk, through users' requests between the bare domains.
func federate(t *testing.T, lab *integration.Lab) {
	t.Helper()
	for _, s := range []struct{ jid, server string }{
		{"alice@a.test", lab.Prosody.C2S()}, {"alice@b.test", lab.Ejabberd.C2S()}, {"alice@c.test", lab.Quiet.C2S()},
	} {
		c, err := connect.Client(t.Context(), connect.Config{
			JID: jid.MustParse(s.jid), Server: s.server, Password: integration.Password, TLS: tlsFor(t, lab),
		})
		require.NoError(t, err)
		for _, to := range []string{"a.test", "b.test", "c.test"} {
			if !strings.HasSuffix(s.jid, to) {
				_, _ = pubsub.Locate(t.Context(), c, xep.MustName(to))
			}
		}
		require.NoError(t, c.Close())
	}
}

func TestEjabberdOperator(t *testing.T) {
	lab := integration.Start(t, integration.Options{})
	lab.Ejabberd.Configure(t, func(c *integration.EjabberdConfig) {
		c.NodeURI["b.test"] = "xmpp:pubsub.b.test?;node=serverinfo"
	})
	lab.Prosody.Advertise(t, "a.test", true)
	federate(t, lab)

	// Incoming and outgoing connections as a script of the operator's would find them.
	conns := filepath.Join(t.TempDir(), "conns.jsonl")
	require.NoError(t, os.WriteFile(conns, []byte(`{"remote":"a.test","direction":"outgoing"}`+"\n"+`{"remote":"c.test","direction":"incoming"}`+"\n"), 0o600))
	args := []string{"-component", "reporter.b.test", "-secret-file", secretFile(t, integration.Secret), "-server", lab.Ejabberd.Component(), "-source", "file:" + conns}
	out, _ := program(t, 0, append(args, "-check")...)
	t.Log(out)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- run(ctx, args, io.Discard, os.Stderr) }()
	a := other(t, "comp.a.test", lab.Prosody.Component())
	require.Eventually(t, func() bool {
		loc, err := pubsub.Locate(t.Context(), a, xep.MustName("b.test"))
		if err != nil {
			return false
		}
		it, err := pubsub.Fetch(t.Context(), a, loc.Service, loc.Node)
		return err == nil && strings.Contains(string(it.Raw), "a.test") && !strings.Contains(string(it.Raw), "c.test")
	}, time.Minute, 200*time.Millisecond)
	cancel()
	require.Zero(t, <-done)
	_, err := pubsub.Fetch(t.Context(), a, jid.MustParse("pubsub.b.test"), xep.DefaultNode)
	require.ErrorIs(t, err, pubsub.ErrNoItem)

	// The administrator's account sees the outgoing connections.
	dry, _ := program(t, 0, "-jid", "admin@b.test", "-password-file", secretFile(t, integration.Password),
		"-server", lab.Ejabberd.C2S(), "-tls-ca", lab.CAFile(), "-source", "ejabberd", "-dry-run")
	t.Log(dry)
	require.Contains(t, dry, `"a.test"`)
}

func tlsFor(t *testing.T, lab *integration.Lab) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: lab.CA(), MinVersion: tls.VersionTLS12}
}
