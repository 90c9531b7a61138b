package adapter

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// rows reads so many of them.
func rows(n int) Read {
	return func(ctx context.Context, put func(Stored, []byte) bool) error {
		for i := range n {
			r := graph.Report{Unnamed: i}
			if !put(Stored{Row: Row{Name: fmt.Sprintf("d%d.test", i)}}, AppendReport(nil, &r)) {
				return nil
			}
		}
		return nil
	}
}

func TestRecordsInOrder(t *testing.T) {
	for _, n := range []int{0, 1, together, together + 1, 40*together + 3} {
		i := 0
		for rec, err := range Records(t.Context(), rows(n)) {
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("d%d.test", i), rec.Domain.String())
			require.Equal(t, i, rec.Report.Unnamed)
			i++
		}
		require.Equal(t, n, i)
	}
}

// all returns how many records came, and the error at the end.
func all(ctx context.Context, read Read) (n int, last error) {
	for _, err := range Records(ctx, read) {
		if last = err; err == nil {
			n++
		}
	}
	return n, last
}

func TestRecordsEnd(t *testing.T) {
	t.Run("reading fails", func(t *testing.T) {
		broken := errors.New("broken")
		n, err := all(t.Context(), func(ctx context.Context, put func(Stored, []byte) bool) error {
			return errors.Join(rows(together+5)(ctx, put), broken)
		})
		require.ErrorIs(t, err, broken)
		require.Equal(t, together, n)
	})
	t.Run("a record is broken", func(t *testing.T) {
		n, err := all(t.Context(), func(ctx context.Context, put func(Stored, []byte) bool) error {
			if err := rows(together+5)(ctx, put); err != nil {
				return err
			}
			put(Stored{Row: Row{Name: "B.test"}}, nil)
			return rows(100*together)(ctx, put)
		})
		require.ErrorContains(t, err, "canonical")
		require.Equal(t, together+5, n)
	})
	t.Run("whoever takes them stops", func(t *testing.T) {
		n := 0
		for range Records(t.Context(), rows(100*together)) {
			if n++; n == 3 {
				break
			}
		}
		require.Equal(t, 3, n)
	})
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range Records(ctx, rows(100*together)) {
			cancel()
			last = err
		}
		require.ErrorIs(t, last, context.Canceled)
	})
}

// What is not simply a host's address is parsed, and what is comes out the same.
func TestService(t *testing.T) {
	for _, s := range []string{"pubsub.a.test", "user@a.test", "xn--bcher-kva.example", "bücher.example", "[::1]", "127.0.0.1", "a.test/x"} {
		row := RowOf(&crawl.Record{Domain: xep.MustName("a.test")})
		row.Service = s
		rec, err := row.Record()
		require.NoError(t, err, s)
		want, err := jid.Parse(s)
		require.NoError(t, err, s)
		require.True(t, rec.Node.Service.Equal(want), s)
		require.Equal(t, want.String(), rec.Node.Service.String())
	}
}
