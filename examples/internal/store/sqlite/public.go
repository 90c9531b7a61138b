package sqlite

import (
	"context"
	"iter"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Live implements [store.Public].
func (s *Store) Live(ctx context.Context) iter.Seq2[graph.Report, error] {
	return func(yield func(graph.Report, error) bool) {
		var buf buffer
		var words adapter.Words
		err := s.read(ctx, s.public, func(c *sqlite.Conn) error {
			until := make(map[xep.Name]int64)
			if err := names(c, func(n xep.Name, _, u int64) { until[n] = u }); err != nil {
				return err
			}
			return each(c, `SELECT n.name, n.reported, r.body FROM named AS n JOIN reports AS r ON r.domain = n.id`, func(st *sqlite.Stmt) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				name, err := adapter.Name(st.ColumnText(0))
				if err != nil {
					return err
				}
				r, err := adapter.ParseReport(name, buf.read(st, 2), &words)
				if err != nil {
					return err
				}
				if _, live := until[name]; !live {
					// The view's clock has gone on since the first query.
					return nil
				}
				adapter.Redact(r, st.ColumnInt64(1), until)
				if !yield(*r, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && err != errStop {
			yield(graph.Report{}, err)
		}
	}
}

// names calls f for each domain that may be named.
func names(c *sqlite.Conn, f func(n xep.Name, id, until int64)) error {
	return each(c, `SELECT name, id, until FROM named`, func(st *sqlite.Stmt) error {
		n, err := adapter.Name(st.ColumnText(0))
		if err == nil {
			f(n, st.ColumnInt64(1), st.ColumnInt64(2))
		}
		return err
	})
}

// Moment implements [store.Public].
func (s *Store) Moment(ctx context.Context, at time.Time) (m *store.Moment, err error) {
	err = s.read(ctx, s.public, func(c *sqlite.Conn) error {
		m = nil
		var seen int64
		err := each(c, `SELECT `+counts+` FROM observations WHERE at <= ?1 ORDER BY at DESC LIMIT 1`, func(st *sqlite.Stmt) error {
			m, seen = &store.Moment{Count: count(st)}, st.ColumnInt64(0)
			return nil
		}, adapter.Micros(at))
		if err != nil {
			return err
		}
		if m == nil {
			return store.ErrNotFound
		}
		err = each(c, `SELECT n.name, s.silent, s.unnamed FROM seen_domains AS s JOIN named AS n ON n.id = s.domain
			WHERE s.first <= ?1 AND s.last >= ?1 ORDER BY n.name`, func(st *sqlite.Stmt) error {
			n, err := adapter.Name(st.ColumnText(0))
			m.Domains = append(m.Domains, store.Domain{Name: n, Reporting: !st.ColumnBool(1), Unnamed: st.ColumnInt(2)})
			return err
		}, seen)
		if err != nil {
			return err
		}
		return each(c, `SELECT min(x.name, y.name) AS u, max(x.name, y.name) AS v, s.claims FROM seen_links AS s
			JOIN named AS x ON x.id = s.a JOIN named AS y ON y.id = s.b
			WHERE s.first <= ?1 AND s.last >= ?1 ORDER BY u, v`, func(st *sqlite.Stmt) error {
			a, err := adapter.Name(st.ColumnText(0))
			if err != nil {
				return err
			}
			b, err := adapter.Name(st.ColumnText(1))
			m.Links = append(m.Links, store.Link{A: a, B: b, Claims: store.Claims(st.ColumnInt(2))})
			return err
		}, seen)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Past implements [store.Public].
func (s *Store) Past(ctx context.Context, name xep.Name) (p *store.Past, err error) {
	err = s.read(ctx, s.public, func(c *sqlite.Conn) error {
		p = nil
		var id, newest int64
		err := each(c, `SELECT id, (SELECT coalesce(max(at), 0) FROM observations) FROM named WHERE name = ?1`, func(st *sqlite.Stmt) error {
			p, id, newest = new(store.Past), st.ColumnInt64(0), st.ColumnInt64(1)
			return nil
		}, name.String())
		if err != nil {
			return err
		}
		if p == nil {
			return store.ErrNotFound
		}
		err = each(c, `SELECT first, last, continues FROM past_domains WHERE domain = ?1 ORDER BY first`, func(st *sqlite.Stmt) error {
			adapter.AddSeen(p, interval(st, 0, newest), st.ColumnBool(2))
			return nil
		}, id)
		if err != nil {
			return err
		}
		return each(c, `SELECT n.name, s.first, s.last, s.continues FROM past_links AS s JOIN named AS n ON n.id = s.b WHERE s.a = ?1
			UNION ALL SELECT n.name, s.first, s.last, s.continues FROM past_links AS s JOIN named AS n ON n.id = s.a WHERE s.b = ?1
			ORDER BY 1, 2`, func(st *sqlite.Stmt) error {
			peer, err := adapter.Name(st.ColumnText(0))
			adapter.AddLink(p, store.LinkInterval{Peer: peer, Interval: interval(st, 1, newest)}, st.ColumnBool(3))
			return err
		}, id)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func interval(st *sqlite.Stmt, col int, newest int64) store.Interval {
	return adapter.Interval(st.ColumnInt64(col), st.ColumnInt64(col+1), newest)
}

// Series implements [store.Public].
func (s *Store) Series(ctx context.Context, from, to time.Time, max int) (out []store.Count, err error) {
	first, last := adapter.Micros(from), adapter.Micros(to)
	if max <= 0 || last < first {
		return nil, ctx.Err()
	}
	err = s.read(ctx, s.public, func(c *sqlite.Conn) error {
		out = nil
		n := 0
		err := one(c, `SELECT count(*) FROM observations WHERE at BETWEEN ?1 AND ?2`, func(st *sqlite.Stmt) error {
			n = st.ColumnInt(0)
			return nil
		}, first, last)
		if err != nil {
			return err
		}
		step := int64(1)
		if n > max {
			step = adapter.Step(first, last, max)
		}
		return each(c, `SELECT `+counts+` FROM observations WHERE at IN (
				SELECT max(at) FROM observations WHERE at BETWEEN ?1 AND ?2 GROUP BY (at - ?1) / ?3) ORDER BY at`,
			func(st *sqlite.Stmt) error {
				out = append(out, count(st))
				return nil
			}, first, last, step)
	})
	return out, err
}

// counts are the columns of an observation in the order of count.
const counts = `at, domains, reporting, links, mutual, lapsed, unnamed`

func count(st *sqlite.Stmt) store.Count {
	return store.Count{At: adapter.Time(st.ColumnInt64(0)), Counts: graph.Counts{
		Domains: st.ColumnInt(1), Reporting: st.ColumnInt(2), Links: st.ColumnInt(3),
		Mutual: st.ColumnInt(4), Lapsed: st.ColumnInt(5), Unnamed: st.ColumnInt(6),
	}}
}
