//go:build integration

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/graph"
)

const batchSize = 500

// network is a batch of domains, from the given one on, with reports of four kilobytes.
func network(from int) []crawl.Record {
	all := make([]crawl.Record, batchSize)
	for i := range all {
		peers := make([]string, 150)
		for p := range peers {
			peers[p] = fmt.Sprintf("server%06d.example", (from+i*31+p*p)%1_000_000)
		}
		all[i] = record(fmt.Sprintf("server%06d.example", from+i), peers...)
	}
	return all
}

// insert does as little as the driver can in a batch.
func insert(b *testing.B, c *pgx.Conn, recs []crawl.Record) {
	names, due, bodies := make([]string, len(recs)), make([]int64, len(recs)), make([][]byte, len(recs))
	for i := range recs {
		names[i], due[i] = recs[i].Domain.String(), recs[i].Due.UnixMicro()
		bodies[i] = adapter.AppendReport(nil, recs[i].Report)
	}
	_, err := c.Exec(b.Context(), `INSERT INTO bare SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])
		ON CONFLICT (name) DO UPDATE SET due = excluded.due, body = excluded.body`, names, due, bodies)
	require.NoError(b, err)
}

// BenchmarkStore measures batches of 500 domains, beside one statement that does as little as it can.
func BenchmarkStore(b *testing.B) {
	server := pgtest.Start(b)
	rate := func(b *testing.B, n int, what string) {
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), what+"/s")
	}
	b.Run("driver", func(b *testing.B) {
		url := server.Schema(b)
		server.Exec(b, url, "CREATE TABLE bare (name text PRIMARY KEY, due bigint, body bytea)", "ALTER TABLE bare ALTER body SET STORAGE EXTERNAL")
		c, err := pgx.Connect(b.Context(), url)
		require.NoError(b, err)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			recs := network(n * batchSize)
			b.StartTimer()
			insert(b, c, recs)
		}
		rate(b, batchSize, "records")
		require.NoError(b, c.Close(b.Context()))
	})
	b.Run("new", func(b *testing.B) {
		s := open(b, server.Schema(b), clock)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			recs := network(n * batchSize)
			b.StartTimer()
			require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: recs}))
		}
		rate(b, batchSize, "records")
	})
	b.Run("unchanged", func(b *testing.B) {
		s := open(b, server.Schema(b), clock)
		recs := network(0)
		for b.Loop() {
			require.NoError(b, s.Save(b.Context(), crawl.Batch{Records: recs}))
		}
		rate(b, batchSize, "records")
	})
	url := server.Schema(b)
	s := open(b, url, func() time.Time { return noon.Add(time.Hour) })
	share := s.Share("me")
	_, err := share.Hold(b.Context(), time.Hour)
	require.NoError(b, err)
	b.Run("hold", func(b *testing.B) {
		for b.Loop() {
			_, err := share.Hold(b.Context(), time.Hour)
			require.NoError(b, err)
		}
	})
	recs := network(0)
	b.Run("save held", func(b *testing.B) {
		at := noon
		for b.Loop() {
			at = at.Add(time.Second)
			for i := range recs {
				recs[i].Reported, recs[i].Due = at, at
			}
			lost, err := share.SaveHeld(b.Context(), crawl.Batch{Records: recs}, nil)
			require.NoError(b, err)
			require.Empty(b, lost)
		}
		rate(b, batchSize, "visits")
	})
}

// BenchmarkStart reads 100,000 reports in the shape of the real network, which has 33 named peers in a report, and 150,000 domains without one:
// all of them, and as a process that only serves does to fill its graph.
func BenchmarkStart(b *testing.B) {
	const reports = 100_000
	server := pgtest.Start(b)
	rate := func(b *testing.B, n int, what string) {
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), what+"/s")
	}
	url := server.Schema(b)
	s := open(b, url, clock)
	rows := 0
	for batch := range storetest.Network(reports, noon, noon.Add(24*time.Hour)) {
		require.NoError(b, s.Save(b.Context(), batch))
		rows += len(batch.Records)
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.Load(b.Context()) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, rows, "records")
	})
	b.Run("start", func(b *testing.B) {
		n := 0
		for b.Loop() {
			g := graph.New(graph.Options{Now: clock})
			end := store.CollectLess()
			_, err := s.Changes(b.Context(), "", func(c store.Change) error {
				g.Consent(c.Domain, c.Until)
				if c.Report != nil {
					n++
					g.Apply(*c.Report)
				}
				return nil
			})
			require.NoError(b, err)
			end()
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "reports/s")
	})
}

func setting(b *testing.B, name string, usual int) int {
	s := os.Getenv(name)
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	require.NoError(b, err)
	return n
}

// BenchmarkObserve observes 20,000 domains, or as many as HISTORY_DOMAINS says, each with 35 links or as many as HISTORY_LINKS says:
// all of them for the first time, and again when nothing has changed.
func BenchmarkObserve(b *testing.B) {
	size, links := setting(b, "HISTORY_DOMAINS", 20_000), setting(b, "HISTORY_LINKS", 35)
	server := pgtest.Start(b)
	url := server.Schema(b)
	s := open(b, url, clock)
	now := noon
	g := graph.New(graph.Options{Now: func() time.Time { return now }})
	random := rand.New(rand.NewPCG(485, uint64(size)))
	var batch crawl.Batch
	var again *graph.Report
	for i := range size {
		peers := make([]string, links)
		for p := range peers {
			peers[p] = fmt.Sprintf("server%06d.example", random.IntN(size))
		}
		rec := record(fmt.Sprintf("server%06d.example", i), peers...)
		g.Consent(rec.Domain, rec.Until)
		g.Apply(*rec.Report)
		again = rec.Report
		if batch.Records = append(batch.Records, rec); len(batch.Records) == batchSize {
			require.NoError(b, s.Save(b.Context(), batch))
			batch.Records = nil
		}
	}
	rate := func(b *testing.B) {
		b.ReportMetric(float64(b.N*g.Snapshot().Counts().Links)/b.Elapsed().Seconds(), "links/s")
	}
	g.Snapshot().Counts()
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			server.Exec(b, url, "TRUNCATE seen_domains, seen_links, observations")
			b.StartTimer()
			require.NoError(b, s.Observe(b.Context(), g.Snapshot()))
		}
		rate(b)
	})
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			now = now.Add(time.Second)
			again.At = now
			g.Apply(*again)
			require.NoError(b, s.Observe(b.Context(), g.Snapshot()))
		}
		rate(b)
	})
}
