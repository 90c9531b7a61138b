//go:build integration

package optout

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Between two Prosodies: a contact that mod_server_contact_info publishes may, and another user of the same domain may not.
func TestRealServers(t *testing.T) {
	lab := integration.Start(t, integration.Options{})
	lab.Quiet.Configure(t, func(c *integration.ProsodyConfig) {
		c.Modules = append(c.Modules, "server_contact_info")
		c.Extra += "\nVirtualHost \"c.test\"\n\tcontact_info = { abuse = { \"mailto:abuse@c.test\", \"xmpp:alice@c.test\" } }\n"
	})
	lab.Quiet.Restart(t)

	list := &exclusion.List{Keeper: &shelf{all: make(map[xep.Name]store.Exclusion)}, Logger: quiet}
	s := &Service{List: list, Logger: quiet}
	var err error
	crawler := jid.MustParse("comp.a.test")
	session, err := connect.Component(t.Context(), connect.Config{
		JID: crawler, Secret: integration.Secret, Server: lab.Prosody.Component(), Handler: mux.New(component.NSAccept, Handle(s)), Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	s.Session = session
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	user := func(name string) *writer {
		w := &writer{to: crawler, inbox: make(chan string, 4)}
		w.Session, err = connect.Client(t.Context(), connect.Config{JID: jid.MustParse(name), Password: integration.Password,
			Server: lab.Quiet.C2S(), TLS: &tls.Config{RootCAs: lab.CA(), MinVersion: tls.VersionTLS12}, Handler: w, Logger: quiet})
		require.NoError(t, err)
		t.Cleanup(func() { _ = w.Close() })
		return w
	}
	alice, bob := user("alice@c.test"), user("bob@c.test")
	theirs := xep.MustName("c.test")
	bob.write(t, "exclude c.test")
	require.Contains(t, bob.read(t), "Not done: bob@c.test was not found among the contact addresses")
	require.False(t, list.Has(theirs))
	alice.write(t, "exclude c.test")
	require.Contains(t, alice.read(t), "c.test is excluded")
	require.True(t, list.Has(theirs))
	alice.write(t, "include c.test")
	require.Contains(t, alice.read(t), "no longer excluded")
	require.False(t, list.Has(theirs))
}
