package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

const (
	// MaxAbsence is [store.MaxAbsence].
	MaxAbsence = store.MaxAbsence
	// listenCheck is how often a connection that hears nothing is tested, and listenPatience how long that may take.
	listenCheck    = 15 * time.Second
	listenPatience = 5 * time.Second
	// listenAgain is the pause before another attempt to connect.
	listenAgain = time.Second
)

var _ store.Followed = (*Store)(nil)

// Changes implements [store.Followed]. A mark is the oldest transaction that was running at the time.
func (s *Store) Changes(ctx context.Context, since store.Mark, f func(store.Change) error) (next store.Mark, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT pg_snapshot_xmin(pg_current_snapshot())::text`).Scan(&next); err != nil {
			return err
		}
		if since == "" {
			if err := uncompiled(ctx, tx); err != nil {
				return err
			}
			return s.changes(ctx, tx, f, `d.until > present($1)`, s.present())
		}
		if err := s.changes(ctx, tx, f, `d.change >= $2::text::xid8`, s.present(), string(since)); err != nil {
			return err
		}
		return each(ctx, tx, `SELECT domain FROM departed WHERE change >= $1::text::xid8`, func(rows pgx.Rows) error {
			var c store.Change
			if err := rows.Scan(&c.ID); err != nil {
				return err
			}
			return f(c)
		}, string(since))
	})
	if err != nil {
		return since, err
	}
	return next, nil
}

// Standing implements [store.Store].
func (s *Store) Standing(ctx context.Context, f func(store.Change) error) error {
	return s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := uncompiled(ctx, tx); err != nil {
			return err
		}
		return s.changes(ctx, tx, standing(f), `d.until > present($1)`, s.present())
	})
}

// standing passes on those that stand.
func standing(f func(store.Change) error) func(store.Change) error {
	return func(c store.Change) error {
		if c.Until.IsZero() {
			return nil
		}
		return f(c)
	}
}

// changes calls f for the domains that a condition selects. Its first argument is the present.
func (s *Store) changes(ctx context.Context, tx pgx.Tx, f func(store.Change) error, condition string, args ...any) error {
	query := `SELECT d.id, d.name, d.reported, r.body, CASE WHEN d.until <= present($1)
			OR EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name) THEN 0 ELSE d.until END
		FROM domains AS d LEFT JOIN reports AS r ON r.domain = d.id AND d.reported <> 0 WHERE ` + condition
	read := func(ctx context.Context, put func(*adapter.Stored, []byte) bool) error {
		return storedIn(ctx, tx, put, query, func(rows pgx.Rows, out *adapter.Stored, report *pgtype.DriverBytes) error {
			return rows.Scan(&out.ID, &out.Name, &out.Reported, report, &out.Until)
		}, args...)
	}
	return adapter.Changes(ctx, read, f)
}

// Listen implements [store.Followed], by LISTEN and NOTIFY.
func (s *Store) Listen(ctx context.Context, f func()) { s.Hear(ctx, Ears{Changed: f}) }

// Hear is Listen for all that processes tell each other.
func (s *Store) Hear(ctx context.Context, ears Ears) {
	for ctx.Err() == nil {
		_ = s.listen(ctx, ears)
		// Whoever follows polls, too: it must not wait for the connection.
		ears.Changed()
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
		}
	}
}

// listen listens until its connection breaks.
func (s *Store) listen(ctx context.Context, ears Ears) error {
	dctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	c, err := pgx.ConnectConfig(dctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(cctx)
	}()
	var schema string
	if err := c.QueryRow(dctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	if _, err := c.Exec(dctx, `LISTEN `+pgx.Identifier{"xmppgraph." + schema}.Sanitize()); err != nil {
		return err
	}
	ears.Changed()
	for {
		word, err := await(ctx, c)
		if err != nil {
			return err
		}
		ears.hear(word)
	}
}

// await waits for a notification or for the time to look without one, and fails where the connection is broken.
// It returns what the notification says, empty where there was none.
func await(ctx context.Context, c *pgx.Conn) (string, error) {
	wctx, cancel := context.WithTimeout(ctx, listenCheck)
	n, err := c.WaitForNotification(wctx)
	cancel()
	if err == nil {
		return n.Payload, nil
	}
	if ctx.Err() != nil || wctx.Err() == nil {
		return "", err
	}
	pctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	return "", c.Ping(pctx)
}
