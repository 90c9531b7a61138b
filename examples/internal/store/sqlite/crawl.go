package sqlite

import (
	"bytes"
	"context"
	"iter"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
)

// columns are those of a record, in the order of scan and bind.
const columns = `name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, d.hash`

// returned are the same of a row that was changed, where RETURNING knows no other name for the table.
const returned = `name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, hash`

const hashColumn = 14

func scan(st *sqlite.Stmt) (crawl.Record, error) {
	r := adapter.Row{
		Name: st.ColumnText(0), Due: st.ColumnInt64(1), Added: st.ColumnInt64(2), Answered: st.ColumnInt64(3), Mentioned: st.ColumnInt64(4),
		Failures: st.ColumnInt64(5), GivenUp: st.ColumnBool(6), Advertised: st.ColumnBool(7), Until: st.ColumnInt64(8),
		Service: st.ColumnText(9), Node: st.ColumnText(10), ByDefault: st.ColumnBool(11), Subscribed: st.ColumnBool(12),
		Reported: st.ColumnInt64(13), Hash: blob(st, hashColumn),
	}
	return r.Record()
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

// Load implements [crawl.Store].
func (s *Store) Load(ctx context.Context) iter.Seq2[crawl.Record, error] {
	return func(yield func(crawl.Record, error) bool) {
		err := s.with(ctx, s.private, func(c *sqlite.Conn) error {
			return each(c, `SELECT `+columns+`, r.body FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id`, func(st *sqlite.Stmt) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				rec, err := scan(st)
				if err == nil && !st.ColumnIsNull(hashColumn+1) {
					rec.Report, err = adapter.ParseReport(rec.Domain, blob(st, hashColumn+1))
				}
				if err != nil {
					return err
				}
				if !yield(rec, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && err != errStop {
			yield(crawl.Record{}, err)
		}
	}
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
	id, err := upsert(c, adapter.RowOf(rec))
	switch {
	case err != nil:
		return scratch, err
	case rec.Reported.IsZero():
		return scratch, run(c, `DELETE FROM reports WHERE domain = ?1`, id)
	case rec.Report == nil:
		return scratch, nil
	}
	row := adapter.RowOf(rec)
	if row.Hash != nil {
		same := false
		err := each(c, `SELECT hash FROM reports WHERE domain = ?1`, func(st *sqlite.Stmt) error {
			same = bytes.Equal(blob(st, 0), row.Hash)
			return nil
		}, id)
		if err != nil || same {
			return scratch, err
		}
	}
	return putReport(c, id, row.Hash, rec.Report, scratch)
}

func putReport(c *sqlite.Conn, id int64, hash []byte, r *graph.Report, scratch []byte) ([]byte, error) {
	scratch = adapter.AppendReport(scratch, r)
	return scratch, run(c, `INSERT INTO reports (domain, hash, body) VALUES (?1, ?2, ?3)
		ON CONFLICT (domain) DO UPDATE SET hash = excluded.hash, body = excluded.body`, id, hash, scratch)
}

func upsert(c *sqlite.Conn, r adapter.Row) (id int64, err error) {
	err = each(c, `INSERT INTO domains (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
			by_default, subscribed, reported, hash, consented)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?9)
		ON CONFLICT (name) DO UPDATE SET due = excluded.due, added = excluded.added, answered = excluded.answered,
			mentioned = excluded.mentioned, failures = excluded.failures, given_up = excluded.given_up, advertised = excluded.advertised,
			until = excluded.until, service = excluded.service, node = excluded.node, by_default = excluded.by_default,
			subscribed = excluded.subscribed, reported = excluded.reported, hash = excluded.hash,
			consented = iif(excluded.until = 0 AND excluded.advertised, consented, excluded.until)
		RETURNING id`,
		func(st *sqlite.Stmt) error {
			id = st.ColumnInt64(0)
			return nil
		},
		r.Name, r.Due, r.Added, r.Answered, r.Mentioned, r.Failures, r.GivenUp, r.Advertised, r.Until, r.Service, r.Node,
		r.ByDefault, r.Subscribed, r.Reported, r.Hash)
	return id, err
}
