package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Note implements [store.Visits]. Nobody else calls for a visit here.
func (s *Store) Note(ctx context.Context, all ...store.Visit) error {
	if len(all) == 0 {
		return ctx.Err()
	}
	present := adapter.Micros(s.now())
	return s.write(ctx, func(c *sqlite.Conn) error {
		var body []byte
		for _, v := range all {
			var err error
			if body, err = adapter.AppendVisit(body[:0], v); err != nil {
				return err
			}
			err = run(c, `INSERT INTO visits (domain, at, body) SELECT id, ?2, ?3 FROM domains AS d WHERE name = ?1 AND until > ?4
					AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)
				ON CONFLICT (domain) DO UPDATE SET at = excluded.at, body = excluded.body WHERE at <= excluded.at`,
				v.Domain.String(), adapter.Micros(v.At), body, present)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Visited implements [store.Visits].
func (s *Store) Visited(ctx context.Context, name xep.Name) (v store.Visit, err error) {
	err = s.read(ctx, s.private, func(c *sqlite.Conn) error {
		found := false
		err := each(c, `SELECT v.at, v.body FROM visits AS v JOIN domains AS d ON d.id = v.domain WHERE d.name = ?1
			AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)`, func(st *sqlite.Stmt) (err error) {
			found = true
			v, err = adapter.ParseVisit(name, st.ColumnInt64(0), blob(st, 1))
			return err
		}, name.String())
		if err == nil && !found {
			return store.ErrNotFound
		}
		return err
	})
	return v, err
}

// forgetVisits removes what is told of those who may not be named.
func forgetVisits(c *sqlite.Conn, present int64) error {
	return run(c, `DELETE FROM visits WHERE domain IN (SELECT id FROM domains AS d WHERE until <= ?1
		OR EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name))`, present)
}
