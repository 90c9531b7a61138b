package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/internal/adapter"
	"github.com/xmppgraph/xmppgraph/xep"
)

// errEnough ends an observation.
var errEnough = errors.New("enough")

// observeBy observes in pieces of two rows, and calls between after each but the last.
func (b *bed) observeBy(ctx context.Context, minutes int, between func() error, reports ...string) error {
	b.set(at(minutes))
	return b.Observe(adapter.InPieces(ctx, 2, between), snapshot(at(minutes), reports...))
}

// inPieces observes a network that changes, and ends each observation after the first piece, after the second, the fourth, and so on.
// Nothing of that is seen until one is whole, and then history is as if the others had never been begun.
func inPieces(t *testing.T, b *bed) {
	whole := &bed{t: t, open: b.fresh(t)}
	whole.set(start)
	whole.Store = whole.open(t, whole.now)
	day := int(store.Gap.Minutes())
	b.may("a.test", "b.test", "c.test", "d.test", "e.test")
	whole.may("a.test", "b.test", "c.test", "d.test", "e.test")
	for _, step := range []struct {
		minutes int
		reports []string
	}{
		{0, []string{"a.test b.test c.test d.test +5", "b.test c.test", "d.test b.test"}},
		{100, []string{"a.test b.test +30", "c.test b.test d.test e.test", "b.test a.test"}},
		{200, []string{"a.test b.test c.test d.test +5", "b.test c.test", "d.test b.test", "e.test a.test"}},
		{300, nil},
		{400, []string{"a.test b.test c.test +5", "b.test c.test"}},
		// After a time in which nobody looked.
		{400 + 2*day, []string{"a.test b.test c.test +5", "b.test c.test e.test"}},
	} {
		require.Positive(t, b.manyAttempts(whole, step.minutes, step.reports))
	}
}

// manyAttempts observes until an attempt comes to its end, and returns how many pieces that took before the last.
func (b *bed) manyAttempts(whole *bed, minutes int, reports []string) int {
	t := b.t
	before := Rows(t, whole.Store)
	for stop := 1; ; stop += 1 + stop/2 {
		ctx, cancel := context.WithCancel(t.Context())
		pieces := 0
		err := b.observeBy(ctx, minutes+stop, func() error {
			if pieces++; pieces < stop {
				return nil
			}
			whole.set(b.now())
			b.requireLike(whole, before)
			if stop%2 == 0 {
				cancel()
				return nil
			}
			return errEnough
		}, reports...)
		cancel()
		if pieces < stop {
			require.NoError(t, err)
			whole.observe(minutes+stop, reports...)
			b.requireLike(whole, Rows(t, whole.Store))
			return pieces
		}
		if stop%2 == 0 {
			require.ErrorIs(t, err, context.Canceled)
		} else {
			require.ErrorIs(t, err, errEnough)
		}
		b.requireLike(whole, before)
		if stop == 4 {
			b.Store = b.reopen()
		}
	}
}

// requireLike requires that all that can be asked of two databases is the same.
func (b *bed) requireLike(other *bed, rows []string) {
	b.t.Helper()
	require.Equal(b.t, rows, Rows(b.t, b.Store))
	for _, d := range []string{"a.test", "b.test", "c.test", "d.test", "e.test"} {
		require.Equal(b.t, other.past(d), b.past(d))
	}
	counts := func(s store.Store) []store.Count {
		all, err := s.Series(b.t.Context(), start, b.now(), 1000)
		require.NoError(b.t, err)
		return all
	}
	all := counts(other.Store)
	require.Equal(b.t, all, counts(b.Store))
	for _, c := range append(all, store.Count{At: b.now()}) {
		want, wantErr := other.Moment(b.t.Context(), c.At)
		got, err := b.Moment(b.t.Context(), c.At)
		require.Equal(b.t, wantErr, err)
		require.Equal(b.t, want, got)
	}
}

// purgeBetweenPieces removes a domain while an observation that has it is being written: nothing of it is noted any more.
func purgeBetweenPieces(t *testing.T, b *bed) {
	b.may("a.test", "b.test", "c.test", "d.test")
	gone := xep.MustName("b.test")
	purged := false
	err := b.observeBy(t.Context(), 0, func() error {
		if purged {
			return nil
		}
		purged = true
		_, err := b.Purge(t.Context(), gone)
		return err
	}, "a.test b.test c.test d.test", "b.test c.test d.test")
	require.NoError(t, err)
	require.True(t, purged)
	m := b.moment(0)
	require.Equal(t, names("a.test", "c.test", "d.test"), shown(m))
	require.Equal(t, []store.Link{claimed("a.test", "c.test", store.ByA), claimed("a.test", "d.test", store.ByA)}, m.Links)
	b.may("b.test")
	require.Equal(t, &store.Past{}, b.past("b.test"))
	require.Len(t, b.past("c.test").Links, 1)
}

// sweepOfHalf removes names and what is old while there is half of an observation.
func sweepOfHalf(t *testing.T, b *bed) {
	b.triangle()
	n := 0
	err := b.observeBy(t.Context(), 10, func() error {
		if n++; n == 3 {
			return errEnough
		}
		return nil
	}, "a.test b.test +40", "c.test", "b.test a.test c.test +9")
	require.ErrorIs(t, err, errEnough)
	require.NoError(t, b.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("c.test")}))
	b.sweep(store.Retention{History: 8 * time.Minute})
	require.NoError(t, b.Readmit(t.Context(), names("c.test")...))
	require.Equal(t, &store.Past{}, b.past("c.test"))
	require.Equal(t, []store.Interval{since(0, 5)}, b.past("a.test").Seen)
	require.Equal(t, []store.LinkInterval{to("b.test", since(0, 5))}, b.past("a.test").Links)
	b.observe(15, "a.test b.test", "b.test")
	require.Equal(t, []store.Interval{since(0, 15)}, b.past("a.test").Seen)
	require.Equal(t, []store.LinkInterval{to("b.test", since(0, 15))}, b.past("a.test").Links)
	require.Equal(t, names("a.test", "b.test"), shown(b.moment(15)))
	require.Equal(t, names("a.test", "b.test"), shown(b.moment(12)), "the one at 10 minutes has never been")
	require.Equal(t, at(5), b.moment(12).At)
}
