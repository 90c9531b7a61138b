//go:build integration

package integration_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// brand is what a test needs that treats both brands alike.
type brand interface {
	Domain() string
	C2S() string
	DirectTLS() string
	Component() string
}

// TestSessions logs in with every account and as a component at each server, by the library's own room,
// and asks another server something.
func TestSessions(t *testing.T) {
	lab := integration.Shared(t)
	for _, s := range []brand{lab.Prosody, lab.Ejabberd, lab.Quiet} {
		peer := "a.test"
		if s.Domain() == peer {
			peer = "b.test"
		}
		for _, account := range integration.Accounts {
			cfg := connect.Config{
				JID:      jid.MustParse(account + "@" + s.Domain()),
				Password: integration.Password,
				Server:   s.C2S(),
				TLS:      &tls.Config{RootCAs: lab.CA()},
			}
			t.Run(account+"@"+s.Domain(), func(t *testing.T) { askOver(t, connect.Client, cfg, peer) })
			cfg.Server, cfg.Direct = s.DirectTLS(), true
			t.Run(account+"@"+s.Domain()+" direct TLS", func(t *testing.T) { askOver(t, connect.Client, cfg, peer) })
		}
		name := "reporter." + s.Domain()
		cfg := connect.Config{JID: jid.MustParse(name), Server: s.Component(), Secret: integration.Secret}
		t.Run(name, func(t *testing.T) { askOver(t, connect.Component, cfg, peer) })
	}
}

type dialler func(context.Context, connect.Config) (*connect.Session, error)

func askOver(t *testing.T, dial dialler, cfg connect.Config, peer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := dial(ctx, cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	info, err := disco.GetInfo(ctx, s, jid.MustParse(peer), "")
	require.NoError(t, err)
	require.True(t, info.Identity("server", "im"))
}
