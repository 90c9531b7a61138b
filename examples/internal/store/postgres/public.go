package postgres

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Every query of this file reads names from the SQL function named, and nothing else that may hold one but reports, which Live redacts.

// Live implements [store.Public].
func (s *Store) Live(ctx context.Context) iter.Seq2[graph.Report, error] {
	return func(yield func(graph.Report, error) bool) {
		err := s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
			present := s.present()
			until := make(map[xep.Name]int64)
			if err := names(ctx, tx, present, func(n xep.Name, _, u int64) { until[n] = u }); err != nil {
				return err
			}
			var body pgtype.DriverBytes
			var words adapter.Words
			return each(ctx, tx, `SELECT n.name, n.reported, r.body FROM named($1) AS n JOIN reports AS r ON r.domain = n.id`, func(rows pgx.Rows) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				var text string
				var reported int64
				if err := rows.Scan(&text, &reported, &body); err != nil {
					return err
				}
				name, err := adapter.Name(text)
				if err != nil {
					return err
				}
				r, err := adapter.ParseReport(name, body, &words)
				if err != nil {
					return err
				}
				adapter.Redact(r, reported, until)
				if !yield(*r, nil) {
					return errStop
				}
				return nil
			}, present)
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(graph.Report{}, err)
		}
	}
}

// names calls f for each domain that may be named.
func names(ctx context.Context, tx querier, present *int64, f func(n xep.Name, id, until int64)) error {
	return each(ctx, tx, `SELECT name, id, until FROM named($1)`, func(rows pgx.Rows) error {
		var text string
		var id, until int64
		if err := rows.Scan(&text, &id, &until); err != nil {
			return err
		}
		n, err := adapter.Name(text)
		if err == nil {
			f(n, id, until)
		}
		return err
	}, present)
}

// Moment implements [store.Public].
func (s *Store) Moment(ctx context.Context, at time.Time) (m *store.Moment, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		c, err := count(tx.QueryRow(ctx, `SELECT `+counts+` FROM observations WHERE at <= $1 ORDER BY at DESC LIMIT 1`, adapter.Micros(at)))
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		} else if err != nil {
			return err
		}
		m = &store.Moment{Count: c}
		seen, present := adapter.Micros(c.At), s.present()
		err = each(ctx, tx, `SELECT n.name, s.silent, s.unnamed FROM seen_domains AS s JOIN named($2) AS n ON n.id = s.domain
			WHERE s.first <= $1 AND s.last >= $1 ORDER BY n.name`, func(rows pgx.Rows) error {
			var silent bool
			var unnamed int
			n, err := scanNames(rows, 1, &silent, &unnamed)
			m.Domains = append(m.Domains, store.Domain{Name: n[0], Reporting: !silent, Unnamed: unnamed})
			return err
		}, seen, present)
		if err != nil {
			return err
		}
		return each(ctx, tx, `SELECT least(x.name, y.name) AS u, greatest(x.name, y.name) AS v, s.claims FROM seen_links AS s
			JOIN named($2) AS x ON x.id = s.a JOIN named($2) AS y ON y.id = s.b
			WHERE s.first <= $1 AND s.last >= $1 ORDER BY u, v`, func(rows pgx.Rows) error {
			var claims store.Claims
			n, err := scanNames(rows, 2, &claims)
			m.Links = append(m.Links, store.Link{A: n[0], B: n[1], Claims: claims})
			return err
		}, seen, present)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// scanNames reads the first columns as names.
func scanNames(rows pgx.Rows, n int, more ...any) (out [2]xep.Name, err error) {
	var texts [2]string
	into := []any{&texts[0], &texts[1]}[:n:n]
	if err := rows.Scan(append(into, more...)...); err != nil {
		return out, err
	}
	for i := range n {
		if out[i], err = adapter.Name(texts[i]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Past implements [store.Public].
func (s *Store) Past(ctx context.Context, name xep.Name) (p *store.Past, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		p = new(store.Past)
		present := s.present()
		var id, newest int64
		err := tx.QueryRow(ctx, `SELECT id, (SELECT coalesce(max(at), 0) FROM observations) FROM named($2) WHERE name = $1`,
			name.String(), present).Scan(&id, &newest)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		} else if err != nil {
			return err
		}
		err = each(ctx, tx, `SELECT first, last, continues FROM past_domains WHERE domain = $1 ORDER BY first`, func(rows pgx.Rows) error {
			var first, last int64
			var continues bool
			err := rows.Scan(&first, &last, &continues)
			adapter.AddSeen(p, adapter.Interval(first, last, newest), continues)
			return err
		}, id)
		if err != nil {
			return err
		}
		return each(ctx, tx, `SELECT n.name, s.first, s.last, s.continues FROM (
				SELECT b AS peer, first, last, continues FROM past_links WHERE a = $1
				UNION ALL SELECT a, first, last, continues FROM past_links WHERE b = $1) AS s
			JOIN named($2) AS n ON n.id = s.peer ORDER BY n.name, s.first`, func(rows pgx.Rows) error {
			var first, last int64
			var continues bool
			n, err := scanNames(rows, 1, &first, &last, &continues)
			adapter.AddLink(p, store.LinkInterval{Peer: n[0], Interval: adapter.Interval(first, last, newest)}, continues)
			return err
		}, id, present)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Series implements [store.Public].
func (s *Store) Series(ctx context.Context, from, to time.Time, max int) (out []store.Count, err error) {
	first, last := adapter.Micros(from), adapter.Micros(to)
	if max <= 0 || last < first {
		return nil, ctx.Err()
	}
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		out = nil
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM observations WHERE at BETWEEN $1 AND $2`, first, last).Scan(&n); err != nil {
			return err
		}
		step := int64(1)
		if n > max {
			step = adapter.Step(first, last, max)
		}
		return each(ctx, tx, `SELECT `+counts+` FROM observations WHERE at IN (
				SELECT max(at) FROM observations WHERE at BETWEEN $1 AND $2 GROUP BY (at - $1) / $3) ORDER BY at`,
			func(rows pgx.Rows) error {
				c, err := count(rows)
				out = append(out, c)
				return err
			}, first, last, step)
	})
	return out, err
}

// counts are the columns of an observation in the order of count.
const counts = `at, domains, reporting, links, mutual, lapsed, unnamed`

func count(row pgx.Row) (store.Count, error) {
	var at int64
	var n graph.Counts
	err := row.Scan(&at, &n.Domains, &n.Reporting, &n.Links, &n.Mutual, &n.Lapsed, &n.Unnamed)
	return store.Count{At: adapter.Time(at), Counts: n}, err
}
