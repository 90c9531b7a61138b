package sqlite

import (
	"context"
	"fmt"
	"iter"

	"zombiezen.com/go/sqlite"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

var _ store.Copier = (*Store)(nil)

// Dump implements [store.Copier].
func (s *Store) Dump(ctx context.Context, f func(store.Row) error) error {
	return s.read(ctx, s.private, func(c *sqlite.Conn) error {
		for _, t := range adapter.Tables {
			query, kinds := t.Select(column), t.Kinds()
			err := each(c, query, func(st *sqlite.Stmt) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return f(store.Row{Table: t.Name, Values: values(st, kinds)})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func column(name string, k adapter.Kind) string {
	if k == adapter.Raw {
		return "CAST(" + name + " AS BLOB)"
	}
	return name
}

func values(st *sqlite.Stmt, kinds []adapter.Kind) []any {
	out := make([]any, len(kinds))
	for i, k := range kinds {
		switch k {
		case adapter.Int:
			out[i] = st.ColumnInt64(i)
		case adapter.Bool:
			out[i] = st.ColumnBool(i)
		case adapter.Text:
			out[i] = st.ColumnText(i)
		default:
			if st.ColumnIsNull(i) {
				out[i] = []byte(nil)
			} else {
				out[i] = notNil(blob(st, i))
			}
		}
	}
	return out
}

// Fill implements [store.Copier].
func (s *Store) Fill(ctx context.Context, rows iter.Seq2[store.Row, error]) error {
	inserts := make(map[string]string)
	for _, t := range adapter.Tables {
		inserts[t.Name] = t.Insert(argument, "min", "max")
	}
	return s.write(ctx, func(c *sqlite.Conn) error {
		if err := empty(c); err != nil {
			return err
		}
		for row, err := range rows {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := run(c, inserts[row.Table], row.Values...); err != nil {
				return fmt.Errorf("%s: %w", row.Table, err)
			}
		}
		return nil
	})
}

func argument(n int, k adapter.Kind) string {
	if k == adapter.Raw {
		return fmt.Sprintf("CAST(?%d AS TEXT)", n)
	}
	return fmt.Sprintf("?%d", n)
}

func empty(c *sqlite.Conn) error {
	for _, t := range adapter.Tables {
		err := one(c, `SELECT 1 FROM `+t.Name+` LIMIT 1`, func(*sqlite.Stmt) error { return store.ErrNotEmpty })
		if err != nil {
			return err
		}
	}
	return nil
}
