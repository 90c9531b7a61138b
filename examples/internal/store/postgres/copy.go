package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
)

var _ store.Copier = (*Store)(nil)

// Dump implements [store.Copier].
func (s *Store) Dump(ctx context.Context, f func(store.Row) error) error {
	return s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, t := range adapter.Tables {
			kinds := t.Kinds()
			err := each(ctx, tx, t.Select(func(name string, _ adapter.Kind) string { return name }), func(rows pgx.Rows) error {
				values, err := rows.Values()
				if err != nil {
					return err
				}
				for i, k := range kinds {
					if values[i] == nil && k >= adapter.Bytes {
						values[i] = []byte(nil)
					}
				}
				return f(store.Row{Table: t.Name, Values: values})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

var types = map[adapter.Kind]string{adapter.Int: "bigint", adapter.Bool: "boolean", adapter.Text: "text", adapter.Bytes: "bytea", adapter.Raw: "bytea"}

func argument(n int, k adapter.Kind) string { return fmt.Sprintf("$%d::%s", n, types[k]) }

// Fill implements [store.Copier]. It is not tried again when it gets entangled, as the rows come only once.
func (s *Store) Fill(ctx context.Context, rows iter.Seq2[store.Row, error]) error {
	inserts := make(map[string]string)
	for _, t := range adapter.Tables {
		inserts[t.Name] = t.Insert(argument, "least", "greatest")
	}
	return transact(ctx, s.pool, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if err := empty(ctx, tx); err != nil {
			return err
		}
		var b pgx.Batch
		send := func() error {
			err := tx.SendBatch(ctx, &b).Close()
			b = pgx.Batch{}
			return err
		}
		for row, err := range rows {
			if err != nil {
				return err
			}
			for i, v := range row.Values {
				if text, ok := v.(string); ok {
					row.Values[i] = plain(text)
				}
			}
			if b.Queue(inserts[row.Table], row.Values...); b.Len() >= chunk {
				if err := send(); err != nil {
					return err
				}
			}
		}
		return send()
	})
}

func empty(ctx context.Context, tx pgx.Tx) error {
	for _, t := range adapter.Tables {
		var some bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+t.Name+`)`).Scan(&some); err != nil {
			return err
		}
		if some {
			return store.ErrNotEmpty
		}
	}
	return nil
}
