package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Sweep implements [store.Keeper].
//
// PostgreSQL writes over what was deleted in its own time (VACUUM), and its backups keep it.
func (s *Store) Sweep(ctx context.Context, r store.Retention) (out store.Swept, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = store.Swept{}
		// An observation that is under way would note again what is removed.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockObserve)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM departed WHERE at < present(NULL) - $1`, (2 * MaxAbsence).Microseconds()); err != nil {
			return err
		}
		if err := forgetVisits(ctx, tx, s.present()); err != nil {
			return err
		}
		if err := forget(ctx, tx, s.present(), max(r.Lapsed, 0).Microseconds(), &out); err != nil || r.History <= 0 {
			return err
		}
		return expire(ctx, tx, s.present(), r.History.Microseconds(), &out)
	})
	if err != nil {
		return store.Swept{}, err
	}
	return out, nil
}

// forget removes the history of those whose verdict has ended so long ago, or who are excluded.
func forget(ctx context.Context, tx pgx.Tx, present *int64, lapsed int64, out *store.Swept) error {
	var gone []int64
	err := each(ctx, tx, `SELECT id FROM domains AS d WHERE (EXISTS (SELECT 1 FROM seen_domains WHERE domain = d.id)
			OR EXISTS (SELECT 1 FROM seen_links WHERE a = d.id) OR EXISTS (SELECT 1 FROM seen_links WHERE b = d.id))
		AND (consented <= present($1) - $2 OR EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name))`, func(rows pgx.Rows) error {
		var id int64
		err := rows.Scan(&id)
		gone = append(gone, id)
		return err
	}, present, lapsed)
	if err != nil {
		return err
	}
	out.Names = len(gone)
	for _, q := range []string{`DELETE FROM seen_domains WHERE domain = ANY ($1)`, `DELETE FROM seen_links WHERE a = ANY ($1) OR b = ANY ($1)`} {
		tag, err := tx.Exec(ctx, q, gone)
		if err != nil {
			return err
		}
		out.Intervals += int(tag.RowsAffected())
	}
	return nil
}

// expire removes what ended so long ago.
func expire(ctx context.Context, tx pgx.Tx, present *int64, age int64, out *store.Swept) error {
	for _, d := range []struct {
		query string
		n     *int
	}{
		{`DELETE FROM seen_domains WHERE ` + isClosed + ` AND last < present($1) - $2`, &out.Intervals},
		{`DELETE FROM seen_links WHERE ` + isClosed + ` AND last < present($1) - $2`, &out.Intervals},
		{`DELETE FROM observations WHERE at < present($1) - $2`, &out.Counts},
	} {
		tag, err := tx.Exec(ctx, d.query, present, age)
		if err != nil {
			return err
		}
		*d.n += int(tag.RowsAffected())
	}
	return nil
}

// Purge implements [store.Keeper]. What Sweep says of deleted rows applies to it too.
func (s *Store) Purge(ctx context.Context, name xep.Name) (out store.Purged, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = store.Purged{}
		tag, err := tx.Exec(ctx, `DELETE FROM domains WHERE name = $1`, name.String())
		if err != nil {
			return err
		}
		out.Known = tag.RowsAffected() > 0
		_, err = tx.Exec(ctx, `UPDATE domains SET service = '', node = '', by_default = false, subscribed = false WHERE service = $1`, name.String())
		if err != nil {
			return err
		}
		// Others' visits may have led there.
		if _, err := tx.Exec(ctx, `DELETE FROM visits WHERE position($1::bytea IN body) > 0`, []byte(name.String())); err != nil {
			return err
		}
		out.Reports, err = unname(ctx, tx, name)
		return err
	})
	if err != nil {
		return store.Purged{}, err
	}
	return out, nil
}

// unname takes a name out of all reports and returns their number.
func unname(ctx context.Context, tx pgx.Tx, name xep.Name) (n int, err error) {
	var ids []int64
	var bodies [][]byte
	// The name may also be a part of a longer one.
	err = each(ctx, tx, `SELECT domain, body FROM reports WHERE position($1::bytea IN body) > 0 ORDER BY domain FOR UPDATE`, func(rows pgx.Rows) error {
		var id int64
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		r, err := adapter.ParseReport(xep.Name{}, body, nil)
		if err == nil && adapter.Unname(r, name) {
			ids, bodies = append(ids, id), append(bodies, adapter.AppendReport(nil, r))
		}
		return err
	}, []byte(name.String()))
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE reports AS r SET body = u.body FROM unnest($1::bigint[], $2::bytea[]) AS u (id, body) WHERE r.domain = u.id`, ids, bodies)
	if err != nil {
		return 0, err
	}
	// Those who show the reports have to read them again.
	_, err = tx.Exec(ctx, `UPDATE domains SET change = pg_current_xact_id() WHERE id = ANY ($1)`, ids)
	return len(ids), err
}

// Exclude implements [store.Keeper].
func (s *Store) Exclude(ctx context.Context, all ...store.Exclusion) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		for _, e := range all {
			b.Queue(`INSERT INTO exclusions (name, since, reason) VALUES ($1, $2, $3)
				ON CONFLICT (name) DO UPDATE SET since = excluded.since, reason = excluded.reason`,
				e.Domain.String(), adapter.Micros(e.Since), plain(e.Reason))
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}

// plain takes out of a note what a text here can't hold.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Readmit implements [store.Keeper].
func (s *Store) Readmit(ctx context.Context, names ...xep.Name) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM exclusions WHERE name = ANY ($1)`, texts(names))
		return err
	})
}

// Exclusions implements [store.Keeper].
func (s *Store) Exclusions(ctx context.Context) (out []store.Exclusion, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = nil
		return each(ctx, tx, `SELECT name, reason, since FROM exclusions ORDER BY name`, func(rows pgx.Rows) error {
			var e store.Exclusion
			var since int64
			n, err := scanNames(rows, 1, &e.Reason, &since)
			e.Domain, e.Since = n[0], adapter.Time(since)
			out = append(out, e)
			return err
		})
	})
	return out, err
}

// Cached implements [store.Keeper].
func (s *Store) Cached(ctx context.Context, key string) (out store.Cached, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var etag []byte
		var fetched int64
		err := tx.QueryRow(ctx, `SELECT etag, fetched, body FROM documents WHERE key = $1`, key).Scan(&etag, &fetched, &out.Body)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		}
		out.Key, out.ETag, out.Fetched = key, string(etag), adapter.Time(fetched)
		return err
	})
	if err != nil {
		return store.Cached{}, err
	}
	return out, nil
}

// Cache implements [store.Keeper].
func (s *Store) Cache(ctx context.Context, d store.Cached) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		body := d.Body
		if body == nil {
			body = []byte{}
		}
		_, err := tx.Exec(ctx, `INSERT INTO documents (key, etag, fetched, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (key) DO UPDATE SET etag = excluded.etag, fetched = excluded.fetched, body = excluded.body`,
			d.Key, []byte(d.ETag), adapter.Micros(d.Fetched), body)
		return err
	})
}
