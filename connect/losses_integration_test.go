//go:build integration

package connect_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// TestRealLosses shows that the session comes back after what real servers go through.
func TestRealLosses(t *testing.T) {
	lab := integration.Shared(t)
	type control interface {
		Kill(testing.TB)
		Start(testing.TB)
		Stop(testing.TB)
		Pause(testing.TB)
		Resume(testing.TB)
	}
	for _, srv := range []struct {
		name, domain, component, c2s string
		control
	}{
		{"Prosody", lab.Prosody.Domain(), lab.Prosody.Component(), lab.Prosody.C2S(), lab.Prosody},
		{"ejabberd", lab.Ejabberd.Domain(), lab.Ejabberd.Component(), lab.Ejabberd.C2S(), lab.Ejabberd},
	} {
		quick := connect.Config{
			MinBackoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond,
			KeepAlive: 500 * time.Millisecond, IdleTimeout: 2 * time.Second, Logger: slog.New(slog.DiscardHandler),
		}
		asComponent, asClient := quick, quick
		asComponent.JID, asComponent.Secret, asComponent.Server = jid.MustParse("reporter."+srv.domain), integration.Secret, srv.component
		asClient.JID, asClient.Password, asClient.Server = jid.MustParse("alice@"+srv.domain), integration.Password, srv.c2s
		asClient.TLS = &tls.Config{RootCAs: lab.CA()}
		t.Run(srv.name, func(t *testing.T) {
			sessions := []*connect.Session{open(t, connect.Component, asComponent), open(t, connect.Client, asClient)}
			var ups []<-chan struct{}
			for _, s := range sessions {
				ups = append(ups, connections(s))
				await(t, ups[len(ups)-1], "the first connection")
			}
			settled := func() {
				t.Helper()
				for i, s := range sessions {
					await(t, ups[i], "another connection")
					ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
					_, err := disco.GetInfo(ctx, s, jid.MustParse(srv.domain), "")
					cancel()
					require.NoError(t, err)
				}
			}

			// For longer than the idle limit, pings alone keep an idle connection.
			idle := time.NewTimer(3 * time.Second)
			<-idle.C
			for _, s := range sessions {
				require.EqualValues(t, 1, s.Counters().Connects)
				require.Positive(t, s.Counters().Pings)
			}

			srv.Kill(t)
			srv.Start(t)
			settled()
			srv.Stop(t)
			srv.Start(t)
			settled()
			srv.Pause(t)
			for _, s := range sessions {
				await(t, lost(s), "the idle limit")
			}
			srv.Resume(t)
			settled()
		})
	}
}

// lost is closed when the present connection ends.
func lost(s *connect.Session) <-chan struct{} {
	c := make(chan struct{})
	s.OnConnect(func(ctx context.Context) {
		<-ctx.Done()
		select {
		case <-c:
		default:
			close(c)
		}
	})
	return c
}

// TestRealRefusals shows that real servers' refusals are understood.
func TestRealRefusals(t *testing.T) {
	lab := integration.Shared(t)
	for _, srv := range []struct {
		name, domain, component, c2s string
		unknownComponent             error
	}{
		{"Prosody", lab.Prosody.Domain(), lab.Prosody.Component(), lab.Prosody.C2S(), connect.ErrHostUnknown},
		// ejabberd makes no difference to a wrong secret.
		{"ejabberd", lab.Ejabberd.Domain(), lab.Ejabberd.Component(), lab.Ejabberd.C2S(), connect.ErrCredentials},
	} {
		ca := &tls.Config{RootCAs: lab.CA()}
		for _, c := range []struct {
			name string
			dial func(context.Context, connect.Config) (*connect.Session, error)
			cfg  connect.Config
			want error
		}{
			{"wrong password", connect.Client, connect.Config{JID: jid.MustParse("alice@" + srv.domain), Password: "wrong", Server: srv.c2s, TLS: ca}, connect.ErrCredentials},
			{"unknown account", connect.Client, connect.Config{JID: jid.MustParse("nobody@" + srv.domain), Password: "wrong", Server: srv.c2s, TLS: ca}, connect.ErrCredentials},
			{"unknown CA", connect.Client, connect.Config{JID: jid.MustParse("alice@" + srv.domain), Password: "pw", Server: srv.c2s}, connect.ErrCertificate},
			{"unknown domain", connect.Client, connect.Config{JID: jid.MustParse("alice@elsewhere.test"), Password: "pw", Server: srv.c2s, TLS: ca}, connect.ErrHostUnknown},
			{"wrong secret", connect.Component, connect.Config{JID: jid.MustParse("reporter." + srv.domain), Secret: "wrong", Server: srv.component}, connect.ErrCredentials},
			{"unknown component", connect.Component, connect.Config{JID: jid.MustParse("elsewhere.test"), Secret: integration.Secret, Server: srv.component}, srv.unknownComponent},
		} {
			t.Run(srv.name+", "+c.name, func(t *testing.T) {
				_, err := c.dial(testContext(t), c.cfg)
				t.Log(err)
				require.ErrorIs(t, err, c.want)
			})
		}
	}
}
