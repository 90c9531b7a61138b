package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Observe implements [store.Keeper]. Where several processes observe at the same time, they do so one after the other.
func (s *Store) Observe(ctx context.Context, snap *graph.Snapshot) error {
	at := adapter.Micros(snap.At())
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockObserve)); err != nil {
			return err
		}
		var last int64
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(at), 0) FROM observations`).Scan(&last); err != nil || at <= last {
			return err
		}
		if last != 0 && time.Duration(at-last)*time.Microsecond > store.Gap {
			if err := endAll(ctx, tx, last); err != nil {
				return err
			}
		}
		open, err := current(ctx, tx, s.present())
		if err != nil {
			return err
		}
		n := snap.Counts()
		_, err = tx.Exec(ctx, `INSERT INTO observations (`+counts+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			at, n.Domains, n.Reporting, n.Links, n.Mutual, n.Lapsed, n.Unnamed)
		if err != nil {
			return err
		}
		return record(ctx, tx, adapter.Compare(open, snap), at, last)
	})
}

// current returns what has open intervals.
func current(ctx context.Context, tx pgx.Tx, present *int64) (adapter.Open, error) {
	o := adapter.Open{Named: make(map[xep.Name]int64), Domains: make(map[int64]struct{}), Links: make(map[adapter.Pair]struct{})}
	if err := names(ctx, tx, present, func(n xep.Name, id, _ int64) { o.Named[n] = id }); err != nil {
		return o, err
	}
	err := each(ctx, tx, `SELECT domain FROM seen_domains WHERE last = $1`, func(rows pgx.Rows) error {
		var id int64
		err := rows.Scan(&id)
		o.Domains[id] = struct{}{}
		return err
	}, int64(adapter.Still))
	if err != nil {
		return o, err
	}
	err = each(ctx, tx, `SELECT a, b FROM seen_links WHERE last = $1`, func(rows pgx.Rows) error {
		var p adapter.Pair
		err := rows.Scan(&p[0], &p[1])
		o.Links[p] = struct{}{}
		return err
	}, int64(adapter.Still))
	return o, err
}

func endAll(ctx context.Context, tx pgx.Tx, last int64) error {
	for _, q := range []string{`UPDATE seen_domains SET last = $1 WHERE last = $2`, `UPDATE seen_links SET last = $1 WHERE last = $2`} {
		if _, err := tx.Exec(ctx, q, last, int64(adapter.Still)); err != nil {
			return err
		}
	}
	return nil
}

// record writes what has begun at a time, and what was last seen by the observation before. Rows that have gone meanwhile are left out.
func record(ctx context.Context, tx pgx.Tx, t adapter.Turn, at, last int64) error {
	const still = int64(adapter.Still)
	endA, endB := ends(t.EndLinks)
	beginA, beginB := ends(t.BeginLinks)
	var b pgx.Batch
	b.Queue(`UPDATE seen_domains SET last = $1 WHERE domain = ANY ($2) AND last = $3`, last, t.End, still)
	b.Queue(`UPDATE seen_links AS s SET last = $1 FROM unnest($2::bigint[], $3::bigint[]) AS u (a, b)
		WHERE s.a = u.a AND s.b = u.b AND s.last = $4`, last, endA, endB, still)
	b.Queue(`INSERT INTO seen_domains SELECT id, $1, $2 FROM domains WHERE id = ANY ($3)`, at, still, t.Begin)
	b.Queue(`INSERT INTO seen_links SELECT x.id, y.id, $1, $2 FROM unnest($3::bigint[], $4::bigint[]) AS u (a, b)
		JOIN domains AS x ON x.id = u.a JOIN domains AS y ON y.id = u.b`, at, still, beginA, beginB)
	return tx.SendBatch(ctx, &b).Close()
}

func ends(pairs []adapter.Pair) (a, b []int64) {
	for _, p := range pairs {
		a, b = append(a, p[0]), append(b, p[1])
	}
	return a, b
}
