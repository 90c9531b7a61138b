package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
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

// script runs statements in a file, as somebody else's program would.
func script(t *testing.T, file, sql string) {
	t.Helper()
	c, err := driver.OpenConn(file, driver.OpenReadWrite|driver.OpenCreate)
	require.NoError(t, err)
	require.NoError(t, sqlitex.ExecuteScript(c, sql, nil))
	require.NoError(t, c.Close())
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

func records(t *testing.T, s *sqlite.Store) map[string]crawl.Record {
	t.Helper()
	all := make(map[string]crawl.Record)
	for rec, err := range s.Load(t.Context()) {
		require.NoError(t, err)
		all[rec.Domain.String()] = rec
	}
	return all
}

// TestMigration starts from the first schema as it was frozen, with data in it. Never change that file.
func TestMigration(t *testing.T) {
	frozen, err := os.ReadFile("testdata/schema1.sql")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "a.db")
	script(t, file, string(frozen))
	s := open(t, file, clock)
	want := record("a.test", "b.test", "bücher.example")
	silent := crawl.Record{Domain: xep.MustName("silent.test"), Due: noon, Added: noon, Failures: 7, GivenUp: true}
	require.Equal(t, map[string]crawl.Record{"a.test": want, "silent.test": silent}, records(t, s))

	// What came with later versions works with the rows of the first.
	at := func() time.Time { return noon }
	g := graph.New(graph.Options{Now: at})
	g.Apply(*want.Report)
	require.NoError(t, s.Observe(t.Context(), g.Snapshot()))
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

func TestRefusedFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		sql, want string
	}{
		"newer than the program": {"PRAGMA application_id = 0x78343835; PRAGMA user_version = 99; CREATE TABLE new (x)", "schema version 99"},
		"another program's":      {"CREATE TABLE mine (x)", "another program"},
		"marked by another":      {"PRAGMA application_id = 1; CREATE TABLE mine (x)", "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a.db")
			script(t, file, tc.sql)
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			_, err = sqlite.Open(t.Context(), file, sqlite.Options{})
			require.ErrorContains(t, err, tc.want)
			if strings.HasPrefix(name, "newer") {
				var ve *store.VersionError
				require.ErrorAs(t, err, &ve)
				require.Equal(t, 99, ve.Database)
			}
			after, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, before, after, "it was not touched")
		})
	}
	t.Run("no database", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a.db")
		require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("this is a text\n"), 1000), 0o600))
		_, err := sqlite.Open(t.Context(), file, sqlite.Options{})
		require.Error(t, err)
	})
	t.Run("no folder", func(t *testing.T) {
		_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "a.db"), sqlite.Options{})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestFilesAreForOneUser(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a.db"), clock)
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{record("a.test")}}))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 3, "the database, its log and the log's index")
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, f.Name())
	}
}

// TestPurgeLeavesNoTrace looks for the name in the bytes of the files.
func TestPurgeLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a.db"), clock)
	var all []crawl.Record
	for _, d := range []string{"a.test", "b.test", "c.test", "d.test"} {
		all = append(all, record(d, "unwanted.example", "e.test"))
	}
	all = append(all, record("unwanted.example", "a.test"))
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: all}))
	g := graph.New(graph.Options{Now: clock})
	for _, r := range all {
		g.Apply(*r.Report)
	}
	require.NoError(t, s.Observe(t.Context(), g.Snapshot()))
	require.NotZero(t, traces(t, dir, "unwanted"))
	got, err := s.Purge(t.Context(), xep.MustName("unwanted.example"))
	require.NoError(t, err)
	require.Equal(t, store.Purged{Known: true, Reports: 4}, got)
	require.Zero(t, traces(t, dir, "unwanted"))
	require.NotZero(t, traces(t, dir, "e.test"))
}

func traces(t *testing.T, dir, name string) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		n += bytes.Count(b, []byte(name))
	}
	return n
}
