package adapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// rows reads so many of them.
func rows(n int) Read {
	return func(ctx context.Context, put func(*Stored, []byte) bool) error {
		for i := range n {
			r := graph.Report{Unnamed: i}
			if !put(&Stored{Row: Row{Name: fmt.Sprintf("d%d.test", i)}}, AppendReport(nil, &r)) {
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
		n, err := all(t.Context(), func(ctx context.Context, put func(*Stored, []byte) bool) error {
			return errors.Join(rows(together+5)(ctx, put), broken)
		})
		require.ErrorIs(t, err, broken)
		require.Equal(t, together, n)
	})
	t.Run("a record is broken", func(t *testing.T) {
		n, err := all(t.Context(), func(ctx context.Context, put func(*Stored, []byte) bool) error {
			if err := rows(together+5)(ctx, put); err != nil {
				return err
			}
			put(&Stored{Row: Row{Name: "B.test"}}, nil)
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

// What is lent is right for as long as it lasts, however the sizes of reports and of the pieces meet.
func TestChangesAreLent(t *testing.T) {
	const n, most = 20 * together, piece + piece/2
	peers := func(i int) (all []graph.Peer) {
		size := i % 7
		if i%997 == 0 {
			size = most - i%3
		}
		for p := range size {
			all = append(all, graph.Peer{Name: xep.MustName(fmt.Sprintf("p%d.d%d.test", p, i)), Directions: graph.Out})
		}
		return all
	}
	read := func(_ context.Context, put func(*Stored, []byte) bool) error {
		for i := range n {
			row := Stored{ID: int64(i), Row: Row{Name: fmt.Sprintf("d%d.test", i), Until: 60e6, Reported: int64(i)}}
			if !put(&row, AppendReport(nil, &graph.Report{At: noon, Peers: peers(i)})) {
				return nil
			}
		}
		return nil
	}
	i := 0
	require.NoError(t, Changes(t.Context(), read, func(c store.Change) error {
		require.Equal(t, int64(i), c.ID)
		require.Equal(t, fmt.Sprintf("d%d.test", i), c.Domain.String())
		if i == 0 {
			require.Nil(t, c.Report, "nothing was received")
		} else {
			require.Equal(t, Time(int64(i)), c.Report.At)
			require.Equal(t, peers(i), c.Report.Peers)
		}
		i++
		return nil
	}))
	require.Equal(t, n, i)
	stop := errors.New("stop")
	require.Equal(t, stop, Changes(t.Context(), read, func(store.Change) error { return stop }))
}

func TestTexts(t *testing.T) {
	var x Texts
	var all []string
	want := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), i*i%5000) }
	for i := range 200 {
		b := []byte(want(i))
		all = append(all, x.Add(b))
		clear(b)
	}
	all = append(all, x.Add(bytes.Repeat([]byte("x"), 2*textsSize)))
	for i := range 200 {
		require.Equal(t, want(i), all[i])
	}
	require.Len(t, all[200], 2*textsSize)
}
