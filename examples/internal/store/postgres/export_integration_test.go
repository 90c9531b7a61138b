//go:build integration

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// LockShare is the lock under which parts are handed out.
const LockShare = int64(lockShare)

// Write runs f in a transaction that changes something.
func (s *Store) Write(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return s.write(ctx, f)
}
