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

const (
	still = int64(adapter.Still)
	// atOnce is about how many links of an observation are taken back at once.
	atOnce = 20_000
)

// Observe implements [store.Keeper].
//
// A large change is written in several transactions: there is one connection that writes, and what a crawler finds must not wait long for it.
func (s *Store) Observe(ctx context.Context, snap *graph.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.observing.Lock()
	defer s.observing.Unlock()
	o := &observation{store: s, at: adapter.Micros(snap.At())}
	var left unfinished
	ids := make([]int64, snap.Len())
	err := s.read(ctx, s.public, func(c *sqlite.Conn) (err error) {
		if o.last, left, err = newest(c); err != nil || o.at <= o.last {
			return err
		}
		return names(c, func(n xep.Name, id, _ int64) {
			if i, ok := snap.Index(n); ok {
				ids[i] = id
			}
		})
	})
	if err != nil || o.at <= o.last {
		return err
	}
	if err := s.takeBack(ctx, left); err != nil {
		return err
	}
	unwatched := o.last != 0 && time.Duration(o.at-o.last)*time.Microsecond > store.Gap
	rest, err := adapter.Compare(ctx, o, snap, ids, unwatched)
	if err != nil {
		return err
	}
	return o.end(ctx, rest, snap.Counts())
}

// unfinished is an observation that was not brought to its end, zero if there is none.
type unfinished struct{ at, last int64 }

// newest returns the time of the last observation, and one after it that was not brought to its end.
func newest(c *sqlite.Conn) (last int64, left unfinished, err error) {
	err = one(c, `SELECT coalesce(max(at), 0) FROM observations`, func(st *sqlite.Stmt) error {
		last = st.ColumnInt64(0)
		return nil
	})
	if err != nil {
		return 0, left, err
	}
	err = each(c, `SELECT at, last FROM unfinished`, func(st *sqlite.Stmt) error {
		left = unfinished{st.ColumnInt64(0), st.ColumnInt64(1)}
		return nil
	})
	return last, left, err
}

// observation is one that is being written.
type observation struct {
	store *Store
	// at is its time, and last that of the one before it.
	at, last int64
	// begun is whether some of it has been written.
	begun bool
}

// Domains implements [adapter.Book].
func (o *observation) Domains(ctx context.Context, to []adapter.Domain, after int64, n int) ([]adapter.Domain, error) {
	err := o.store.read(ctx, o.store.public, func(c *sqlite.Conn) error {
		return each(c, `SELECT domain, silent, unnamed FROM seen_domains WHERE last = ?1 AND domain > ?2 ORDER BY domain LIMIT ?3`, func(st *sqlite.Stmt) error {
			to = append(to, adapter.Domain{ID: st.ColumnInt64(0), State: adapter.State{Silent: st.ColumnBool(1), Unnamed: st.ColumnInt(2)}})
			return nil
		}, still, after, n)
	})
	return to, err
}

// Links implements [adapter.Book].
func (o *observation) Links(ctx context.Context, to []adapter.Link, after adapter.Pair, n int) ([]adapter.Link, error) {
	err := o.store.read(ctx, o.store.public, func(c *sqlite.Conn) error {
		return each(c, `SELECT a, b, claims FROM seen_links WHERE last = ?1 AND (a, b) > (?2, ?3) ORDER BY a, b LIMIT ?4`, func(st *sqlite.Stmt) error {
			to = append(to, adapter.Link{Pair: adapter.Pair{st.ColumnInt64(0), st.ColumnInt64(1)}, Claims: store.Claims(st.ColumnInt(2))})
			return nil
		}, still, after[0], after[1], n)
	})
	return to, err
}

// Write implements [adapter.Book].
func (o *observation) Write(ctx context.Context, p *adapter.Piece) error {
	err := o.store.write(ctx, func(c *sqlite.Conn) error {
		if !o.begun {
			if err := run(c, `INSERT INTO unfinished (at, last) VALUES (?1, ?2)`, o.at, o.last); err != nil {
				return err
			}
		}
		return record(ctx, c, p, o.at, o.last)
	})
	o.begun = o.begun || err == nil
	return err
}

// end writes the last piece. With it, all of the observation is there.
func (o *observation) end(ctx context.Context, p *adapter.Piece, n graph.Counts) error {
	return o.store.write(ctx, func(c *sqlite.Conn) error {
		if err := record(ctx, c, p, o.at, o.last); err != nil {
			return err
		}
		if o.begun {
			if err := run(c, `DELETE FROM unfinished`); err != nil {
				return err
			}
		}
		return run(c, `INSERT INTO observations (`+counts+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
			o.at, n.Domains, n.Reporting, n.Links, n.Mutual, n.Lapsed, n.Unnamed)
	})
}

// record writes what has begun at a time, and what was last seen by the observation before. Rows that have gone meanwhile are left out.
func record(ctx context.Context, c *sqlite.Conn, p *adapter.Piece, at, last int64) error {
	for _, id := range p.End {
		if err := run(c, `UPDATE seen_domains SET last = ?1 WHERE domain = ?2 AND last = ?3`, last, id, still); err != nil {
			return err
		}
	}
	for _, l := range p.EndLinks {
		if err := run(c, `UPDATE seen_links SET last = ?1 WHERE a = ?2 AND b = ?3 AND last = ?4`, last, l[0], l[1], still); err != nil {
			return err
		}
	}
	for _, d := range p.Begin {
		err := run(c, `INSERT INTO seen_domains (domain, first, last, silent, unnamed, continues) SELECT id, ?1, ?2, ?4, ?5, ?6 FROM domains WHERE id = ?3`,
			at, still, d.ID, d.Silent, d.Unnamed, d.Continues)
		if err != nil {
			return err
		}
	}
	for _, l := range p.BeginLinks {
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

// takeBack removes what an observation wrote that was not brought to its end, and lets go on what it ended.
// Its own mark goes last, so that it can be interrupted as well.
func (s *Store) takeBack(ctx context.Context, left unfinished) error {
	if left.at == 0 {
		return nil
	}
	if err := s.removeLinks(ctx, left.at); err != nil {
		return err
	}
	for more := true; more; {
		err := s.write(ctx, func(c *sqlite.Conn) error {
			// The key begins with both ends of the link.
			err := run(c, `UPDATE seen_links SET last = ?2 WHERE (a, b, first) IN (SELECT a, b, first FROM seen_links WHERE last = ?1 LIMIT ?3)`,
				left.last, still, atOnce)
			more = c.Changes() > 0
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.write(ctx, func(c *sqlite.Conn) error {
		if err := run(c, `DELETE FROM seen_domains WHERE last = ?2 AND first = ?1`, left.at, still); err != nil {
			return err
		}
		if err := run(c, `UPDATE seen_domains SET last = ?2 WHERE last = ?1`, left.last, still); err != nil {
			return err
		}
		return run(c, `DELETE FROM unfinished`)
	})
}

// removeLinks removes the open links that began at a time, domain by domain.
func (s *Store) removeLinks(ctx context.Context, at int64) error {
	for after, more := int64(0), true; more; {
		err := s.write(ctx, func(c *sqlite.Conn) error {
			until := int64(0)
			err := one(c, `SELECT coalesce(max(a), 0) FROM (SELECT a FROM seen_links WHERE last = ?2 AND a > ?1 ORDER BY a LIMIT ?3)`, func(st *sqlite.Stmt) error {
				until = st.ColumnInt64(0)
				return nil
			}, after, still, atOnce)
			if more = until != 0; err != nil || !more {
				return err
			}
			err = run(c, `DELETE FROM seen_links WHERE last = ?3 AND a > ?1 AND a <= ?2 AND first = ?4`, after, until, still, at)
			after = until
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
