package postgres

import (
	"context"
	"crypto/md5"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// parts is how many parts the domains fall into: enough for an even division between any sensible number of crawlers.
const parts = 1024

// Share is one crawler's side of a database whose domains several crawlers divide.
type Share struct {
	store *Store
	owner string
	wake  chan struct{}
	// since is the oldest transaction that news may still come from.
	since string
}

var _ crawl.Share = (*Share)(nil)

// errNoOwner is a mistake of the caller, whose parts would be free for all.
var errNoOwner = errors.New("postgres: a lease needs an owner")

// mentionPrecision is by how much a record's Mentioned may be late.
// A domain with a thousand neighbours would otherwise have a thousand rows written with each visit.
const mentionPrecision = time.Hour

// Share returns the side of a crawler. The owner is a name that no other crawler has, such as a random one made at its start.
func (s *Store) Share(owner string) *Share {
	return &Share{store: s, owner: owner, wake: make(chan struct{}, 1), since: "0"}
}

// Part implements [crawl.Share]. It is the generated column "part".
func (*Share) Part(domain xep.Name) int {
	sum := md5.Sum([]byte(domain.String()))
	return int(sum[0])<<2 | int(sum[1])>>6
}

// Wake implements [crawl.Share].
func (s *Share) Wake() <-chan struct{} { return s.wake }

// Poke makes [Share.Wake] deliver. It is for whoever hears that the database has changed, see [Store.Listen].
func (s *Share) Poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Hold implements [crawl.Share].
//
// Holdings are handed out one after the other: a part whose owner's lease has ended must not be renewed and taken at once.
func (s *Share) Hold(ctx context.Context, d time.Duration) (h crawl.Holding, err error) {
	if s.owner == "" {
		return h, errNoOwner
	}
	since := s.since
	err = s.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		h, since = crawl.Holding{}, s.since
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockShare)); err != nil {
			return err
		}
		if err := s.live(ctx, tx, d); err != nil {
			return err
		}
		if err := s.take(ctx, tx, &h); err != nil {
			return err
		}
		return s.news(ctx, tx, &h, &since)
	})
	if err != nil {
		return crawl.Holding{}, err
	}
	s.since = since
	return h, nil
}

// live renews the lease. The others hear of a crawler that is new.
func (s *Share) live(ctx context.Context, tx pgx.Tx, d time.Duration) error {
	present := s.store.present()
	var known bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM crawlers WHERE name = $1 AND until > present($2))`, s.owner, present).Scan(&known)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO crawlers AS c (name, until) VALUES ($1, present($3) + $2)
		ON CONFLICT (name) DO UPDATE SET until = greatest(c.until, excluded.until)`, s.owner, d.Microseconds(), present)
	if err != nil || known {
		return err
	}
	// Those who are gone for good don't return under their names.
	if _, err := tx.Exec(ctx, `DELETE FROM crawlers WHERE until < present($1) - 86400000000`, present); err != nil {
		return err
	}
	return tell(ctx, tx)
}

// take takes what nobody holds, up to the fair share, and tells what is held.
func (s *Share) take(ctx context.Context, tx pgx.Tx, h *crawl.Holding) error {
	present := s.store.present()
	var crawlers, held int
	err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM crawlers WHERE until > present($2)), (SELECT count(*) FROM parts WHERE owner = $1)`,
		s.owner, present).Scan(&crawlers, &held)
	if err != nil {
		return err
	}
	h.Crawlers = crawlers
	fair := (parts + crawlers - 1) / max(crawlers, 1)
	if held < fair {
		_, err := tx.Exec(ctx, `UPDATE parts SET owner = $1 WHERE part IN (
			SELECT p.part FROM parts AS p WHERE p.owner <> $1 AND NOT EXISTS (SELECT 1 FROM crawlers AS c WHERE c.name = p.owner AND c.until > present($2))
			ORDER BY p.part LIMIT $3)`, s.owner, present, fair-held)
		if err != nil {
			return err
		}
	}
	err = each(ctx, tx, `SELECT part FROM parts WHERE owner = $1 ORDER BY part`, func(rows pgx.Rows) error {
		var p int
		err := rows.Scan(&p)
		h.Parts = append(h.Parts, p)
		return err
	}, s.owner)
	if len(h.Parts) > fair {
		h.Excess = h.Parts[fair:len(h.Parts):len(h.Parts)]
	}
	return err
}

// news reads what others made known or due in parts that are held.
func (s *Share) news(ctx context.Context, tx pgx.Tx, h *crawl.Holding, since *string) error {
	if err := tx.QueryRow(ctx, `SELECT pg_snapshot_xmin(pg_current_snapshot())::text`).Scan(since); err != nil {
		return err
	}
	if s.since == "0" {
		// Nothing was held before, and what is held now is yet to be loaded.
		return nil
	}
	return each(ctx, tx, `SELECT `+columns+`, d.called_at FROM domains AS d JOIN parts AS p ON p.part = d.part
		WHERE d.called >= $1::text::xid8 AND p.owner = $2 AND NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = d.name)`,
		func(rows pgx.Rows) error {
			var called int64
			rec, err := scan(rows, &called)
			if at := time.UnixMicro(called); err == nil && at.Before(rec.Due) {
				// The holder may have saved the domain since, without having heard of the call.
				rec.Due = at
			}
			h.News = append(h.News, rec)
			return err
		}, s.since, s.owner)
}

// Release implements [crawl.Share]. A crawler that holds nothing any more is none any more.
func (s *Share) Release(ctx context.Context, these ...int) error {
	if len(these) == 0 {
		return ctx.Err()
	}
	return s.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockShare)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE parts SET owner = '' WHERE owner = $1 AND part = ANY ($2)`, s.owner, these); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM crawlers WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM parts WHERE owner = $1)`, s.owner)
		if err != nil {
			return err
		}
		return tell(ctx, tx)
	})
}

// LoadParts implements [crawl.Share].
func (s *Share) LoadParts(ctx context.Context, these ...int) iter.Seq2[crawl.Record, error] {
	return func(yield func(crawl.Record, error) bool) {
		err := s.store.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return each(ctx, tx, `SELECT `+columns+` FROM domains AS d WHERE d.part = ANY ($1)`, func(rows pgx.Rows) error {
				rec, err := scan(rows)
				if err == nil && !yield(rec, nil) {
					err = errStop
				}
				return err
			}, these)
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(crawl.Record{}, err)
		}
	}
}

// SaveHeld implements [crawl.Share].
func (s *Share) SaveHeld(ctx context.Context, b crawl.Batch, mentioned []xep.Name) (lost []xep.Name, err error) {
	err = s.store.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		held, err := s.held(ctx, tx)
		if err != nil {
			return err
		}
		mine, others := divide(b, func(n xep.Name) bool { return held[s.Part(n)] })
		lost = others
		if len(mine.Records)+len(mine.Gone) > 0 {
			hashes, err := lock(ctx, tx, mine)
			if err != nil {
				return err
			}
			if err := save(ctx, tx, mine, hashes); err != nil {
				return err
			}
		}
		return mention(ctx, tx, mentioned, s.store.present())
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// mention makes domains that are new due at once. Of the others it only notes, now and then, that they were mentioned.
func mention(ctx context.Context, tx pgx.Tx, names []xep.Name, present *int64) error {
	if len(names) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO domains AS d (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
			by_default, subscribed, reported, called, called_at)
		SELECT DISTINCT u.name, present($2), present($2), 0, present($2), 0, false, false, 0, '', ''::bytea, false, false, 0,
			pg_current_xact_id(), present($2)
		FROM unnest($1::text[]) AS u (name) WHERE NOT EXISTS (SELECT 1 FROM exclusions AS e WHERE e.name = u.name) ORDER BY u.name
		ON CONFLICT (name) DO UPDATE SET mentioned = excluded.mentioned WHERE d.mentioned < excluded.mentioned - $3`,
		texts(names), present, mentionPrecision.Microseconds())
	return err
}

// held locks what the crawler holds until the end of the transaction, so that nobody takes it meanwhile.
func (s *Share) held(ctx context.Context, tx pgx.Tx) (map[int]bool, error) {
	held := make(map[int]bool)
	err := each(ctx, tx, `SELECT part FROM parts WHERE owner = $1 AND owner <> '' ORDER BY part FOR SHARE`, func(rows pgx.Rows) error {
		var p int
		err := rows.Scan(&p)
		held[p] = true
		return err
	}, s.owner)
	return held, err
}

// divide returns the part of a batch that is the crawler's, and the names of the rest.
func divide(b crawl.Batch, mine func(xep.Name) bool) (own crawl.Batch, others []xep.Name) {
	for _, rec := range b.Records {
		if mine(rec.Domain) {
			own.Records = append(own.Records, rec)
		} else {
			others = append(others, rec.Domain)
		}
	}
	for _, n := range b.Gone {
		if mine(n) {
			own.Gone = append(own.Gone, n)
		} else {
			others = append(others, n)
		}
	}
	return own, others
}

// Call makes a domain due at once, known or not, for whichever crawler holds it, and returns the time by the database's clock.
// Once the domain is due later than that, it was visited.
//
// A domain that was called or answered within [crawl.LookAgain] is left alone, so that nobody can use it to bother a host;
// for one that is excluded the error is [store.ErrNotFound].
func (s *Store) Call(ctx context.Context, name xep.Name) (at time.Time, err error) {
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		present := s.present()
		var excluded bool
		var us int64
		err := tx.QueryRow(ctx, `SELECT present($2), EXISTS (SELECT 1 FROM exclusions WHERE name = $1)`, name.String(), present).Scan(&us, &excluded)
		if err != nil {
			return err
		}
		if at = adapter.Time(us); excluded {
			return store.ErrNotFound
		}
		called, err := tx.Exec(ctx, `INSERT INTO domains AS d (name, due, added, answered, mentioned, failures, given_up, advertised, until, service, node,
				by_default, subscribed, reported, called, called_at)
			VALUES ($1, present($2), present($2), 0, present($2), 0, false, false, 0, '', ''::bytea, false, false, 0, pg_current_xact_id(), present($2))
			ON CONFLICT (name) DO UPDATE SET due = least(d.due, excluded.due), mentioned = excluded.mentioned,
				called = excluded.called, called_at = excluded.called_at
			WHERE greatest(d.called_at, d.answered) <= excluded.called_at - $3`, name.String(), present, crawl.LookAgain.Microseconds())
		if err != nil || called.RowsAffected() == 0 {
			return err
		}
		return notify(ctx, tx, wordAsked+name.String())
	})
	return at, err
}

// Record returns what crawlers know of a domain, without its report, or ErrNotFound.
func (s *Store) Record(ctx context.Context, name xep.Name) (rec crawl.Record, err error) {
	found := false
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, `SELECT `+columns+` FROM domains AS d WHERE d.name = $1`, func(rows pgx.Rows) (err error) {
			found = true
			rec, err = scan(rows)
			return err
		}, name.String())
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return rec, err
}
