//go:build integration

package main

import (
	"bytes"
	"context"
	"crypto/tls"
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

// runProgram runs the reporter as an operator would, and returns its output.
func runProgram(t *testing.T, want int, args ...string) (stdout, stderr string) {
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

// eventually polls servers, which have no clock of ours to wait on.
func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	const patience, pause = 90 * time.Second, 200 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, what)
		}
		time.Sleep(pause)
	}
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

// federate makes the domains of all servers talk, through users' requests between the bare domains.
func federate(t *testing.T, lab *integration.Lab) {
	t.Helper()
	talk(t, lab, "alice@a.test", lab.Prosody.C2S(), "b.test", "c.test")
	talk(t, lab, "alice@b.test", lab.Ejabberd.C2S(), "a.test", "c.test")
	talk(t, lab, "alice@c.test", lab.Quiet.C2S(), "a.test", "b.test")
}

// talk makes a user's server connect to others.
func talk(t *testing.T, lab *integration.Lab, account, server string, to ...string) {
	t.Helper()
	c, err := connect.Client(t.Context(), connect.Config{
		JID: jid.MustParse(account), Server: server, Password: integration.Password, TLS: tlsFor(t, lab),
	})
	require.NoError(t, err)
	for _, domain := range to {
		_, _ = pubsub.Locate(t.Context(), c, xep.MustName(domain))
	}
	require.NoError(t, c.Close())
}

func tlsFor(t *testing.T, lab *integration.Lab) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: lab.CA(), MinVersion: tls.VersionTLS12}
}

// Before anything is configured, the check says what to do, for the brand that it found.
func TestCheckOnUnpreparedServers(t *testing.T) {
	lab := integration.Start(t, integration.Options{Stock: true})
	secret := secretFile(t, integration.Secret)
	out, _ := runProgram(t, 1, "-component", "reporter.a.test", "-secret-file", secret, "-server", lab.Prosody.Component(), "-check")
	require.Contains(t, out, "✖ live connections from prosody")
	require.Contains(t, out, `Component "pubsub.a.test" "pubsub"  add  admins = { "reporter.a.test" }`)
	require.Contains(t, out, "– trial publication")
	require.Contains(t, out, "✖ a.test advertises")
	require.Contains(t, out, "– peers of a.test")

	out, _ = runProgram(t, 1, "-component", "reporter.b.test", "-secret-file", secret, "-server", lab.Ejabberd.Component(), "-source", "ejabberd", "-check")
	require.Contains(t, out, "✖ live connections from ejabberd")
	require.Contains(t, out, `access_createnode`)
	require.Contains(t, out, "✖ b.test advertises")
	require.Contains(t, out, "mod_delegation: {namespaces")
	require.False(t, strings.Contains(out, "Prosody: under"), "the other brand's remedy")
}
