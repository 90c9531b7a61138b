//go:build integration

package postgres_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		os.Exit(write())
	}
	leak.Main(m)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func open(t testing.TB, url string, now func() time.Time) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// record is a domain that may be named for an hour and reports peers.
func record(domain string, peers ...string) crawl.Record {
	r := crawl.Record{
		Domain: xep.MustName(domain), Due: noon, Added: noon, Answered: noon, Mentioned: noon, Advertised: true,
		Until: noon.Add(time.Hour), Reported: noon, Hash: [32]byte{1},
	}
	r.Report = &graph.Report{Domain: r.Domain, At: noon, Until: r.Until, Unnamed: 3}
	for _, p := range peers {
		r.Report.Peers = append(r.Report.Peers, graph.Peer{Name: xep.MustName(p), Directions: graph.Out})
	}
	return r
}

func records(t *testing.T, s *postgres.Store) map[string]crawl.Record {
	t.Helper()
	all := make(map[string]crawl.Record)
	for rec, err := range s.Load(t.Context()) {
		require.NoError(t, err)
		all[rec.Domain.String()] = rec
	}
	return all
}

// TestStore needs a server that goes on.
func TestStore(t *testing.T) {
	server := pgtest.Start(t)
	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Opener {
			url := server.Schema(t)
			return func(t *testing.T, now func() time.Time) store.Store { return open(t, url, now) }
		})
	})
	for name, test := range map[string]func(*testing.T, *pgtest.Server){
		"migration": migration, "opening": opening, "clock of the database": clockOfTheDatabase,
		"killed writer": killedWriter, "disk full": diskFull,
		"share": shareContract, "holding at once": holdingAtOnce, "cut off": cutOff, "calling": calling, "mentioning": mentioning, "visits that were called for": calledVisits, "hearing": hearing, "following": following, "moves": movesBetweenDatabases,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

// migration starts from the first schema as it was frozen, with data in it. Never change that file.
func migration(t *testing.T, server *pgtest.Server) {
	frozen, err := os.ReadFile("testdata/schema1.sql")
	require.NoError(t, err)
	url := server.Schema(t)
	server.Exec(t, url, string(frozen))
	s := open(t, url, clock)
	want := record("a.test", "b.test", "bücher.example")
	silent := crawl.Record{Domain: xep.MustName("silent.test"), Due: noon, Added: noon, Failures: 7, GivenUp: true}
	require.Equal(t, map[string]crawl.Record{"a.test": want, "silent.test": silent}, records(t, s))

	g := graph.New(graph.Options{Now: clock})
	g.Apply(*want.Report)
	at, err := s.Observed(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero(), at)
	require.NoError(t, s.Observe(t.Context(), g.Snapshot()))
	at, err = s.Observed(t.Context())
	require.NoError(t, err)
	require.True(t, at.Equal(noon), at)
	past, err := s.Past(t.Context(), want.Domain)
	require.NoError(t, err)
	require.Len(t, past.Seen, 1)
	swept, err := s.Sweep(t.Context(), store.Retention{})
	require.NoError(t, err)
	require.Zero(t, swept)
	visit := store.Visit{Domain: want.Domain, At: noon, Outcome: "report", Steps: []store.Step{{Name: "fetch", Status: "ok"}}}
	require.NoError(t, s.Note(t.Context(), visit))
	told, err := s.Visited(t.Context(), want.Domain)
	require.NoError(t, err)
	require.Equal(t, visit, told)
}

func opening(t *testing.T, server *pgtest.Server) {
	t.Run("newer than the program", func(t *testing.T) {
		url := server.Schema(t)
		server.Exec(t, url, "CREATE TABLE schema_version (version integer)", "INSERT INTO schema_version VALUES (99)")
		_, err := postgres.Open(t.Context(), url, postgres.Options{})
		var ve *store.VersionError
		require.ErrorAs(t, err, &ve)
		require.Equal(t, 99, ve.Database)
	})
	t.Run("many processes start at once", func(t *testing.T) {
		url := server.Schema(t)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				s, err := postgres.Open(t.Context(), url, postgres.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("no server", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), "host="+t.TempDir()+" user=me password=secret dbname=x", postgres.Options{})
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.NotContains(t, err.Error(), "secret")
	})
	t.Run("no URL", func(t *testing.T) {
		_, err := postgres.Open(t.Context(), "postgres://me:secret@host:port/x", postgres.Options{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	})
}

// clockOfTheDatabase judges verdicts without a clock of one's own.
func clockOfTheDatabase(t *testing.T, server *pgtest.Server) {
	s := open(t, server.Schema(t), nil)
	alive, lapsed := record("a.test"), record("b.test")
	alive.Until, lapsed.Until = time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{alive, lapsed}}))
	n := 0
	for r, err := range s.Live(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, alive.Domain, r.Domain)
		n++
	}
	require.Equal(t, 1, n)
}
