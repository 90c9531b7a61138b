package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errNoOwner is a mistake of the caller, whose leases would be free for all.
var errNoOwner = errors.New("postgres: a lease needs an owner")

// Lease implements [store.Schedule]. Crawlers that lease at the same time don't wait for each other.
func (s *Store) Lease(ctx context.Context, owner string, max int, d time.Duration) (out []crawl.Record, err error) {
	if owner == "" {
		return nil, errNoOwner
	}
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = nil
		return each(ctx, tx, `WITH ready AS MATERIALIZED (
				SELECT o.id FROM domains AS o WHERE greatest(o.due, o.lease_until) <= present($3)
				AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = o.name)
				ORDER BY greatest(o.due, o.lease_until) LIMIT $4 FOR UPDATE OF o SKIP LOCKED)
			UPDATE domains AS d SET lease_owner = $1, lease_until = present($3) + $2 FROM ready WHERE d.id = ready.id
			RETURNING `+columns,
			func(rows pgx.Rows) error {
				rec, err := scan(rows)
				out = append(out, rec)
				return err
			}, owner, d.Microseconds(), s.present(), max)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b crawl.Record) int { return a.Due.Compare(b.Due) })
	return out, nil
}

// Renew implements [store.Schedule].
func (s *Store) Renew(ctx context.Context, owner string, d time.Duration) (n int, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// The rows are locked in an order that all transactions keep.
		tag, err := tx.Exec(ctx, `WITH mine AS MATERIALIZED (
				SELECT id FROM domains WHERE lease_owner = $1 AND lease_owner <> '' ORDER BY name FOR UPDATE)
			UPDATE domains AS d SET lease_until = CASE WHEN $2::bigint > 0 THEN present($3) + $2 ELSE 0 END,
				lease_owner = CASE WHEN $2 > 0 THEN lease_owner ELSE '' END
			FROM mine WHERE d.id = mine.id`, owner, d.Microseconds(), s.present())
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}

// Complete implements [store.Schedule].
func (s *Store) Complete(ctx context.Context, owner string, done store.Completion) (lost []xep.Name, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		lost = nil
		known, err := lock(ctx, tx, done.Batch, done.Mentioned)
		if err != nil {
			return err
		}
		mine := func(n xep.Name) bool {
			ok := owner != "" && known[n.String()].owner == owner
			if !ok {
				lost = append(lost, n)
			}
			return ok
		}
		var b crawl.Batch
		var free []string
		for _, rec := range done.Records {
			if mine(rec.Domain) {
				b.Records, free = append(b.Records, rec), append(free, rec.Domain.String())
			}
		}
		for _, n := range done.Gone {
			if mine(n) {
				b.Gone = append(b.Gone, n)
			}
		}
		if err := save(ctx, tx, b, known); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE domains SET lease_owner = '', lease_until = 0 WHERE name = ANY ($1)`, free); err != nil {
			return err
		}
		return mention(ctx, tx, done.Mentioned, s.present())
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

func mention(ctx context.Context, tx pgx.Tx, names []xep.Name, present *int64) error {
	if len(names) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO domains AS d (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
			by_default, subscribed, reported, called, called_at)
		SELECT DISTINCT u.name, present($2), present($2), 0, present($2), 0, false, false, 0, '', ''::bytea, false, false, 0,
			pg_current_xact_id(), present($2)
		FROM unnest($1::text[]) AS u (name) WHERE NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = u.name) ORDER BY u.name
		ON CONFLICT (name) DO UPDATE SET mentioned = excluded.mentioned WHERE d.mentioned < excluded.mentioned - $3`,
		texts(names), present, store.MentionPrecision.Microseconds())
	return err
}
