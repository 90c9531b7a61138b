package sqlite

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// application marks the file as ours (PRAGMA application_id): "x485".
const application = 0x78343835

// errForeign says that the file is somebody else's.
var errForeign = errors.New("the file is the database of another program")

// inspect looks at a file before anything is changed in it, such as the kind of its log.
func inspect(file string) error {
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	c.SetBusyTimeout(patience)
	_, _, err = pending(c)
	if e := c.Close(); err == nil {
		err = e
	}
	return err
}

// migrate brings the schema to the present version, in the caller's transaction: it is then either old or new.
func migrate(c *sqlite.Conn) error {
	steps, newest, err := pending(c)
	if err != nil || len(steps) == 0 {
		return err
	}
	for _, step := range steps {
		if err := sqlitex.ExecuteScriptFS(c, migrations, step, nil); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return pragmas(c, fmt.Sprintf("application_id = %d", application), fmt.Sprintf("user_version = %d", newest))
}

// pending returns the files of the steps that the schema lacks, and the version that they lead to.
func pending(c *sqlite.Conn) (steps []string, newest int, err error) {
	if steps, err = fs.Glob(migrations, "migrations/*.sql"); err != nil {
		return nil, 0, err
	}
	have, err := version(c)
	switch {
	case err != nil:
		return nil, 0, err
	case have > len(steps):
		return nil, 0, &store.VersionError{Database: have, Program: len(steps)}
	}
	return steps[have:], len(steps), nil
}

// version returns the version of the schema, zero for an empty file.
func version(c *sqlite.Conn) (int, error) {
	var app, have, tables int64
	err := one(c, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version`,
		func(st *sqlite.Stmt) error {
			app, have, tables = st.ColumnInt64(0), st.ColumnInt64(1), st.ColumnInt64(2)
			return nil
		})
	switch {
	case err != nil:
		return 0, err
	case tables == 0 && app == 0:
		return 0, nil
	case app != application:
		return 0, errForeign
	}
	return int(have), nil
}
