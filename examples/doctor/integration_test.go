//go:build integration

package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// hosts is the DNS of a lab.
type hosts map[string]string

func (h hosts) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

func (h hosts) LookupHost(_ context.Context, host string) ([]string, error) {
	if addr, ok := h[host]; ok {
		return []string{addr}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func addrOf(t *testing.T, hostport string) string {
	t.Helper()
	host, _, err := net.SplitHostPort(hostport)
	require.NoError(t, err)
	return host
}

// clinic is a lab with an account on ejabberd, from which Prosody's domain is examined.
type clinic struct {
	lab   *integration.Lab
	names hosts
	args  []string
	owner *connect.Session
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	lab := integration.Start(t, integration.Options{})
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(integration.Secret), 0o600))
	owner, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse("reporter.a.test"), Server: lab.Prosody.Component(), Secret: integration.Secret, Handler: mux.New(component.NSAccept),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = owner.Close() })
	prosody := addrOf(t, lab.Prosody.Component())
	return &clinic{
		lab: lab, owner: owner, names: hosts{"a.test": prosody, "pubsub.a.test": prosody},
		args: []string{"-component", "comp.b.test", "-server", lab.Ejabberd.Component(), "-secret-file", secret, "-tls-ca", lab.CAFile()},
	}
}

// examine runs the program as an operator would.
func (c *clinic) examine(t *testing.T, want int, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	status := run(ctx, append(append([]string(nil), c.args...), args...), world{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs, resolver: c.names, dial: new(net.Dialer).DialContext,
	})
	require.Equal(t, want, status, "stdout:\n%s\nstderr:\n%s", out.String(), errs.String())
	return out.String()
}

// set sends the owner's request to the service.
func (c *clinic) set(t *testing.T, payload string) {
	t.Helper()
	_, err := roundtrip.Do(t.Context(), c.owner, roundtrip.Request{
		Type: stanza.SetIQ, To: jid.MustParse("pubsub.a.test"), Payload: []byte(payload),
	})
	require.NoError(t, err)
}

func (c *clinic) configure(t *testing.T, field, value string) {
	t.Helper()
	c.set(t, "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='serverinfo'><x xmlns='jabber:x:data' type='submit'>"+
		"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>"+
		"<field var='"+field+"'><value>"+value+"</value></field></x></configure></pubsub>")
}

func (c *clinic) item(t *testing.T, payload string) {
	t.Helper()
	c.set(t, "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='serverinfo'><item id='current'>"+payload+"</item></publish></pubsub>")
}

// From a stock Prosody through what goes wrong on the way to a domain where everything is in order.
func TestProsodyPatient(t *testing.T) {
	c := newClinic(t)
	out := c.examine(t, 1, "a.test")
	for _, ok := range []string{"dns-domain", "s2s-domain", "tls-domain", "disco-answer", "dns-service", "s2s-service", "tls-service"} {
		require.Regexp(t, "✔ MUST   "+ok, out)
	}
	require.Contains(t, out, "the domain does not opt in, and may not be named")
	require.Contains(t, out, "→ Prosody: load mod_pubsub_serverinfo")

	c.lab.Prosody.Advertise(t, "a.test", true)
	require.Contains(t, c.examine(t, 1, "a.test"), `✖ MUST   node-exists                  there is no node "serverinfo" on pubsub.a.test`)

	r := &report.Reporter{
		Session: c.owner, Domain: "a.test", Service: jid.MustParse("pubsub.a.test"), Source: new(report.Connections),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	_, err := r.Once(t.Context())
	require.NoError(t, err)
	require.NotContains(t, c.examine(t, 0, "-strict", "a.test"), "✖")

	delete(c.names, "pubsub.a.test")
	require.Contains(t, c.examine(t, 1, "a.test"), "✖ MUST   dns-service")
	c.names["pubsub.a.test"] = addrOf(t, c.lab.Ejabberd.Component())
	require.Contains(t, c.examine(t, 1, "a.test"), "✖ MUST   s2s-service                  pubsub.a.test:5269: the server ends the stream: host-unknown")
	c.names["pubsub.a.test"] = c.names["a.test"]

	c.item(t, "<serverinfo xmlns='"+xep.NS+"'/>")
	require.Contains(t, c.examine(t, 1, "a.test"), "✖ MUST   payload-domain ")
	c.item(t, "<serverinfo xmlns='"+xep.NS+"'><domain name='a2.test'><federation/></domain></serverinfo>")
	require.Contains(t, c.examine(t, 1, "a.test"), "the payload does not describe a.test")
	c.item(t, "<serverinfo xmlns='"+xep.NS+"'><domain name='a.test'><federation><remote-domain name='c.test'/></federation></domain></serverinfo>")
	require.Contains(t, c.examine(t, 1, "a.test"), "✖ MUST   privacy-peers")

	c.configure(t, "pubsub#access_model", "whitelist")
	require.Contains(t, c.examine(t, 0, "a.test"), "✖ SHOULD node-open")
	c.configure(t, "pubsub#access_model", "open")
	c.configure(t, "pubsub#persist_items", "0")
	require.Contains(t, c.examine(t, 0, "a.test"), "✖ SHOULD node-persistent")
}
