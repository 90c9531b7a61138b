package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Sharing is a database whose domains several crawlers divide.
type Sharing struct {
	// Join returns the side of one more crawler.
	Join func() crawl.Share
	// Pass lets time pass for all of them.
	Pass func(time.Duration)
}

// RunShare tests an implementation of [crawl.Share]. New returns an empty database of its own.
func RunShare(t *testing.T, new func(t *testing.T) Sharing) {
	tests := map[string]func(*testing.T, Sharing){
		"one alone holds everything":        alone,
		"a second one gets its share":       second,
		"the dead are inherited from":       inherit,
		"who was away goes on if he may":    away,
		"only the holder saves":             holderSaves,
		"mentioned domains reach a holder":  mentions,
		"what is released is somebody's":    released,
		"a known domain is not made due":    knownMention,
		"parts are those that Part returns": partsOf,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, new(t)) })
	}
}

// term is the length of the leases here.
const term = time.Minute

func hold(t *testing.T, s crawl.Share) crawl.Holding {
	t.Helper()
	h, err := s.Hold(t.Context(), term)
	require.NoError(t, err)
	slices.Sort(h.Parts)
	return h
}

// balance has all crawlers hold until nobody has too much, and returns what each holds.
func balance(t *testing.T, all ...crawl.Share) (parts [][]int) {
	t.Helper()
	for range 4 {
		parts = nil
		for _, s := range all {
			h := hold(t, s)
			require.NoError(t, s.Release(t.Context(), h.Excess...))
			kept := slices.DeleteFunc(h.Parts, func(p int) bool { return slices.Contains(h.Excess, p) })
			parts = append(parts, kept)
		}
	}
	return parts
}

func alone(t *testing.T, s Sharing) {
	a := s.Join()
	h := hold(t, a)
	require.NotEmpty(t, h.Parts)
	require.Empty(t, h.Excess)
	require.Equal(t, 1, h.Crawlers)
	require.Equal(t, h.Parts, hold(t, a).Parts)
	for i := range 100 {
		require.Contains(t, h.Parts, a.Part(domain(i)))
	}
}

func domain(i int) xep.Name { return xep.MustName(fmt.Sprintf("d%d.test", i)) }

func second(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	all := hold(t, a).Parts
	require.Empty(t, hold(t, b).Parts, "nobody takes what is held")
	parts := balance(t, a, b)
	require.Equal(t, 2, hold(t, a).Crawlers)
	require.InDelta(t, len(parts[0]), len(parts[1]), 1)
	both := slices.Sorted(slices.Values(slices.Concat(parts...)))
	require.Equal(t, all, both, "each part has one holder")
}

func inherit(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	all := hold(t, a).Parts
	balance(t, a, b)
	for range 3 {
		s.Pass(term / 2)
		hold(t, b)
	}
	got := hold(t, b)
	require.Equal(t, all, got.Parts, "the first one has died")
	require.Equal(t, 1, got.Crawlers)
	require.Empty(t, hold(t, a).Parts, "and returns")
}

func away(t *testing.T, s Sharing) {
	a := s.Join()
	all := hold(t, a).Parts
	s.Pass(10 * term)
	require.Equal(t, all, hold(t, a).Parts)
}

// saveHeld saves a record and what it mentions.
func saveHeld(t *testing.T, s crawl.Share, rec crawl.Record, mentioned ...xep.Name) (lost []xep.Name) {
	t.Helper()
	lost, err := s.SaveHeld(t.Context(), crawl.Batch{Records: []crawl.Record{rec}}, mentioned)
	require.NoError(t, err)
	return lost
}

// stored returns what is stored of the parts that hold says.
func stored(t *testing.T, s crawl.Share) map[xep.Name]crawl.Record {
	t.Helper()
	out := make(map[xep.Name]crawl.Record)
	for rec, err := range s.LoadParts(t.Context(), hold(t, s).Parts...) {
		require.NoError(t, err)
		require.Nil(t, rec.Report)
		out[rec.Domain] = rec
	}
	return out
}

func holderSaves(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	hold(t, a)
	rec := full("a.test")
	require.Empty(t, saveHeld(t, a, rec))
	require.Equal(t, []xep.Name{rec.Domain}, saveHeld(t, b, rec))
	s.Pass(2 * term)
	hold(t, b)
	rec.Failures = 77
	require.Equal(t, []xep.Name{rec.Domain}, saveHeld(t, a, rec), "it was away for too long")
	got := stored(t, b)
	require.Len(t, got, 1)
	require.Equal(t, 4, got[rec.Domain].Failures)
	require.Equal(t, rec.Hash, got[rec.Domain].Hash)
	lost, err := a.SaveHeld(t.Context(), crawl.Batch{Gone: []xep.Name{rec.Domain}}, nil)
	require.NoError(t, err)
	require.Equal(t, []xep.Name{rec.Domain}, lost)
	lost, err = b.SaveHeld(t.Context(), crawl.Batch{Gone: []xep.Name{rec.Domain}}, nil)
	require.NoError(t, err)
	require.Empty(t, lost)
	require.Empty(t, stored(t, b))
}

func mentions(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	hold(t, a)
	balance(t, a, b)
	var names []xep.Name
	for i := range 50 {
		names = append(names, domain(i))
	}
	_, err := a.SaveHeld(t.Context(), crawl.Batch{}, names)
	require.NoError(t, err)
	heard := make(map[xep.Name]int)
	for _, x := range []crawl.Share{a, b} {
		h := hold(t, x)
		for _, rec := range h.News {
			require.Contains(t, h.Parts, x.Part(rec.Domain))
			require.False(t, rec.Added.IsZero())
			heard[rec.Domain]++
		}
	}
	for _, n := range names {
		require.Equal(t, 1, heard[n], "%s", n)
	}
	require.Len(t, heard, len(names))
}

func released(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	all := hold(t, a).Parts
	hold(t, b)
	require.NoError(t, a.Release(t.Context(), all...))
	require.NotEmpty(t, hold(t, b).Parts)
	require.NoError(t, a.Release(t.Context(), all...), "what somebody else holds is left alone")
	require.NotEmpty(t, hold(t, b).Parts)
}

func knownMention(t *testing.T, s Sharing) {
	a := s.Join()
	hold(t, a)
	rec := full("a.test")
	saveHeld(t, a, rec)
	hold(t, a)
	saveHeld(t, a, full("b.test"), rec.Domain)
	require.True(t, rec.Due.Equal(stored(t, a)[rec.Domain].Due))
	require.Equal(t, rec.Answered, stored(t, a)[rec.Domain].Answered.UTC())
}

func partsOf(t *testing.T, s Sharing) {
	a, b := s.Join(), s.Join()
	hold(t, a)
	balance(t, a, b)
	for i := range 100 {
		rec := crawl.Record{Domain: domain(i), Due: at(1), Added: at(0)}
		inA := len(saveHeld(t, a, rec)) == 0
		inB := len(saveHeld(t, b, rec)) == 0
		require.NotEqual(t, inA, inB)
		require.Equal(t, a.Part(rec.Domain), b.Part(rec.Domain))
		require.Equal(t, inA, slices.Contains(hold(t, a).Parts, a.Part(rec.Domain)))
	}
}
