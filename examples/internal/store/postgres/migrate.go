package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Locks of ours, among those of the database (pg_advisory_xact_lock).
const (
	lockSchema = 0x7834383501 + iota
	lockObserve
	lockShare
	lockHistory
)

// migrate brings the schema to the present version. Other processes that start wait for it.
func migrate(ctx context.Context, tx pgx.Tx) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockSchema)); err != nil {
		return err
	}
	have, err := version(ctx, tx)
	switch {
	case err != nil:
		return err
	case have > len(steps):
		return &store.VersionError{Database: have, Program: len(steps)}
	case have == len(steps):
		return nil
	}
	for _, step := range steps[have:] {
		script, err := fs.ReadFile(migrations, step)
		if err != nil {
			return err
		}
		// Without arguments a statement may be several.
		if _, err := tx.Exec(ctx, string(script)); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	_, err = tx.Exec(ctx, `UPDATE schema_version SET version = $1`, len(steps))
	return err
}

// version returns the version of the schema, zero for an empty one.
func version(ctx context.Context, tx pgx.Tx) (have int, err error) {
	// CREATE TABLE IF NOT EXISTS would tell the log of the server each time.
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('schema_version') IS NOT NULL`).Scan(&exists); err != nil {
		return 0, err
	}
	if !exists {
		_, err := tx.Exec(ctx, `CREATE TABLE schema_version (version integer NOT NULL); INSERT INTO schema_version VALUES (0)`)
		return 0, err
	}
	return have, tx.QueryRow(ctx, `SELECT version FROM schema_version`).Scan(&have)
}
