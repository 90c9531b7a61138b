package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Whatever is asked of a database that a newer program has written, it is refused, with what to do about it.
func TestNewerDatabaseIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	db, err := openDatabase(t.Context(), file)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	require.NoError(t, err)
	require.NoError(t, sqlitex.ExecuteTransient(c, "PRAGMA user_version = 99", nil))
	require.NoError(t, c.Close())
	for _, args := range [][]string{
		{"migrate"}, {"backup", filepath.Join(t.TempDir(), "b")}, {"restore", file}, {"purge", "a.example"}, {"exclusions"}, {"-demo", "-listen", "localhost:0"},
	} {
		t.Run(args[0], func(t *testing.T) {
			var out, errs strings.Builder
			require.Equal(t, 1, run(t.Context(), append(args, "-database", file), &out, &errs))
			require.Regexp(t, `the database has schema version 99 and this program knows those up to \d+: use a newer program`, errs.String())
			require.Contains(t, errs.String(), "restore the backup")
			require.Empty(t, out.String())
		})
	}
}
