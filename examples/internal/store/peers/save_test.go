//go:build cgo

package peers

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// reports is the size of the network that batches come from. There are as many again in the database before they come twice.
const reports = 100_000

// batches returns a function that returns the next batch of 500 domains.
func batches(b *testing.B) func() crawl.Batch {
	next, stop := iter.Pull(storetest.Network(reports, noon, noon.Add(24*time.Hour)))
	b.Cleanup(stop)
	return func() crawl.Batch {
		batch, ok := next()
		require.True(b, ok, "no more than 400 iterations")
		return batch
	}
}

// BenchmarkSave saves batches of 500 domains, of which 200 report 33 peers on average, to a new database, and then again with nothing new but
// the times of the visit.
// The C library is used by the same statements in the same order, prepared once, with the same schema, settings and bytes, from one goroutine, and
// by its driver's own interface, as database/sql would cost more.
func BenchmarkSave(b *testing.B) {
	for _, who := range []struct {
		name string
		open func(b *testing.B, file string) func(crawl.Batch)
	}{{"ours", openOurs}, {"C", openC}} {
		b.Run("new/"+who.name, func(b *testing.B) {
			save, next := who.open(b, filepath.Join(b.TempDir(), "a.db")), batches(b)
			for b.Loop() {
				b.StopTimer()
				batch := next()
				b.StartTimer()
				save(batch)
			}
			b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "visits/s")
		})
		b.Run("unchanged/"+who.name, func(b *testing.B) {
			save := who.open(b, filepath.Join(b.TempDir(), "a.db"))
			batch := batches(b)()
			save(batch)
			for b.Loop() {
				for i := range batch.Records {
					batch.Records[i].Answered = batch.Records[i].Answered.Add(time.Second)
				}
				save(batch)
			}
			b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "visits/s")
		})
	}
}

func openOurs(b *testing.B, file string) func(crawl.Batch) {
	s, err := sqlite.Open(b.Context(), file, sqlite.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return func(batch crawl.Batch) { require.NoError(b, s.Save(b.Context(), batch)) }
}

// c is a connection of the C library's driver.
type c struct {
	b                                              *testing.B
	conn                                           *sqlite3.SQLiteConn
	begin, commit, find, insert, update, putReport driver.Stmt
}

func openC(b *testing.B, file string) func(crawl.Batch) {
	s, err := sqlite.Open(b.Context(), file, sqlite.Options{})
	require.NoError(b, err)
	require.NoError(b, s.Close())
	conn, err := (&sqlite3.SQLiteDriver{}).Open(file)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, conn.Close()) })
	out := &c{b: b, conn: conn.(*sqlite3.SQLiteConn)}
	for _, p := range sqlite.WriterPragmas() {
		_, err := out.conn.Exec("PRAGMA "+p, nil)
		require.NoError(b, err)
	}
	out.begin, out.commit = out.prepare("BEGIN IMMEDIATE"), out.prepare("COMMIT")
	find, insert, update, put := sqlite.SaveStatements()
	out.find, out.insert, out.update, out.putReport = out.prepare(find), out.prepare(insert), out.prepare(update), out.prepare(put)
	return out.save
}

func (c *c) prepare(query string) driver.Stmt {
	st, err := c.conn.Prepare(query)
	require.NoError(c.b, err)
	c.b.Cleanup(func() { require.NoError(c.b, st.Close()) })
	return st
}

// check is what require does, for next to nothing.
func (c *c) check(err error) {
	if err != nil {
		c.b.Fatal(err)
	}
}

func (c *c) exec(st driver.Stmt, args ...driver.Value) driver.Result {
	res, err := st.(driver.StmtExecContext).ExecContext(context.Background(), named(args))
	c.check(err)
	return res
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// lookup returns the id of a domain, zero for a new one, and the hash of its report.
func (c *c) lookup(name string) (id int64, hash []byte) {
	rows, err := c.find.(driver.StmtQueryContext).QueryContext(context.Background(), named([]driver.Value{name}))
	c.check(err)
	dest := make([]driver.Value, 3)
	switch err := rows.Next(dest); {
	case errors.Is(err, io.EOF):
	default:
		c.check(err)
		id, _ = dest[0].(int64)
		hash, _ = dest[2].([]byte)
	}
	c.check(rows.Close())
	return id, hash
}

func (c *c) save(batch crawl.Batch) {
	c.exec(c.begin)
	var body []byte
	for i := range batch.Records {
		rec := &batch.Records[i]
		r := adapter.RowOf(rec)
		id, hash := c.lookup(r.Name)
		args := []driver.Value{r.Name, r.Due, r.Added, r.Answered, r.Mentioned, r.Failures, r.GivenUp, r.Advertised, r.Until, r.Service, r.Node,
			r.ByDefault, r.Subscribed, r.Reported, r.Hash}
		if id == 0 {
			var err error
			id, err = c.exec(c.insert, args...).LastInsertId()
			c.check(err)
		} else {
			c.exec(c.update, append(args, id)...)
		}
		if rec.Report == nil || bytes.Equal(hash, r.Hash) {
			continue
		}
		body = adapter.AppendReport(body[:0], rec.Report)
		c.exec(c.putReport, id, r.Hash, body)
	}
	c.exec(c.commit)
}
