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
	o := adapter.NewOpen()
	if err := names(ctx, tx, present, func(n xep.Name, id, _ int64) { o.Named[n] = id }); err != nil {
		return o, err
	}
	err := each(ctx, tx, `SELECT domain, silent, unnamed FROM seen_domains WHERE last = $1`, func(rows pgx.Rows) error {
		var id int64
		var st adapter.State
		err := rows.Scan(&id, &st.Silent, &st.Unnamed)
		o.Domains[id] = st
		return err
	}, int64(adapter.Still))
	if err != nil {
		return o, err
	}
	err = each(ctx, tx, `SELECT a, b, claims FROM seen_links WHERE last = $1`, func(rows pgx.Rows) error {
		var p adapter.Pair
		var claims store.Claims
		err := rows.Scan(&p[0], &p[1], &claims)
		o.Links[p] = claims
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
	var b pgx.Batch
	b.Queue(`UPDATE seen_domains SET last = $1 WHERE domain = ANY ($2) AND last = $3`, last, t.End, still)
	endA, endB := ends(t.EndLinks)
	b.Queue(`UPDATE seen_links AS s SET last = $1 FROM unnest($2::bigint[], $3::bigint[]) AS u (a, b)
		WHERE s.a = u.a AND s.b = u.b AND s.last = $4`, last, endA, endB, still)
	d := domainColumns(t.Begin)
	b.Queue(`INSERT INTO seen_domains (domain, first, last, silent, unnamed, continues)
		SELECT u.id, $1, $2, u.silent, u.unnamed, u.continues
		FROM unnest($3::bigint[], $4::boolean[], $5::bigint[], $6::boolean[]) AS u (id, silent, unnamed, continues)
		JOIN domains AS d ON d.id = u.id`, at, still, d.id, d.silent, d.unnamed, d.continues)
	l := linkColumns(t.BeginLinks)
	b.Queue(`INSERT INTO seen_links (a, b, first, last, claims, continues)
		SELECT x.id, y.id, $1, $2, u.claims, u.continues
		FROM unnest($3::bigint[], $4::bigint[], $5::smallint[], $6::boolean[]) AS u (a, b, claims, continues)
		JOIN domains AS x ON x.id = u.a JOIN domains AS y ON y.id = u.b`, at, still, l.a, l.b, l.claims, l.continues)
	return tx.SendBatch(ctx, &b).Close()
}

func ends(pairs []adapter.Pair) (a, b []int64) {
	for _, p := range pairs {
		a, b = append(a, p[0]), append(b, p[1])
	}
	return a, b
}

// domainRows are the beginnings of domains' intervals as columns.
type domainRows struct {
	id, unnamed       []int64
	silent, continues []bool
}

func domainColumns(all []adapter.Domain) (c domainRows) {
	for _, d := range all {
		c.id, c.unnamed = append(c.id, d.ID), append(c.unnamed, int64(d.Unnamed))
		c.silent, c.continues = append(c.silent, d.Silent), append(c.continues, d.Continues)
	}
	return c
}

// linkRows are the beginnings of links' intervals as columns.
type linkRows struct {
	a, b      []int64
	claims    []int16
	continues []bool
}

func linkColumns(all []adapter.Link) (c linkRows) {
	for _, l := range all {
		c.a, c.b = append(c.a, l.Pair[0]), append(c.b, l.Pair[1])
		c.claims, c.continues = append(c.claims, int16(l.Claims)), append(c.continues, l.Continues)
	}
	return c
}
