package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	batchSize = 500
	// few is twice as many named peers as a domain of the real network has, and many makes a report of four kilobytes.
	few, many = 20, 150
)

// network is a batch of domains, from the given one on, that report peers.
func network(from, peers int) []crawl.Record {
	all := make([]crawl.Record, batchSize)
	for i := range all {
		r := record(fmt.Sprintf("server%06d.example", from+i))
		for p := range peers {
			name := xep.MustName(fmt.Sprintf("server%06d.example", (from+i*31+p*p)%1_000_000))
			r.Report.Peers = append(r.Report.Peers, graph.Peer{Name: name, Directions: graph.Out})
		}
		all[i] = r
	}
	return all
}

func fill(b *testing.B, s *sqlite.Store, n int) {
	b.Helper()
	for from := 0; from < n; from += batchSize {
		require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: network(from, few)}))
	}
}

// bare is a connection with the settings of ours and one table.
func bare(b *testing.B, file string) *driver.Conn {
	b.Helper()
	c, err := driver.OpenConn(file)
	require.NoError(b, err)
	for _, q := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -32768",
		"CREATE TABLE IF NOT EXISTS reports (name TEXT PRIMARY KEY, due INTEGER, until INTEGER, hash BLOB, body BLOB)",
	} {
		require.NoError(b, sqlitex.ExecuteTransient(c, q, nil))
	}
	b.Cleanup(func() { require.NoError(b, c.Close()) })
	return c
}

func insert(b *testing.B, c *driver.Conn, recs []crawl.Record) {
	var err error
	defer func() { require.NoError(b, err) }()
	defer sqlitex.Transaction(c)(&err)
	st := c.Prep("INSERT INTO reports VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET due = excluded.due, body = excluded.body")
	for i := range recs {
		r := &recs[i]
		st.BindText(1, r.Domain.String())
		st.BindInt64(2, r.Due.UnixMicro())
		st.BindInt64(3, r.Until.UnixMicro())
		st.BindBytes(4, r.Hash[:])
		st.BindBytes(5, adapter.AppendReport(nil, r.Report))
		if _, err = st.Step(); err != nil {
			return
		}
		if err = st.Reset(); err != nil {
			return
		}
	}
}

// BenchmarkSave saves batches of 500 domains, beside a loop over the driver that does as little as it can.
func BenchmarkSave(b *testing.B) {
	for name, peers := range map[string]int{"small reports": few, "large reports": many} {
		b.Run(name, func(b *testing.B) { saving(b, peers) })
	}
}

func saving(b *testing.B, peers int) {
	perSecond := func(b *testing.B) {
		b.ReportMetric(float64(b.N)*batchSize/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("driver", func(b *testing.B) {
		c := bare(b, filepath.Join(b.TempDir(), "a.db"))
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			recs := network(n*batchSize, peers)
			b.StartTimer()
			insert(b, c, recs)
		}
		perSecond(b)
	})
	b.Run("new", func(b *testing.B) {
		s := open(b, filepath.Join(b.TempDir(), "a.db"), clock)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			recs := network(n*batchSize, peers)
			b.StartTimer()
			require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: recs}))
		}
		perSecond(b)
	})
	b.Run("unchanged", func(b *testing.B) {
		s := open(b, filepath.Join(b.TempDir(), "a.db"), clock)
		recs := network(0, peers)
		require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: recs}))
		for b.Loop() {
			require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: recs}))
		}
		perSecond(b)
	})
}

// BenchmarkStart opens a database of 100,000 reports in the shape of the real network, which has 33 named peers in a report, and of
// 150,000 domains without one, and reads it, to the crawler's records or into a graph. Beside it the driver reads the same bytes.
func BenchmarkStart(b *testing.B) {
	const n = 100_000
	file := filepath.Join(b.TempDir(), "a.db")
	s := open(b, file, clock)
	rows := 0
	for batch := range storetest.Network(n, noon, noon.Add(24*time.Hour)) {
		require.NoError(b, s.Save(b.Context(), batch))
		rows += len(batch.Records)
	}
	require.NoError(b, s.Close())
	b.Run("driver", func(b *testing.B) {
		for b.Loop() {
			require.Equal(b, rows, readBare(b, file))
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			start(b, file, func(r crawl.Record) {})
		}
	})
	b.Run("graph", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := sqlite.Open(b.Context(), file, sqlite.Options{Now: clock})
			require.NoError(b, err)
			g := graph.New(graph.Options{Now: clock})
			require.NoError(b, store.Fill(b.Context(), s, g, nil))
			require.NoError(b, s.Close())
			b.StopTimer()
			require.Equal(b, n, g.Snapshot().Counts().Reporting)
			b.StartTimer()
		}
	})
}

// readBare reads the columns of all rows and returns their number.
func readBare(b *testing.B, file string) (rows int) {
	c, err := driver.OpenConn(file, driver.OpenReadWrite)
	require.NoError(b, err)
	buf := make([]byte, 1<<16)
	const query = "SELECT name, due, until, d.hash, body FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id"
	err = sqlitex.ExecuteTransient(c, query, &sqlitex.ExecOptions{ResultFunc: func(st *driver.Stmt) error {
		rows++
		st.ColumnBytes(4, buf)
		return nil
	}})
	require.NoError(b, err)
	require.NoError(b, c.Close())
	return rows
}

// start opens the database and hands out all that is in it.
func start(b *testing.B, file string, f func(crawl.Record)) {
	s, err := sqlite.Open(b.Context(), file, sqlite.Options{Now: clock})
	require.NoError(b, err)
	for rec, err := range s.Load(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		f(rec)
	}
	require.NoError(b, s.Close())
}

// BenchmarkObserve observes a network of 5,000 domains and 50,000 links in which nothing changes.
func BenchmarkObserve(b *testing.B) {
	const n, links = 5000, 10
	now := noon
	s := open(b, filepath.Join(b.TempDir(), "a.db"), func() time.Time { return noon })
	fill(b, s, n)
	g := graph.New(graph.Options{Now: func() time.Time { return now }})
	var again graph.Report
	for i := range n {
		r := graph.Report{Domain: xep.MustName(fmt.Sprintf("server%06d.example", i)), At: noon, Until: noon.Add(1000 * time.Hour)}
		for p := range links {
			peer := xep.MustName(fmt.Sprintf("server%06d.example", (i+1+p*p)%n))
			r.Peers = append(r.Peers, graph.Peer{Name: peer, Until: r.Until, Directions: graph.Out})
		}
		g.Apply(r)
		again = r
	}
	require.NoError(b, s.Observe(b.Context(), g.Snapshot()))
	for b.Loop() {
		now = now.Add(time.Second)
		again.At = now
		g.Apply(again)
		require.NoError(b, s.Observe(b.Context(), g.Snapshot()))
	}
}
