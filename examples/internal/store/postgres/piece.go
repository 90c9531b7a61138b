package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

// sieve takes out of a piece what begins with domains that have no row any more. The others keep theirs until the transaction ends.
func sieve(ctx context.Context, tx pgx.Tx, p *adapter.Piece) error {
	ids := make([]int64, 0, len(p.Begin)+2*len(p.BeginLinks))
	for _, d := range p.Begin {
		ids = append(ids, d.ID)
	}
	for _, l := range p.BeginLinks {
		ids = append(ids, l.Pair[0], l.Pair[1])
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockHistory)); err != nil {
		return err
	}
	gone := make(map[int64]bool)
	err := each(ctx, tx, `SELECT u.id FROM unnest($1::bigint[]) AS u (id) WHERE NOT EXISTS (SELECT 1 FROM domains AS d WHERE d.id = u.id)`, func(rows pgx.Rows) error {
		var id int64
		err := rows.Scan(&id)
		gone[id] = true
		return err
	}, ids)
	if err != nil || len(gone) == 0 {
		return err
	}
	p.Begin = slices.DeleteFunc(p.Begin, func(d adapter.Domain) bool { return gone[d.ID] })
	p.BeginLinks = slices.DeleteFunc(p.BeginLinks, func(l adapter.Link) bool { return gone[l.Pair[0]] || gone[l.Pair[1]] })
	return nil
}

// takeBack removes what an observation wrote that was not brought to its end, and lets go on what it ended.
// Its own mark goes last, so that it can be interrupted as well.
func (o *observation) takeBack(ctx context.Context) error {
	var at, last int64
	found := false
	err := each(ctx, o.conn, `SELECT at, last FROM unfinished`, func(rows pgx.Rows) error {
		found = true
		return rows.Scan(&at, &last)
	})
	if err != nil || !found {
		return err
	}
	if err := o.removeLinks(ctx, at); err != nil {
		return err
	}
	for more := true; more; {
		if more, err = o.reopenLinks(ctx, last); err != nil {
			return err
		}
	}
	return writeOn(ctx, o.conn, func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`DELETE FROM seen_domains WHERE `+isOpen+` AND first = $1`, at)
		b.Queue(`UPDATE seen_domains SET last = $2 WHERE `+isClosed+` AND last = $1`, last, int64(adapter.Still))
		b.Queue(`DELETE FROM unfinished`)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// removeLinks removes the open links that began at a time, domain by domain.
func (o *observation) removeLinks(ctx context.Context, at int64) error {
	for after := int64(0); ; {
		var until *int64
		err := writeOn(ctx, o.conn, func(ctx context.Context, tx pgx.Tx) error {
			err := tx.QueryRow(ctx, `SELECT max(a) FROM (SELECT a FROM seen_links WHERE `+isOpen+` AND a > $1 ORDER BY a LIMIT $2) AS s`, after, atOnce).Scan(&until)
			if err != nil || until == nil {
				return err
			}
			_, err = tx.Exec(ctx, `DELETE FROM seen_links WHERE `+isOpen+` AND a > $1 AND a <= $2 AND first = $3`, after, *until, at)
			return err
		})
		if err != nil || until == nil {
			return err
		}
		after = *until
	}
}

// reopenLinks lets some of the links go on that ended at a time, and tells whether there may be more.
func (o *observation) reopenLinks(ctx context.Context, last int64) (more bool, err error) {
	err = writeOn(ctx, o.conn, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE seen_links SET last = $3 WHERE ctid = ANY (ARRAY (
			SELECT ctid FROM seen_links WHERE `+isClosed+` AND last = $1 LIMIT $2))`, last, atOnce, int64(adapter.Still))
		more = tag.RowsAffected() > 0
		return err
	})
	return more, err
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
