//go:build integration

package conformance_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/conformancetest"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

func labSession(t *testing.T, name, server string) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(name), Server: server, Secret: integration.Secret, Handler: mux.New(component.NSAccept),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// publish lets our reporter publish about a domain that is connected to one peer that opts in and one that does not.
func publish(t *testing.T, s *connect.Session, domain string, named, unnamed string) {
	t.Helper()
	conns := new(report.Connections)
	conns.Opened(domain, named, xep.Incoming)
	conns.Opened(domain, named, xep.Outgoing)
	conns.Opened(domain, unnamed, xep.Outgoing)
	r := &report.Reporter{
		Session: s, Domain: domain, Service: jid.MustParse("pubsub." + domain), Source: conns,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	_, err := r.Once(t.Context())
	require.NoError(t, err)
}

// Real servers with our reporter violate nothing, as the other one sees them.
func TestRealServers(t *testing.T) {
	lab := integration.Start(t, integration.Options{})
	a, b := labSession(t, "comp.a.test", lab.Prosody.Component()), labSession(t, "comp.b.test", lab.Ejabberd.Component())

	t.Run("stock", func(t *testing.T) {
		for domain, s := range map[string]*connect.Session{"a.test": b, "b.test": a} {
			r := run(t, s, domain)
			require.False(t, r.OptedIn, domain)
			require.Equal(t, []string{"disco-feature"}, failed(r), "%v", r.Results)
		}
	})

	lab.Prosody.Advertise(t, "a.test", true)
	lab.Ejabberd.AdvertiseNode(t, "b.test", true, "xmpp:pubsub.b.test?;node=serverinfo")
	publish(t, labSession(t, "reporter.a.test", lab.Prosody.Component()), "a.test", "b.test", "c.test")
	publish(t, labSession(t, "reporter.b.test", lab.Ejabberd.Component()), "b.test", "a.test", "c.test")
	for domain, s := range map[string]*connect.Session{"a.test": b, "b.test": a} {
		t.Run(domain, func(t *testing.T) {
			conformancetest.Run(t, s, domain)
			r := run(t, s, domain)
			require.Empty(t, failed(r))
			one, _ := r.Result("payload-peers")
			require.Equal(t, "1 named, 1 unnamed", one.Message)
			for _, level := range []conformance.Level{conformance.Must, conformance.Should} {
				require.Empty(t, r.Skipped(level))
			}
		})
	}
}
