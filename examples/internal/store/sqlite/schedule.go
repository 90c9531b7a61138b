package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errNoOwner is a mistake of the caller, whose leases would be free for all.
var errNoOwner = errors.New("sqlite: a lease needs an owner")

// Lease implements [store.Schedule].
func (s *Store) Lease(ctx context.Context, owner string, max int, d time.Duration) (out []crawl.Record, err error) {
	if owner == "" {
		return nil, errNoOwner
	}
	now := s.now()
	err = s.write(ctx, func(c *sqlite.Conn) error {
		out = nil
		return each(c, `UPDATE domains AS d SET lease_owner = ?1, lease_until = ?2 WHERE id IN (
				SELECT id FROM domains AS o WHERE max(due, lease_until) <= ?3
				AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = o.name)
				ORDER BY max(due, lease_until) LIMIT ?4)
			RETURNING `+returned,
			func(st *sqlite.Stmt) error {
				rec, err := scan(st)
				out = append(out, rec)
				return err
			}, owner, adapter.Micros(now.Add(d)), adapter.Micros(now), max)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b crawl.Record) int { return a.Due.Compare(b.Due) })
	return out, nil
}

// Renew implements [store.Schedule].
func (s *Store) Renew(ctx context.Context, owner string, d time.Duration) (n int, err error) {
	err = s.write(ctx, func(c *sqlite.Conn) error {
		query, until := `UPDATE domains SET lease_until = ?2 WHERE lease_owner = ?1 AND lease_owner <> ''`, adapter.Micros(s.now().Add(d))
		if d <= 0 {
			query, until = `UPDATE domains SET lease_until = ?2, lease_owner = '' WHERE lease_owner = ?1 AND lease_owner <> ''`, 0
		}
		err := run(c, query, owner, until)
		n = c.Changes()
		return err
	})
	return n, err
}

// Complete implements [store.Schedule].
func (s *Store) Complete(ctx context.Context, owner string, done store.Completion) (lost []xep.Name, err error) {
	err = s.write(ctx, func(c *sqlite.Conn) error {
		lost = nil
		var b crawl.Batch
		for _, rec := range done.Records {
			ok, err := release(c, owner, rec.Domain)
			if err != nil {
				return err
			}
			if ok {
				b.Records = append(b.Records, rec)
			} else {
				lost = append(lost, rec.Domain)
			}
		}
		for _, n := range done.Gone {
			ok, err := release(c, owner, n)
			if err != nil {
				return err
			}
			if ok {
				b.Gone = append(b.Gone, n)
			} else {
				lost = append(lost, n)
			}
		}
		if err := save(ctx, c, b); err != nil {
			return err
		}
		return mention(c, done.Mentioned, s.now())
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// release gives a domain back, and reports whether it was the owner's.
func release(c *sqlite.Conn, owner string, n xep.Name) (bool, error) {
	err := run(c, `UPDATE domains SET lease_owner = '', lease_until = 0 WHERE name = ?1 AND lease_owner = ?2 AND lease_owner <> ''`, n.String(), owner)
	return c.Changes() > 0, err
}

func mention(c *sqlite.Conn, names []xep.Name, now time.Time) error {
	at, stale := adapter.Micros(now), adapter.Micros(now.Add(-store.MentionPrecision))
	for _, n := range names {
		err := run(c, `INSERT INTO domains (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
				by_default, subscribed, reported)
			SELECT ?1, ?2, ?2, 0, ?2, 0, 0, 0, 0, '', '', 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM exclusions WHERE name = ?1)
			ON CONFLICT (name) DO UPDATE SET mentioned = excluded.mentioned WHERE mentioned < ?3`, n.String(), at, stale)
		if err != nil {
			return err
		}
	}
	return nil
}
