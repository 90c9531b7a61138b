package sqlite

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// errStop ends a query of which no more rows are wanted.
var errStop = errors.New("sqlite: enough")

// run executes a statement that returns nothing. Its arguments are ?1, ?2 and so on.
func run(c *sqlite.Conn, query string, args ...any) error {
	return each(c, query, func(*sqlite.Stmt) error { return nil }, args...)
}

// each calls f for each row of a statement.
//
// The statement stays prepared for the connection. The driver's own helpers do the same by reflection, at twice the price.
func each(c *sqlite.Conn, query string, f func(*sqlite.Stmt) error, args ...any) (err error) {
	st, err := c.Prepare(query)
	if err != nil {
		return err
	}
	defer func() {
		// Reset repeats the error of the last step.
		if e := st.Reset(); err == nil {
			err = e
		}
		if e := st.ClearBindings(); err == nil {
			err = e
		}
	}()
	for i, a := range args {
		if err := bind(st, i+1, a); err != nil {
			return err
		}
	}
	for {
		row, err := st.Step()
		if err != nil || !row {
			return err
		}
		if err := f(st); err != nil {
			return err
		}
	}
}

// one is each for the first row.
func one(c *sqlite.Conn, query string, f func(*sqlite.Stmt) error, args ...any) error {
	err := each(c, query, func(st *sqlite.Stmt) error {
		if err := f(st); err != nil {
			return err
		}
		return errStop
	}, args...)
	if err == errStop {
		return nil
	}
	return err
}

func bind(st *sqlite.Stmt, i int, a any) error {
	switch a := a.(type) {
	case int64:
		st.BindInt64(i, a)
	case int:
		st.BindInt64(i, int64(a))
	case bool:
		st.BindBool(i, a)
	case string:
		st.BindText(i, a)
	case []byte:
		if a == nil {
			st.BindNull(i)
		} else {
			st.BindBytes(i, a)
		}
	default:
		return fmt.Errorf("sqlite: can't bind %T", a)
	}
	return nil
}
