// Package postgres keeps the aggregator's data in PostgreSQL, for any number of processes that share the work.
//
// The driver is pgx. Batches travel as arrays, one statement for each kind of change, and domains are locked in the order of their names,
// so that processes wait for each other rather than get entangled.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

// beginWriting begins a transaction that the database ends by itself where its process says nothing for so long.
// A process that a network cuts off in the middle of one would otherwise keep its locks for hours, and all others would wait for them.
const beginWriting = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'`

// attempts is how often a transaction is tried that gets entangled with another one.
const attempts = 10

// Options are the settings of a store. The zero value works.
type Options struct {
	// Now is the clock that verdicts, due times and leases of parts are judged by.
	// Nil is the database's own, which is the same for all processes.
	Now func() time.Time
}

// Store is a [store.Store] in a database.
type Store struct {
	now  func() time.Time
	pool *pgxpool.Pool
}

var _ store.Store = (*Store)(nil)

// Open opens the database at a URL, such as postgres://user@host/name, or by a connection string of key=value pairs,
// and brings it to the present schema. Several processes may do so at once.
//
// The error is a [*store.VersionError] if a newer program has written it. It holds no password.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "xmppgraph"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s := &Store{now: o.Now, pool: pool}
	if err := s.write(ctx, migrate); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	return s, nil
}

// Close implements [store.Store].
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// present is the argument of the SQL functions present and named: nil leaves the answer to the database.
func (s *Store) present() *int64 {
	if s.now == nil {
		return nil
	}
	us := adapter.Micros(s.now())
	return &us
}

// write runs f in a transaction, which is committed if f succeeds. It runs f again where transactions got entangled.
func (s *Store) write(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return writeOn(ctx, s.pool, f)
}

// beginner is a connection, or the pool of all.
type beginner interface {
	BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error)
}

// writeOn is [Store.write] on a connection.
func writeOn(ctx context.Context, on beginner, f func(context.Context, pgx.Tx) error) error {
	var err error
	for range attempts {
		err = transact(ctx, on, pgx.TxOptions{BeginQuery: beginWriting}, f)
		if !entangled(err) {
			break
		}
	}
	return err
}

// read runs f in a transaction in which all queries see the same state.
func (s *Store) read(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return transact(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

func transact(ctx context.Context, on beginner, o pgx.TxOptions, f func(context.Context, pgx.Tx) error) error {
	return told(ctx, pgx.BeginTxFunc(ctx, on, o, func(tx pgx.Tx) error { return f(ctx, tx) }))
}

// told is an error as callers see it: that of the context where that is the reason.
func told(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return typed(err)
}

// entangled tells whether another transaction is the reason for an error, so that a second try may well succeed.
func entangled(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return false
	}
	switch pe.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	case "23503", "23505": // foreign_key_violation, unique_violation: a row went, or came, in the middle
		return true
	}
	return false
}

// typed gives an error the type that callers of any adapter know.
func typed(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch {
		case pe.Code == "53100": // disk_full
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		case pe.Code[:2] == "53", pe.Code[:2] == "57", pe.Code[:2] == "08", pe.Code == "25006", pe.Code == "25P03":
			// Too few resources, an operator who intervenes, a connection that breaks, a server that may only be read or has waited for us too long.
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return err
	}
	var (
		dial *pgconn.ConnectError
		wire net.Error
	)
	if errors.As(err, &dial) || errors.As(err, &wire) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgx.ErrTxClosed) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// querier is a transaction, or a connection outside of any.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// each calls f for each row.
func each(ctx context.Context, tx querier, query string, f func(pgx.Rows) error, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
