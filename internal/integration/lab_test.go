//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(With(m, Options{})) }

const patience = 30 * time.Second

func dial(t *testing.T, s *server, name string) *component {
	t.Helper()
	c, err := dialComponent(s.Component(), name, func(iqIn) string { return "" })
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.close() })
	return c
}

func ask(t *testing.T, c *component, to string) iqIn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	iq, err := c.discoInfo(ctx, to)
	require.NoError(t, err)
	return iq
}

func TestServersFederate(t *testing.T) {
	lab := Shared(t)
	fromA := dial(t, &lab.Prosody.server, "reporter.a.test")
	fromB := dial(t, &lab.Ejabberd.server, "crawler.b.test")
	fromC := dial(t, &lab.Quiet.server, "comp.c.test")
	tests := map[string]struct {
		from     *component
		to       string
		software string
	}{
		"Prosody to ejabberd":         {fromA, "b.test", "ejabberd"},
		"Prosody to its sibling host": {fromA, "a2.test", "Prosody"},
		"Prosody to ejabberd pubsub":  {fromA, "pubsub.b2.test", "Publish-Subscribe"},
		"ejabberd to Prosody":         {fromB, "a.test", "Prosody"},
		"ejabberd to Prosody pubsub":  {fromB, "pubsub.a.test", "PubSub"},
		"ejabberd to the quiet peer":  {fromB, "c.test", "Prosody"},
		"quiet peer to Prosody":       {fromC, "a.test", "Prosody"},
		"quiet peer to ejabberd":      {fromC, "b.test", "ejabberd"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			iq := ask(t, tc.from, tc.to)
			require.Equal(t, "result", iq.Type)
			require.Equal(t, tc.to, iq.From)
			require.False(t, iq.has(nsServerInfo), "nobody advertises yet")
			require.NotEmpty(t, iq.Query.Identities)
			names := ""
			for _, id := range iq.Query.Identities {
				names += id.Name
			}
			require.Contains(t, names, tc.software)
		})
	}
	require.Contains(t, lab.Prosody.Shell(t, "s2s:show()"), "b.test")
}

func TestUnreachableNames(t *testing.T) {
	lab := Shared(t)
	for name, c := range map[string]*component{
		"Prosody":  dial(t, &lab.Prosody.server, "comp.a.test"),
		"ejabberd": dial(t, &lab.Ejabberd.server, "comp.b.test"),
	} {
		for _, to := range []string{"refused.test", "spare.test", "nosuch.test"} {
			t.Run(name+" to "+to, func(t *testing.T) {
				require.Equal(t, "error", ask(t, c, to).Type)
			})
		}
	}
}

func TestAdvertise(t *testing.T) {
	lab := Shared(t)
	fromB := dial(t, &lab.Ejabberd.server, "comp.b.test")
	fromC := dial(t, &lab.Quiet.server, "comp.c.test")
	type advertise func(t testing.TB, domain string, on bool, uri string)
	for domain, tc := range map[string]struct {
		set  advertise
		from *component
	}{
		"a.test":  {lab.Prosody.AdvertiseNode, fromB},
		"a2.test": {lab.Prosody.AdvertiseNode, fromB},
		"b.test":  {lab.Ejabberd.AdvertiseNode, fromC},
		"b2.test": {lab.Ejabberd.AdvertiseNode, fromC},
		"c.test":  {lab.Quiet.AdvertiseNode, fromB},
	} {
		t.Run(domain, func(t *testing.T) {
			node := defaultNode(domain)
			require.False(t, ask(t, tc.from, domain).has(nsServerInfo))

			tc.set(t, domain, true, node)
			on := ask(t, tc.from, domain)
			require.True(t, on.has(nsServerInfo))
			require.Contains(t, on.Query.Values, node)

			tc.set(t, domain, true, node+"/other")
			require.Contains(t, ask(t, tc.from, domain).Query.Values, node+"/other")

			tc.set(t, domain, true, "")
			bare := ask(t, tc.from, domain)
			require.True(t, bare.has(nsServerInfo))
			require.NotContains(t, bare.Query.Values, node)

			tc.set(t, domain, false, "")
			require.False(t, ask(t, tc.from, domain).has(nsServerInfo))
		})
	}
}

// restartable is what a test of reconnecting needs.
type restartable interface {
	PID() int
	C2S() string
	Start(testing.TB)
	Stop(testing.TB)
	Kill(testing.TB)
	Restart(testing.TB)
	Advertise(t testing.TB, domain string, on bool)
	Domain() string
}

func TestRestart(t *testing.T) {
	lab := Shared(t)
	for name, s := range map[string]restartable{"Prosody": lab.Prosody, "ejabberd": lab.Ejabberd} {
		t.Run(name, func(t *testing.T) {
			s.Advertise(t, s.Domain(), true)
			before := s.PID()
			s.Restart(t)
			require.NotZero(t, s.PID())
			require.NotEqual(t, before, s.PID())
			s.Kill(t)
			require.Zero(t, s.PID())
			_, err := net.Dial("tcp4", s.C2S())
			require.Error(t, err)
			s.Start(t)
			c := dial(t, &lab.Quiet.server, "comp.c.test")
			require.True(t, ask(t, c, s.Domain()).has(nsServerInfo), "an advertisement survives")
			s.Advertise(t, s.Domain(), false)
			require.False(t, ask(t, c, s.Domain()).has(nsServerInfo))
		})
	}
}

func TestPause(t *testing.T) {
	lab := Shared(t)
	for name, tc := range map[string]struct {
		s         *server
		component string
	}{
		"Prosody":  {&lab.Prosody.server, "comp.a.test"},
		"ejabberd": {&lab.Ejabberd.server, "comp.b.test"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, tc.s, tc.component)
			tc.s.Pause(t)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := c.discoInfo(ctx, tc.s.Domain())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			tc.s.Resume(t)
			require.Equal(t, "result", ask(t, c, tc.s.Domain()).Type)
		})
	}
}

func TestConfigureAndCtl(t *testing.T) {
	lab := Shared(t)
	was := lab.Prosody.Config().Admins
	lab.Prosody.Configure(t, func(c *ProsodyConfig) { c.Admins = []string{"boss@a.test"} })
	defer lab.Prosody.Configure(t, func(c *ProsodyConfig) { c.Admins = was })
	require.Contains(t, lab.Prosody.Shell(t, `> return require"core.configmanager".get("*", "admins")[1]`), "boss@a.test")
	require.FileExists(t, lab.Prosody.AdminSocket())
	require.Contains(t, lab.Ejabberd.Ctl(t, "registered_users", "b.test"), "alice")
	lab.Ejabberd.Configure(t, func(c *EjabberdConfig) { c.Modules["mod_time"] = "{}" })
	defer lab.Ejabberd.Configure(t, func(c *EjabberdConfig) { delete(c.Modules, "mod_time") })
	c := dial(t, &lab.Ejabberd.server, "comp.b.test")
	require.True(t, ask(t, c, "b.test").has("urn:xmpp:time"))
}

func TestDirectTLS(t *testing.T) {
	lab := Shared(t)
	for _, s := range lab.servers() {
		t.Run(s.Domain(), func(t *testing.T) {
			// A server that has just read its configuration anew may leave a connection of that moment without an answer.
			dialer := &net.Dialer{Timeout: 5 * time.Second}
			var conn *tls.Conn
			var err error
			for range 6 {
				conn, err = tls.DialWithDialer(dialer, "tcp4", s.DirectTLS(), &tls.Config{RootCAs: lab.CA(), ServerName: s.Domain()})
				if err == nil {
					break
				}
			}
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		})
	}
}

// TestTwoLabs starts a second lab beside the shared one, as another test package would, and stops it.
func TestTwoLabs(t *testing.T) {
	first := Shared(t)
	second, err := start(Options{Stock: true, Debug: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.close() })
	require.NotEqual(t, first.Prosody.C2S(), second.Prosody.C2S())
	c, err := dialComponent(second.Prosody.Component(), "comp.a.test", func(iqIn) string { return "" })
	require.NoError(t, err)
	require.Equal(t, "result", ask(t, c, "b.test").Type)
	require.NoError(t, c.close())
	require.Contains(t, second.Prosody.Logs(), "b.test")
	require.Contains(t, second.Ejabberd.Logs(), "a.test")
	for _, s := range second.servers() {
		s.Stop(t)
		require.Zero(t, s.PID())
	}
	require.NoError(t, second.close())
	_, err = os.Stat(second.dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	l, err := net.Listen("tcp4", second.Ejabberd.C2S())
	require.NoError(t, err, "nothing of it is left")
	require.NoError(t, l.Close())
}
