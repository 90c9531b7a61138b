package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
)

// columns are those of a record, in the order of [reader.row] and bind.
const columns = `name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, d.hash`

// reader reads rows and keeps what they have in common.
type reader struct {
	hash, scratch buffer
	texts         adapter.Texts
	words         adapter.Words
}

// row reads a record after the id. Its hash lasts until the next one.
func (r *reader) row(st *sqlite.Stmt) adapter.Row {
	return adapter.Row{
		Name: r.text(st, 1), Due: st.ColumnInt64(2), Added: st.ColumnInt64(3), Answered: st.ColumnInt64(4), Mentioned: st.ColumnInt64(5),
		Failures: st.ColumnInt64(6), GivenUp: st.ColumnBool(7), Advertised: st.ColumnBool(8), Until: st.ColumnInt64(9),
		Service: r.text(st, 10), Node: r.words.Text(r.scratch.read(st, 11)), ByDefault: st.ColumnBool(12), Subscribed: st.ColumnBool(13),
		Reported: st.ColumnInt64(14), Hash: r.hash.read(st, 15),
	}
}

// standing reads what [adapter.Changes] needs after the id.
func (r *reader) standing(st *sqlite.Stmt) adapter.Row {
	return adapter.Row{Name: r.text(st, 1), Reported: st.ColumnInt64(2), Until: st.ColumnInt64(3)}
}

func (r *reader) text(st *sqlite.Stmt, col int) string { return r.texts.Add(r.scratch.read(st, col)) }

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
	return adapter.Records(ctx, s.stored(`SELECT id, `+columns+` FROM domains AS d ORDER BY id`, (*reader).row))
}

// Standing implements [store.Store].
func (s *Store) Standing(ctx context.Context, f func(store.Change) error) error {
	return adapter.Changes(ctx, s.stored(`SELECT id, name, reported, until FROM domains AS d
		WHERE until > ?1 AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name) ORDER BY id`, (*reader).standing, adapter.Micros(s.now())), f)
}

// stored reads domains by a query that begins with their id and is in its order, and their reports from end to end beside it:
// a join looks for each report from the root of the tree.
func (s *Store) stored(query string, row func(*reader, *sqlite.Stmt) adapter.Row, args ...any) adapter.Read {
	return func(ctx context.Context, put func(*adapter.Stored, []byte) bool) error {
		err := s.read(ctx, s.private, func(c *sqlite.Conn) (err error) {
			reports := bodies{}
			if reports.st, err = c.Prepare(`SELECT domain, body FROM reports ORDER BY domain`); err != nil {
				return err
			}
			defer func() { err = cmp.Or(err, reports.st.Reset()) }()
			var r reader
			var out adapter.Stored
			return each(c, query, func(st *sqlite.Stmt) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				out.ID = st.ColumnInt64(0)
				body, err := reports.of(out.ID)
				if err != nil {
					return err
				}
				if out.Row = row(&r, st); !put(&out, body) {
					return errStop
				}
				return nil
			}, args...)
		})
		if err == errStop {
			return nil
		}
		return err
	}
}

// bodies are encoded reports in the order of their domains.
type bodies struct {
	st   *sqlite.Stmt
	id   int64
	done bool
	buf  buffer
}

// of returns the report of a domain, nil where there is none, until it is called for the next one.
func (b *bodies) of(id int64) ([]byte, error) {
	for !b.done && b.id < id {
		more, err := b.st.Step()
		if err != nil {
			return nil, err
		}
		if b.done = !more; more {
			b.id = b.st.ColumnInt64(0)
		}
	}
	if b.done || b.id != id {
		return nil, nil
	}
	return b.buf.read(b.st, 1), nil
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
