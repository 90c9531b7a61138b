package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Note implements [store.Visits].
func (s *Store) Note(ctx context.Context, all ...store.Visit) error {
	if len(all) == 0 {
		return ctx.Err()
	}
	// One statement can change a row once only: the last visit of a domain counts.
	last := make(map[xep.Name]int, len(all))
	for i, v := range all {
		if j, ok := last[v.Domain]; !ok || !v.At.Before(all[j].At) {
			last[v.Domain] = i
		}
	}
	var names []string
	var ats []int64
	var bodies [][]byte
	for i, v := range all {
		if last[v.Domain] != i {
			continue
		}
		body, err := adapter.AppendVisit(nil, v)
		if err != nil {
			return err
		}
		names, ats, bodies = append(names, v.Domain.String()), append(ats, adapter.Micros(v.At)), append(bodies, body)
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO visits AS v (domain, at, body) SELECT d.id, u.at, u.body
			FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS u (name, at, body) JOIN domains AS d ON d.name = u.name
			WHERE (d.until > present($4) OR d.called_at > present($4) - $5)
				AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)
			ORDER BY d.name
			ON CONFLICT (domain) DO UPDATE SET at = excluded.at, body = excluded.body WHERE v.at <= excluded.at`,
			names, ats, bodies, s.present(), store.CalledLately.Microseconds())
		return err
	})
}

// Visited implements [store.Visits].
func (s *Store) Visited(ctx context.Context, name xep.Name) (v store.Visit, err error) {
	found := false
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found = false
		return each(ctx, tx, `SELECT v.at, v.body FROM visits AS v JOIN domains AS d ON d.id = v.domain WHERE d.name = $1
			AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)`, func(rows pgx.Rows) error {
			found = true
			var at int64
			var body []byte
			err := rows.Scan(&at, &body)
			if err == nil {
				v, err = adapter.ParseVisit(name, at, body)
			}
			return err
		}, name.String())
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return v, err
}

// forgetVisits removes what is told of those who may not be named, once whoever had them visited has had the time to read it.
func forgetVisits(ctx context.Context, tx pgx.Tx, present *int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM visits AS v USING domains AS d WHERE d.id = v.domain
		AND (d.until <= present($1) AND d.called_at <= present($1) - $2 OR EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name))`,
		present, store.CalledLately.Microseconds())
	return err
}
