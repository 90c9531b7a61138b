package sqlite

import (
	"bytes"
	"context"
	"iter"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
)

// columns are those of a record, in the order of scan and bind.
const columns = `name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, d.hash`

const hashColumn = 14

func scan(st *sqlite.Stmt) adapter.Row {
	return adapter.Row{
		Name: st.ColumnText(0), Due: st.ColumnInt64(1), Added: st.ColumnInt64(2), Answered: st.ColumnInt64(3), Mentioned: st.ColumnInt64(4),
		Failures: st.ColumnInt64(5), GivenUp: st.ColumnBool(6), Advertised: st.ColumnBool(7), Until: st.ColumnInt64(8),
		Service: st.ColumnText(9), Node: st.ColumnText(10), ByDefault: st.ColumnBool(11), Subscribed: st.ColumnBool(12),
		Reported: st.ColumnInt64(13), Hash: blob(st, hashColumn),
	}
}

// blob returns a column's bytes, nil for NULL.
func blob(st *sqlite.Stmt, col int) []byte {
	n := st.ColumnLen(col)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	st.ColumnBytes(col, b)
	return b
}

// buffer is used again for each row.
type buffer []byte

func (b *buffer) read(st *sqlite.Stmt, col int) []byte {
	n := st.ColumnLen(col)
	*b = slices.Grow((*b)[:0], n)[:n]
	st.ColumnBytes(col, *b)
	return *b
}

// Load implements [crawl.Store].
func (s *Store) Load(ctx context.Context) iter.Seq2[crawl.Record, error] {
	return adapter.Records(ctx, func(ctx context.Context, put func(adapter.Stored, []byte) bool) error {
		var buf buffer
		err := s.with(ctx, s.private, func(c *sqlite.Conn) error {
			return each(c, `SELECT `+columns+`, r.body FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id`, func(st *sqlite.Stmt) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !put(adapter.Stored{Row: scan(st)}, buf.read(st, hashColumn+1)) {
					return errStop
				}
				return nil
			})
		})
		if err == errStop {
			return nil
		}
		return err
	})
}

// Save implements [crawl.Store].
func (s *Store) Save(ctx context.Context, b crawl.Batch) error {
	if len(b.Records)+len(b.Gone) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, func(c *sqlite.Conn) error { return save(ctx, c, b) })
}

func save(ctx context.Context, c *sqlite.Conn, b crawl.Batch) error {
	for _, n := range b.Gone {
		if err := run(c, `DELETE FROM domains WHERE name = ?1`, n.String()); err != nil {
			return err
		}
	}
	var body []byte
	for i := range b.Records {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if body, err = put(c, &b.Records[i], body[:0]); err != nil {
			return err
		}
	}
	return nil
}

// put saves a record. The scratch buffer is returned for the next one.
func put(c *sqlite.Conn, rec *crawl.Record, scratch []byte) ([]byte, error) {
	row := adapter.RowOf(rec)
	var id int64
	stored, same := false, false
	err := each(c, findRow,
		func(st *sqlite.Stmt) error {
			id, stored = st.ColumnInt64(0), st.ColumnBool(1)
			same = row.Hash != nil && bytes.Equal(blob(st, 2), row.Hash)
			return nil
		}, row.Name)
	if err != nil {
		return scratch, err
	}
	if id, err = putRow(c, id, &row); err != nil {
		return scratch, err
	}
	switch {
	case rec.Reported.IsZero() && stored:
		return scratch, run(c, `DELETE FROM reports WHERE domain = ?1`, id)
	case rec.Reported.IsZero(), rec.Report == nil, same:
		return scratch, nil
	}
	return putReport(c, id, row.Hash, rec.Report, scratch)
}

func putReport(c *sqlite.Conn, id int64, hash []byte, r *graph.Report, scratch []byte) ([]byte, error) {
	scratch = adapter.AppendReport(scratch, r)
	return scratch, run(c, upsertReport, id, hash, scratch)
}

// putRow updates the row with an id, or makes one if that is zero, and returns the id.
// An upsert with RETURNING is one statement instead of two, and half as fast: SQLite keeps what it returns in a table of its own.
func putRow(c *sqlite.Conn, id int64, r *adapter.Row) (int64, error) {
	args := []any{
		r.Name, r.Due, r.Added, r.Answered, r.Mentioned, r.Failures, r.GivenUp, r.Advertised, r.Until, r.Service, r.Node,
		r.ByDefault, r.Subscribed, r.Reported, r.Hash,
	}
	if id == 0 {
		err := run(c, insertRow, args...)
		return c.LastInsertRowID(), err
	}
	return id, run(c, updateRow, append(args, id)...)
}
