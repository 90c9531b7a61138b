package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Sweep implements [store.Keeper].
func (s *Store) Sweep(ctx context.Context, r store.Retention) (out store.Swept, err error) {
	now := s.now()
	lapsed := adapter.Micros(now.Add(-max(r.Lapsed, 0)))
	// An observation that is under way would note again what is removed.
	s.observing.Lock()
	defer s.observing.Unlock()
	err = s.write(ctx, func(c *sqlite.Conn) error {
		out = store.Swept{}
		if err := forgetVisits(c, adapter.Micros(now)); err != nil {
			return err
		}
		if err := forget(c, lapsed, &out); err != nil {
			return err
		}
		if r.History <= 0 {
			return nil
		}
		return expire(c, adapter.Micros(now.Add(-r.History)), &out)
	})
	if err != nil {
		return store.Swept{}, err
	}
	return out, s.scrub(ctx)
}

// forget removes the history of those whose verdict ended by a time, or who are excluded.
func forget(c *sqlite.Conn, lapsed int64, out *store.Swept) error {
	var gone []int64
	err := each(c, `SELECT id FROM domains AS d WHERE (EXISTS (SELECT 1 FROM seen_domains WHERE domain = d.id)
			OR EXISTS (SELECT 1 FROM seen_links WHERE a = d.id) OR EXISTS (SELECT 1 FROM seen_links WHERE b = d.id))
		AND (consented <= ?1 OR EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name))`, func(st *sqlite.Stmt) error {
		gone = append(gone, st.ColumnInt64(0))
		return nil
	}, lapsed)
	if err != nil {
		return err
	}
	out.Names = len(gone)
	for _, id := range gone {
		for _, q := range []string{`DELETE FROM seen_domains WHERE domain = ?1`, `DELETE FROM seen_links WHERE a = ?1`, `DELETE FROM seen_links WHERE b = ?1`} {
			if err := run(c, q, id); err != nil {
				return err
			}
			out.Intervals += c.Changes()
		}
	}
	return nil
}

// expire removes what ended before a time.
func expire(c *sqlite.Conn, before int64, out *store.Swept) error {
	for _, q := range []string{`DELETE FROM seen_domains WHERE last < ?1`, `DELETE FROM seen_links WHERE last < ?1`} {
		if err := run(c, q, before); err != nil {
			return err
		}
		out.Intervals += c.Changes()
	}
	err := run(c, `DELETE FROM observations WHERE at < ?1`, before)
	out.Counts += c.Changes()
	return err
}

// Purge implements [store.Keeper].
func (s *Store) Purge(ctx context.Context, name xep.Name) (out store.Purged, err error) {
	err = s.write(ctx, func(c *sqlite.Conn) error {
		out = store.Purged{}
		if err := run(c, `DELETE FROM domains WHERE name = ?1`, name.String()); err != nil {
			return err
		}
		out.Known = c.Changes() > 0
		err := run(c, `UPDATE domains SET service = '', node = '', by_default = 0, subscribed = 0 WHERE service = ?1`, name.String())
		if err != nil {
			return err
		}
		// Others' visits may have led there.
		if err := run(c, `DELETE FROM visits WHERE instr(body, ?1) > 0`, []byte(name.String())); err != nil {
			return err
		}
		out.Reports, err = unname(ctx, c, name)
		return err
	})
	if err != nil {
		return store.Purged{}, err
	}
	return out, s.scrub(ctx)
}

// unname takes a name out of all reports and returns their number.
func unname(ctx context.Context, c *sqlite.Conn, name xep.Name) (n int, err error) {
	type found struct {
		id         int64
		hash, body []byte
	}
	var all []found
	// The name may also be a part of a longer one.
	err = each(c, `SELECT domain, hash, body FROM reports WHERE instr(body, ?1) > 0`, func(st *sqlite.Stmt) error {
		all = append(all, found{st.ColumnInt64(0), blob(st, 1), blob(st, 2)})
		return ctx.Err()
	}, []byte(name.String()))
	if err != nil {
		return 0, err
	}
	for _, f := range all {
		r, err := adapter.ParseReport(xep.Name{}, f.body, nil)
		if err != nil {
			return 0, err
		}
		if !adapter.Unname(r, name) {
			continue
		}
		n++
		if _, err := putReport(c, f.id, f.hash, r, nil); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// scrub takes the log into the database, so that what was deleted is not left in the log either.
// Where a reader is under way, the next scrub or the log's own limit does so.
func (s *Store) scrub(ctx context.Context) error {
	return s.with(ctx, s.writer, func(c *sqlite.Conn) error {
		c.SetBusyTimeout(0)
		defer c.SetBlockOnBusy()
		return run(c, `PRAGMA wal_checkpoint(TRUNCATE)`)
	})
}

// Exclude implements [store.Keeper].
func (s *Store) Exclude(ctx context.Context, all ...store.Exclusion) error {
	return s.write(ctx, func(c *sqlite.Conn) error {
		for _, e := range all {
			err := run(c, `INSERT INTO exclusions (name, since, reason) VALUES (?1, ?2, ?3)
				ON CONFLICT (name) DO UPDATE SET since = excluded.since, reason = excluded.reason`,
				e.Domain.String(), adapter.Micros(e.Since), e.Reason)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Readmit implements [store.Keeper].
func (s *Store) Readmit(ctx context.Context, names ...xep.Name) error {
	return s.write(ctx, func(c *sqlite.Conn) error {
		for _, n := range names {
			if err := run(c, `DELETE FROM exclusions WHERE name = ?1`, n.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Exclusions implements [store.Keeper].
func (s *Store) Exclusions(ctx context.Context) (out []store.Exclusion, err error) {
	err = s.read(ctx, s.private, func(c *sqlite.Conn) error {
		out = nil
		return each(c, `SELECT name, since, reason FROM exclusions ORDER BY name`, func(st *sqlite.Stmt) error {
			n, err := adapter.Name(st.ColumnText(0))
			out = append(out, store.Exclusion{Domain: n, Since: adapter.Time(st.ColumnInt64(1)), Reason: st.ColumnText(2)})
			return err
		})
	})
	return out, err
}

// Cached implements [store.Keeper].
func (s *Store) Cached(ctx context.Context, key string) (out store.Cached, err error) {
	err = s.read(ctx, s.private, func(c *sqlite.Conn) error {
		found := false
		err := each(c, `SELECT etag, fetched, body FROM documents WHERE key = ?1`, func(st *sqlite.Stmt) error {
			out, found = store.Cached{Key: key, ETag: st.ColumnText(0), Fetched: adapter.Time(st.ColumnInt64(1)), Body: blob(st, 2)}, true
			return nil
		}, key)
		if err == nil && !found {
			return store.ErrNotFound
		}
		return err
	})
	return out, err
}

// Cache implements [store.Keeper].
func (s *Store) Cache(ctx context.Context, d store.Cached) error {
	return s.write(ctx, func(c *sqlite.Conn) error {
		return run(c, `INSERT INTO documents (key, etag, fetched, body) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (key) DO UPDATE SET etag = excluded.etag, fetched = excluded.fetched, body = excluded.body`,
			d.Key, d.ETag, adapter.Micros(d.Fetched), notNil(d.Body))
	})
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
