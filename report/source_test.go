package report

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The lines are those of Prosody 0.12.3.
func TestParseS2SLine(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       Connection
		ok         bool
	}{
		{"outgoing", " -> b.test [s2sout563232df7400] (authenticated, SASL, encrypted)", Connection{Remote: "b.test", Direction: xep.Outgoing}, true},
		{"incoming", " <- b.test [s2sin563232e062a0] (authenticated, SASL, encrypted)", Connection{Remote: "b.test", Direction: xep.Incoming}, true},
		{"claimed only", " <- evil.example [s2sin563232e05fa0] ()", Connection{}, false},
		{"encrypted only", " <- b.test [s2sin5583cd958370] (encrypted)", Connection{}, false},
		{"SASL without a valid certificate", " -> b.test [s2sout5583cd92af80] (SASL, encrypted)", Connection{}, false},
		{"not encrypted", " -> b.test [s2sout1] (authenticated)", Connection{}, false},
		{"flags in the name", " <- x(authenticated, encrypted) [s2sin1] ()", Connection{}, false},
		{"words in the name", " <- (authenticated, encrypted) x [s2sin1] (encrypted)", Connection{}, false},
		{"a negated flag", " <- b.test [s2sin1] (not authenticated, encrypted)", Connection{}, false},
		{"no name", " <- [s2sin1] (authenticated, encrypted)", Connection{}, false},
		{"empty", "", Connection{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, ok := parseS2SLine(tc.line)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.want, c)
		})
	}
}

func FuzzParseS2SLine(f *testing.F) {
	f.Add(" -> b.test [s2sout563232df7400] (authenticated, SASL, encrypted)")
	f.Add(" <- evil.example [s2sin563232e05fa0] ()")
	f.Fuzz(func(t *testing.T, line string) {
		c, ok := parseS2SLine(line)
		require.Equal(t, ok, c.Remote != "")
		require.NotContains(t, c.Remote, " ")
	})
}

func connected(t *testing.T, srv *testserver.Server, name string) *xmpp.Session {
	t.Helper()
	nc, err := net.Dial("tcp", srv.ComponentAddr())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s, err := component.NewSession(ctx, jid.MustParse(name), []byte(testserver.Secret), nc)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(mux.New(component.NSAccept))
	}()
	t.Cleanup(func() {
		_ = nc.Close()
		<-done
	})
	return s
}

func TestAdminSources(t *testing.T) {
	host := jid.MustParse(testserver.HomeName)
	for _, tc := range []struct {
		profile testserver.Profile
		source  func(Session) Source
		want    []Connection
	}{
		{testserver.StockProsody, func(s Session) Source { return ProsodyAdHoc{s, host} }, []Connection{
			{Local: "me.test", Remote: "in.test", Direction: xep.Incoming},
			{Local: "me.test", Remote: "out.test", Direction: xep.Outgoing},
		}},
		{testserver.StockEjabberd, func(s Session) Source { return EjabberdOutgoing{s, host} }, []Connection{
			{Local: "me.test", Remote: "out.test", Direction: xep.Outgoing},
		}},
	} {
		t.Run(tc.profile.String(), func(t *testing.T) {
			srv := testserver.New(testserver.Config{Home: testserver.Domain{Name: testserver.HomeName, Profile: tc.profile}})
			t.Cleanup(func() { _ = srv.Close() })
			srv.AddDomain(testserver.Domain{Name: "other.test"})
			srv.Domain(testserver.HomeName).SetConnections(
				testserver.Connection{Remote: "in.test"},
				testserver.Connection{Remote: "out.test", Outgoing: true},
				testserver.Connection{Remote: "evil.test", Pending: true},
			)
			got, err := tc.source(connected(t, srv, "reporter.me.test")).Connections(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, tc.want, got)

			_, err = tc.source(connected(t, srv, "stranger.other.test")).Connections(t.Context())
			require.Error(t, err)
			if tc.profile == testserver.StockProsody {
				require.ErrorIs(t, err, ErrNotAdmin)
			}
		})
	}
}

func TestConnections(t *testing.T) {
	c := new(Connections)
	in := c.Opened("shakespeare.lit", "Denmark.lit", xep.Incoming)
	in2 := c.Opened("SHAKESPEARE.lit", "denmark.lit.", xep.Incoming)
	bidi := c.Opened("shakespeare.lit", "yorick.lit", xep.Bidi)
	odd := c.Opened("shakespeare.lit", "No Name", xep.Bidi)
	got, err := c.Connections(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []Connection{
		{"shakespeare.lit", "denmark.lit", xep.Incoming},
		{"shakespeare.lit", "denmark.lit", xep.Incoming},
		{"shakespeare.lit", "yorick.lit", xep.Bidi},
		{"shakespeare.lit", "no name", xep.Bidi},
	}, got)
	in()
	in()
	require.Equal(t, 3, c.Len(), "closing twice closes one")
	in2()
	bidi()
	odd()
	require.Zero(t, c.Len())
	for i := range c.shards {
		require.Empty(t, c.shards[i].counts, "nothing is kept")
	}
}

func TestConnectionsFromManyGoroutines(t *testing.T) {
	c := new(Connections)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 500 {
				closed := c.Opened("shakespeare.lit", string(rune('a'+(g+i)%26))+".test", xep.Outgoing)
				if i%50 == 0 {
					_, _ = c.Connections(t.Context())
				}
				closed()
			}
		})
	}
	wg.Wait()
	require.Zero(t, c.Len())
}

func TestAskSoftware(t *testing.T) {
	srv := testserver.New(testserver.Config{Home: testserver.Domain{Name: testserver.HomeName, Profile: testserver.StockProsody}})
	t.Cleanup(func() { _ = srv.Close() })
	s := connected(t, srv, "reporter.me.test")
	got, err := AskSoftware(t.Context(), s, jid.MustParse(testserver.HomeName))
	require.NoError(t, err)
	require.NotEmpty(t, got.Name)
	require.NotEmpty(t, got.Version)
	require.Empty(t, got.OS)
	_, err = AskSoftware(t.Context(), s, jid.MustParse("user@"+testserver.HomeName))
	require.Error(t, err)
}
