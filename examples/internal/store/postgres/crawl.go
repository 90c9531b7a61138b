package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// chunk is how many records travel together. A million reports must not become one message.
const chunk = 1000

// errStop ends a query of which no more rows are wanted.
var errStop = errors.New("postgres: enough")

// columns are those of a record, in the order of fields.
const columns = `d.name, d.due, d.added, d.answered, d.mentioned, d.failures, d.given_up, d.advertised, d.until, d.service, d.node,
	d.by_default, d.subscribed, d.reported, d.hash`

// scan reads the columns as a record, and what follows them into more.
func scan(rows pgx.Rows, more ...any) (crawl.Record, error) {
	r, err := scanRow(rows, more...)
	if err != nil {
		return crawl.Record{}, err
	}
	return r.Record()
}

func scanRow(rows pgx.Rows, more ...any) (r adapter.Row, err error) {
	var node []byte
	err = rows.Scan(append([]any{
		&r.Name, &r.Due, &r.Added, &r.Answered, &r.Mentioned, &r.Failures, &r.GivenUp, &r.Advertised, &r.Until, &r.Service, &node,
		&r.ByDefault, &r.Subscribed, &r.Reported, &r.Hash,
	}, more...)...)
	r.Node = string(node)
	return r, err
}

// Load implements [crawl.Store].
func (s *Store) Load(ctx context.Context) iter.Seq2[crawl.Record, error] {
	return adapter.Records(ctx, func(ctx context.Context, put func(*adapter.Stored, []byte) bool) error {
		return s.stored(ctx, put, `SELECT `+columns+`, r.body FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id`,
			func(rows pgx.Rows, out *adapter.Stored, report *pgtype.DriverBytes) (err error) {
				out.Row, err = scanRow(rows, report)
				return err
			})
	})
}

// scanner reads a row and its report, which lasts until the next row is read.
type scanner func(rows pgx.Rows, out *adapter.Stored, report *pgtype.DriverBytes) error

// stored reads rows in a transaction of their own.
func (s *Store) stored(ctx context.Context, put func(*adapter.Stored, []byte) bool, query string, scan scanner, args ...any) error {
	err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := uncompiled(ctx, tx); err != nil {
			return err
		}
		return storedIn(ctx, tx, put, query, scan, args...)
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// uncompiled keeps PostgreSQL from compiling a query (JIT) that reads everything once: that takes longer than it saves.
func uncompiled(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL jit = off`)
	return err
}

func storedIn(ctx context.Context, tx pgx.Tx, put func(*adapter.Stored, []byte) bool, query string, scan scanner, args ...any) error {
	var report pgtype.DriverBytes
	return each(ctx, tx, query, func(rows pgx.Rows) error {
		var out adapter.Stored
		err := scan(rows, &out, &report)
		if err == nil && !put(&out, report) {
			err = errStop
		}
		return err
	}, args...)
}

// Save implements [crawl.Store].
func (s *Store) Save(ctx context.Context, b crawl.Batch) error {
	if len(b.Records)+len(b.Gone) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		hashes, err := lock(ctx, tx, b)
		if err != nil {
			return err
		}
		return save(ctx, tx, b, hashes)
	})
}

// lock locks the rows of all domains that a transaction is going to change, in the order of names, and returns the hashes of their stored reports.
// Names and ids never change, so that it need not wait for an observation that refers to them.
func lock(ctx context.Context, tx pgx.Tx, b crawl.Batch) (map[string][]byte, error) {
	all := make([]string, 0, len(b.Records)+len(b.Gone))
	for i := range b.Records {
		all = append(all, b.Records[i].Domain.String())
	}
	all = append(all, texts(b.Gone)...)
	hashes := make(map[string][]byte, len(all))
	err := each(ctx, tx, `SELECT d.name, r.hash FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id
		WHERE d.name = ANY ($1) ORDER BY d.name FOR NO KEY UPDATE OF d`, func(rows pgx.Rows) error {
		var name string
		var hash []byte
		err := rows.Scan(&name, &hash)
		hashes[name] = hash
		return err
	}, all)
	return hashes, err
}

func texts(names []xep.Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return out
}

// save makes the changes of a batch to rows that are locked.
func save(ctx context.Context, tx pgx.Tx, b crawl.Batch, hashes map[string][]byte) error {
	if len(b.Gone) > 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM domains WHERE name = ANY ($1)`, texts(b.Gone)); err != nil {
			return err
		}
	}
	recs := slices.Clone(b.Records)
	slices.SortFunc(recs, func(x, y crawl.Record) int { return cmp.Compare(x.Domain.String(), y.Domain.String()) })
	for part := range slices.Chunk(recs, chunk) {
		if err := put(ctx, tx, part, hashes); err != nil {
			return err
		}
	}
	return nil
}

// put saves records in one round trip.
func put(ctx context.Context, tx pgx.Tx, recs []crawl.Record, hashes map[string][]byte) error {
	var (
		a      arrays
		none   []string
		change reports
	)
	for i := range recs {
		rec := &recs[i]
		r := adapter.RowOf(rec)
		a.add(&r)
		switch {
		case rec.Reported.IsZero():
			none = append(none, r.Name)
		case rec.Report == nil:
		case r.Hash != nil && bytes.Equal(hashes[r.Name], r.Hash):
		default:
			change.add(r.Name, r.Hash, adapter.AppendReport(nil, rec.Report))
		}
	}
	var batch pgx.Batch
	batch.Queue(upsert, a.args()...)
	if len(none) > 0 {
		batch.Queue(`DELETE FROM reports USING domains AS d WHERE reports.domain = d.id AND d.name = ANY ($1)`, none)
	}
	if len(change.names) > 0 {
		batch.Queue(upsertReports, change.names, change.hashes, change.bodies)
	}
	return tx.SendBatch(ctx, &batch).Close()
}

const upsert = `INSERT INTO domains AS d (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
		by_default, subscribed, reported, hash, consented)
	SELECT u.*, u.until FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[], $8::boolean[],
		$9::bigint[], $10::text[], $11::bytea[], $12::boolean[], $13::boolean[], $14::bigint[], $15::bytea[])
		AS u (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node, by_default, subscribed, reported, hash)
	ON CONFLICT (name) DO UPDATE SET due = excluded.due, added = excluded.added, answered = excluded.answered,
		mentioned = excluded.mentioned, failures = excluded.failures, given_up = excluded.given_up, advertised = excluded.advertised,
		until = excluded.until, service = excluded.service, node = excluded.node, by_default = excluded.by_default,
		subscribed = excluded.subscribed, reported = excluded.reported, hash = excluded.hash,
		consented = CASE WHEN excluded.until = 0 AND excluded.advertised THEN d.consented ELSE excluded.until END`

const upsertReports = `INSERT INTO reports (domain, hash, body)
	SELECT d.id, u.hash, u.body FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS u (name, hash, body) JOIN domains AS d ON d.name = u.name
	ON CONFLICT (domain) DO UPDATE SET hash = excluded.hash, body = excluded.body`

// arrays are rows as columns, for unnest.
type arrays struct {
	name, service                                              []string
	due, added, answered, mentioned, failures, until, reported []int64
	givenUp, advertised, byDefault, subscribed                 []bool
	node, hash                                                 [][]byte
}

func (a *arrays) add(r *adapter.Row) {
	a.name, a.service = append(a.name, r.Name), append(a.service, r.Service)
	a.due, a.added, a.answered = append(a.due, r.Due), append(a.added, r.Added), append(a.answered, r.Answered)
	a.mentioned, a.failures = append(a.mentioned, r.Mentioned), append(a.failures, r.Failures)
	a.until, a.reported = append(a.until, r.Until), append(a.reported, r.Reported)
	a.givenUp, a.advertised = append(a.givenUp, r.GivenUp), append(a.advertised, r.Advertised)
	a.byDefault, a.subscribed = append(a.byDefault, r.ByDefault), append(a.subscribed, r.Subscribed)
	a.node, a.hash = append(a.node, []byte(r.Node)), append(a.hash, r.Hash)
}

func (a *arrays) args() []any {
	return []any{
		a.name, a.due, a.added, a.answered, a.mentioned, a.failures, a.givenUp, a.advertised, a.until, a.service, a.node,
		a.byDefault, a.subscribed, a.reported, a.hash,
	}
}

// reports are reports as columns.
type reports struct {
	names          []string
	hashes, bodies [][]byte
}

func (r *reports) add(name string, hash, body []byte) {
	r.names, r.hashes, r.bodies = append(r.names, name), append(r.hashes, hash), append(r.bodies, body)
}
