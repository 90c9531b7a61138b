package sqlite

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Observe implements [store.Keeper].
func (s *Store) Observe(ctx context.Context, snap *graph.Snapshot) error {
	// What is open is read and compared before the one connection that writes is taken.
	s.observing.Lock()
	defer s.observing.Unlock()
	at := adapter.Micros(snap.At())
	open, last, err := s.current(ctx)
	switch {
	case err != nil:
		return err
	case at <= last:
		return nil
	}
	interrupted := last != 0 && time.Duration(at-last)*time.Microsecond > store.Gap
	if interrupted {
		clear(open.Domains)
		clear(open.Links)
	}
	turn := adapter.Compare(open, snap)
	return s.write(ctx, func(c *sqlite.Conn) error {
		if interrupted {
			if err := endAll(c, last); err != nil {
				return err
			}
		}
		n := snap.Counts()
		err := run(c, `INSERT INTO observations (`+counts+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
			at, n.Domains, n.Reporting, n.Links, n.Mutual, n.Lapsed, n.Unnamed)
		if err != nil {
			return err
		}
		return record(ctx, c, turn, at, last)
	})
}

// current returns what has open intervals, and when the last observation was.
func (s *Store) current(ctx context.Context) (o adapter.Open, last int64, err error) {
	err = s.read(ctx, s.public, func(c *sqlite.Conn) error {
		o = adapter.NewOpen()
		err := one(c, `SELECT coalesce(max(at), 0) FROM observations`, func(st *sqlite.Stmt) error {
			last = st.ColumnInt64(0)
			return nil
		})
		if err != nil {
			return err
		}
		if err := names(c, func(n xep.Name, id, _ int64) { o.Named[n] = id }); err != nil {
			return err
		}
		err = each(c, `SELECT domain, silent, unnamed FROM seen_domains WHERE last = ?1`, func(st *sqlite.Stmt) error {
			o.Domains[st.ColumnInt64(0)] = adapter.State{Silent: st.ColumnBool(1), Unnamed: st.ColumnInt(2)}
			return nil
		}, int64(adapter.Still))
		if err != nil {
			return err
		}
		return each(c, `SELECT a, b, claims FROM seen_links WHERE last = ?1`, func(st *sqlite.Stmt) error {
			o.Links[adapter.Pair{st.ColumnInt64(0), st.ColumnInt64(1)}] = store.Claims(st.ColumnInt(2))
			return nil
		}, int64(adapter.Still))
	})
	return o, last, err
}

func endAll(c *sqlite.Conn, last int64) error {
	if err := run(c, `UPDATE seen_domains SET last = ?1 WHERE last = ?2`, last, int64(adapter.Still)); err != nil {
		return err
	}
	return run(c, `UPDATE seen_links SET last = ?1 WHERE last = ?2`, last, int64(adapter.Still))
}

// record writes what has begun at a time, and what was last seen by the observation before. Rows that have gone meanwhile are left out.
func record(ctx context.Context, c *sqlite.Conn, t adapter.Turn, at, last int64) error {
	const still = int64(adapter.Still)
	for _, id := range t.End {
		if err := run(c, `UPDATE seen_domains SET last = ?1 WHERE domain = ?2 AND last = ?3`, last, id, still); err != nil {
			return err
		}
	}
	for _, p := range t.EndLinks {
		if err := run(c, `UPDATE seen_links SET last = ?1 WHERE a = ?2 AND b = ?3 AND last = ?4`, last, p[0], p[1], still); err != nil {
			return err
		}
	}
	for _, d := range t.Begin {
		err := run(c, `INSERT INTO seen_domains (domain, first, last, silent, unnamed, continues) SELECT id, ?1, ?2, ?4, ?5, ?6 FROM domains WHERE id = ?3`,
			at, still, d.ID, d.Silent, d.Unnamed, d.Continues)
		if err != nil {
			return err
		}
	}
	for _, l := range t.BeginLinks {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := run(c, `INSERT INTO seen_links (a, b, first, last, claims, continues)
			SELECT x.id, y.id, ?1, ?2, ?5, ?6 FROM domains AS x, domains AS y WHERE x.id = ?3 AND y.id = ?4`,
			at, still, l.Pair[0], l.Pair[1], int(l.Claims), l.Continues)
		if err != nil {
			return err
		}
	}
	return nil
}
