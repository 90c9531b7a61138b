package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// isOpen selects open intervals, in the words of the indexes.
	isOpen   = `last = 9223372036854775807`
	isClosed = `last <> 9223372036854775807`
	// atOnce is how many rows of an observation are taken back at once.
	atOnce = 20_000
	// unlockPatience bounds how long giving a lock back may take.
	unlockPatience = 5 * time.Second
)

// Observe implements [store.Keeper]. Where several processes observe at the same time, they do so one after the other.
//
// A large change is written in several transactions: whoever follows the database would have to wait for the end of a long one.
func (s *Store) Observe(ctx context.Context, snap *graph.Snapshot) error {
	return s.alone(ctx, func(c *pgxpool.Conn) error {
		o := &observation{conn: c, at: adapter.Micros(snap.At())}
		if err := c.QueryRow(ctx, `SELECT coalesce(max(at), 0) FROM observations`).Scan(&o.last); err != nil || o.at <= o.last {
			return err
		}
		if err := o.takeBack(ctx); err != nil {
			return err
		}
		ids := make([]int64, snap.Len())
		err := names(ctx, c, s.present(), func(n xep.Name, id, _ int64) {
			if i, ok := snap.Index(n); ok {
				ids[i] = id
			}
		})
		if err != nil {
			return err
		}
		unwatched := o.last != 0 && time.Duration(o.at-o.last)*time.Microsecond > store.Gap
		rest, err := adapter.Compare(ctx, o, snap, ids, unwatched)
		if err != nil {
			return err
		}
		return o.end(ctx, rest, snap.Counts())
	})
}

// Observed returns when the last observation was made, by whichever process, the zero time for never.
func (s *Store) Observed(ctx context.Context) (at time.Time, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var us int64
		err := tx.QueryRow(ctx, `SELECT coalesce(max(at), 0) FROM observations`).Scan(&us)
		at = adapter.Time(us)
		return err
	})
	return at, err
}

// alone runs f on a connection that keeps others from observing. They don't wait longer than the connection lives.
func (s *Store) alone(ctx context.Context, f func(*pgxpool.Conn) error) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return told(ctx, err)
	}
	defer c.Release()
	if _, err := c.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(lockObserve)); err != nil {
		return told(ctx, err)
	}
	defer func() {
		uctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockPatience)
		defer cancel()
		if _, err := c.Exec(uctx, `SELECT pg_advisory_unlock($1)`, int64(lockObserve)); err != nil {
			_ = c.Conn().Close(uctx)
		}
	}()
	return told(ctx, f(c))
}

// observation is one that is being written.
type observation struct {
	conn *pgxpool.Conn
	// at is its time, and last that of the one before it.
	at, last int64
	// begun is whether some of it has been written.
	begun bool
}

// Domains implements [adapter.Book].
func (o *observation) Domains(ctx context.Context, to []adapter.Domain, after int64, n int) ([]adapter.Domain, error) {
	err := each(ctx, o.conn, `SELECT domain, silent, unnamed FROM seen_domains WHERE `+isOpen+` AND domain > $1 ORDER BY domain LIMIT $2`, func(rows pgx.Rows) error {
		var d adapter.Domain
		err := rows.Scan(&d.ID, &d.Silent, &d.Unnamed)
		to = append(to, d)
		return err
	}, after, n)
	return to, err
}

// Links implements [adapter.Book].
func (o *observation) Links(ctx context.Context, to []adapter.Link, after adapter.Pair, n int) ([]adapter.Link, error) {
	err := each(ctx, o.conn, `SELECT a, b, claims FROM seen_links WHERE `+isOpen+` AND (a, b) > ($1, $2) ORDER BY a, b LIMIT $3`, func(rows pgx.Rows) error {
		var l adapter.Link
		err := rows.Scan(&l.Pair[0], &l.Pair[1], &l.Claims)
		to = append(to, l)
		return err
	}, after[0], after[1], n)
	return to, err
}

// Write implements [adapter.Book].
func (o *observation) Write(ctx context.Context, p *adapter.Piece) error {
	err := o.write(ctx, p, func(b *pgx.Batch) {
		if !o.begun {
			b.Queue(`INSERT INTO unfinished (at, last) VALUES ($1, $2)`, o.at, o.last)
		}
	})
	o.begun = o.begun || err == nil
	return err
}

// end writes the last piece. With it, all of the observation is there.
func (o *observation) end(ctx context.Context, p *adapter.Piece, n graph.Counts) error {
	return o.write(ctx, p, func(b *pgx.Batch) {
		if o.begun {
			b.Queue(`DELETE FROM unfinished`)
		}
		b.Queue(`INSERT INTO observations (`+counts+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			o.at, n.Domains, n.Reporting, n.Links, n.Mutual, n.Lapsed, n.Unnamed)
	})
}

// write writes a piece and something more. Rows that have gone meanwhile are left out.
func (o *observation) write(ctx context.Context, p *adapter.Piece, more func(*pgx.Batch)) error {
	return writeOn(ctx, o.conn, func(ctx context.Context, tx pgx.Tx) error {
		if err := sieve(ctx, tx, p); err != nil {
			return err
		}
		var b pgx.Batch
		more(&b)
		record(&b, p, o.at, o.last)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// record queues what ends with the observation before, and what begins.
func record(b *pgx.Batch, p *adapter.Piece, at, last int64) {
	if len(p.End) > 0 {
		b.Queue(`UPDATE seen_domains SET last = $1 WHERE domain = ANY ($2) AND `+isOpen, last, p.End)
	}
	if len(p.EndLinks) > 0 {
		endA, endB := ends(p.EndLinks)
		b.Queue(`UPDATE seen_links AS s SET last = $1 FROM unnest($2::bigint[], $3::bigint[]) AS u (a, b)
			WHERE s.a = u.a AND s.b = u.b AND s.`+isOpen, last, endA, endB)
	}
	const still = int64(adapter.Still)
	if len(p.Begin) > 0 {
		d := domainColumns(p.Begin)
		b.Queue(`INSERT INTO seen_domains (domain, first, last, silent, unnamed, continues)
			SELECT u.id, $1, $2, u.silent, u.unnamed, u.continues
			FROM unnest($3::bigint[], $4::boolean[], $5::bigint[], $6::boolean[]) AS u (id, silent, unnamed, continues)`,
			at, still, d.id, d.silent, d.unnamed, d.continues)
	}
	if len(p.BeginLinks) > 0 {
		l := linkColumns(p.BeginLinks)
		b.Queue(`INSERT INTO seen_links (a, b, first, last, claims, continues)
			SELECT u.a, u.b, $1, $2, u.claims, u.continues
			FROM unnest($3::bigint[], $4::bigint[], $5::smallint[], $6::boolean[]) AS u (a, b, claims, continues)`,
			at, still, l.a, l.b, l.claims, l.continues)
	}
}
