package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// may saves domains that may be named for a week.
func (b *bed) may(domains ...string) {
	b.t.Helper()
	for _, d := range domains {
		b.save(named(d, start.Add(7*24*time.Hour)))
	}
}

func (b *bed) past(domain string) *store.Past {
	b.t.Helper()
	p, err := b.Past(b.t.Context(), xep.MustName(domain))
	require.NoError(b.t, err)
	return p
}

func (b *bed) moment(minutes int) *store.Moment {
	b.t.Helper()
	m, err := b.Moment(b.t.Context(), at(minutes))
	require.NoError(b.t, err)
	return m
}

func between(first, last int) store.Interval { return store.Interval{First: at(first), Last: at(last)} }

func since(first, last int) store.Interval {
	return store.Interval{First: at(first), Last: at(last), Open: true}
}

func to(peer string, i store.Interval) store.LinkInterval {
	return store.LinkInterval{Peer: xep.MustName(peer), Interval: i}
}

func nothing(t *testing.T, b *bed) {
	_, err := b.Moment(t.Context(), at(0))
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Past(t.Context(), xep.MustName("a.test"))
	require.ErrorIs(t, err, store.ErrNotFound)
	s, err := b.Series(t.Context(), at(0), at(10), 5)
	require.NoError(t, err)
	require.Empty(t, s)
	require.Empty(t, b.live())
	b.may("a.test")
	require.Equal(t, &store.Past{}, b.past("a.test"))
	b.observe(1)
	require.Empty(t, b.moment(1).Domains)
}

func intervals(t *testing.T, b *bed) {
	b.may("a.test", "b.test", "c.test")
	b.observe(0, "a.test b.test")
	b.observe(5, "a.test b.test c.test", "c.test b.test")
	b.observe(10, "a.test c.test")
	b.observe(15, "a.test b.test c.test")
	b.observe(20, "a.test b.test")
	require.Equal(t, &store.Past{
		Seen:  []store.Interval{since(0, 20)},
		Links: []store.LinkInterval{to("b.test", between(0, 5)), to("b.test", since(15, 20)), to("c.test", between(5, 15))},
	}, b.past("a.test"))
	require.Equal(t, &store.Past{
		Seen:  []store.Interval{between(0, 5), since(15, 20)},
		Links: []store.LinkInterval{to("a.test", between(0, 5)), to("a.test", since(15, 20)), to("c.test", between(5, 5))},
	}, b.past("b.test"))
	require.Equal(t, []store.Interval{between(5, 15)}, b.past("c.test").Seen)
}

// gap is a time in which nobody looked.
func gap(t *testing.T, b *bed) {
	b.may("a.test", "b.test")
	minutes := int(store.Gap / time.Minute)
	b.observe(0, "a.test b.test")
	b.observe(minutes, "a.test b.test")
	b.observe(2*minutes+1, "a.test b.test")
	b.observe(2*minutes+2, "a.test b.test")
	want := []store.Interval{between(0, minutes), since(2*minutes+1, 2*minutes+2)}
	require.Equal(t, want, b.past("a.test").Seen)
	require.Equal(t, []store.LinkInterval{to("b.test", want[0]), to("b.test", want[1])}, b.past("a.test").Links)
}

func restart(t *testing.T, b *bed) {
	b.may("a.test", "b.test")
	b.observe(0, "a.test b.test")
	b.Store = b.reopen()
	b.observe(5, "a.test b.test")
	b.Store = b.reopen()
	b.observe(10, "a.test")
	require.Equal(t, []store.Interval{since(0, 10)}, b.past("a.test").Seen)
	require.Equal(t, []store.Interval{between(0, 5)}, b.past("b.test").Seen)
}

func moments(t *testing.T, b *bed) {
	b.may("b.test", "a.test", "c.test")
	b.observe(0, "b.test a.test")
	b.observe(10, "c.test a.test", "b.test c.test")
	b.observe(20, "c.test")
	_, err := b.Moment(t.Context(), at(-1))
	require.ErrorIs(t, err, store.ErrNotFound)
	m := b.moment(9)
	require.Equal(t, snapshot(at(0), "b.test a.test").Counts(), m.Counts)
	require.Equal(t, at(0), m.At)
	require.Equal(t, []store.Domain{silent("a.test"), reporting("b.test", 0)}, m.Domains)
	require.Equal(t, []store.Link{claimed("a.test", "b.test", store.ByB)}, m.Links)
	m = b.moment(10)
	require.Equal(t, []store.Domain{silent("a.test"), reporting("b.test", 0), reporting("c.test", 0)}, m.Domains)
	require.Equal(t, []store.Link{claimed("a.test", "c.test", store.ByB), claimed("b.test", "c.test", store.ByA)}, m.Links)
	m = b.moment(1000)
	require.Equal(t, at(20), m.At)
	require.Equal(t, []store.Domain{reporting("c.test", 0)}, m.Domains)
	require.Empty(t, m.Links)
}

// shown are the names of a moment.
func shown(m *store.Moment) (all []xep.Name) {
	for _, d := range m.Domains {
		all = append(all, d.Name)
	}
	return all
}

func reporting(name string, unnamed int) store.Domain {
	return store.Domain{Name: xep.MustName(name), Reporting: true, Unnamed: unnamed}
}

func silent(name string) store.Domain { return store.Domain{Name: xep.MustName(name)} }

func claimed(a, b string, by store.Claims) store.Link {
	return store.Link{A: xep.MustName(a), B: xep.MustName(b), Claims: by}
}

// states are who claims a link and how many unnamed peers a domain has, which may change while both are there.
func states(t *testing.T, b *bed) {
	b.may("b.test", "a.test")
	b.observe(0, "a.test b.test +5")
	b.observe(5, "a.test b.test +7", "b.test a.test")
	b.observe(10, "a.test b.test +20", "b.test")
	b.observe(15, "a.test +22", "b.test a.test")
	for minutes, want := range map[int]store.Moment{
		0:  {Domains: []store.Domain{reporting("a.test", 5), silent("b.test")}, Links: []store.Link{claimed("a.test", "b.test", store.ByA)}},
		5:  {Domains: []store.Domain{reporting("a.test", 5), reporting("b.test", 0)}, Links: []store.Link{claimed("a.test", "b.test", store.ByA|store.ByB)}},
		10: {Domains: []store.Domain{reporting("a.test", 20), reporting("b.test", 0)}, Links: []store.Link{claimed("a.test", "b.test", store.ByA)}},
		15: {Domains: []store.Domain{reporting("a.test", 20), reporting("b.test", 0)}, Links: []store.Link{claimed("a.test", "b.test", store.ByB)}},
	} {
		m := b.moment(minutes)
		require.Equal(t, want.Domains, m.Domains, minutes)
		require.Equal(t, want.Links, m.Links, minutes)
	}
	require.Equal(t, []int{5, 7, 20, 22}, b.totals(), "the numbers of the whole are exact")
	require.Equal(t, &store.Past{Seen: []store.Interval{since(0, 15)}, Links: []store.LinkInterval{to("b.test", since(0, 15))}}, b.past("a.test"),
		"another state is no other time")
	require.Equal(t, []store.LinkInterval{to("a.test", since(0, 15))}, b.past("b.test").Links)
	b.observe(20, "a.test")
	b.observe(25, "a.test b.test", "b.test a.test")
	require.Equal(t, []store.LinkInterval{to("b.test", between(0, 15)), to("b.test", since(25, 25))}, b.past("a.test").Links)
}

// totals are the unnamed peers of each observation.
func (b *bed) totals() (all []int) {
	b.t.Helper()
	s, err := b.Series(b.t.Context(), at(0), at(1000), 1000)
	require.NoError(b.t, err)
	for _, c := range s {
		all = append(all, c.Unnamed)
	}
	return all
}

// quiet is a time in which nothing changes, or too little: it costs a row with the numbers for each look.
func quiet(t *testing.T, b *bed) {
	b.may("a.test", "b.test", "c.test")
	b.observe(0, "a.test b.test c.test +100", "b.test a.test +3")
	before := len(Rows(t, b.Store))
	for i := range 20 {
		b.observe(i+1, fmt.Sprintf("a.test b.test c.test +%d", 100+i%12), fmt.Sprintf("b.test a.test +%d", 3+i%3))
	}
	require.Len(t, Rows(t, b.Store), before+20)
	b.observe(30, "a.test b.test c.test +100", "b.test a.test c.test +3")
	require.Len(t, Rows(t, b.Store), before+22, "one link more")
	b.observe(31, "a.test b.test c.test +100", "b.test a.test c.test +3", "c.test a.test")
	require.Len(t, Rows(t, b.Store), before+25, "a domain that reports, and a link that both ends claim")
}

func momentGraph(t *testing.T, b *bed) {
	b.may("a.test", "b.test", "c.test")
	b.observe(0, "a.test b.test", "b.test a.test", "c.test")
	b.set(at(600))
	s := b.moment(5).Snapshot()
	require.Equal(t, at(0), s.At())
	require.Equal(t, 3, s.Len())
	_, ok := s.Link(xep.MustName("a.test"), xep.MustName("b.test"))
	require.True(t, ok)
	b.observe(610, "a.test b.test c.test +9", "b.test a.test")
	s = b.moment(610).Snapshot()
	require.Equal(t, graph.Counts{Domains: 3, Reporting: 2, Links: 2, Mutual: 1, Unnamed: 9}, s.Counts())
	c, _ := s.Domain(xep.MustName("c.test"))
	require.False(t, c.Reporting)
}

func series(t *testing.T, b *bed) {
	b.may("a.test")
	for i := range 10 {
		b.observe(i, "a.test")
	}
	times := func(from, to, max int) (out []int) {
		s, err := b.Series(t.Context(), at(from), at(to), max)
		require.NoError(t, err)
		for _, c := range s {
			require.Equal(t, 1, c.Domains)
			out = append(out, int(c.At.Sub(start)/time.Minute))
		}
		return out
	}
	require.Equal(t, []int{2, 3, 4, 5}, times(2, 5, 4))
	require.Equal(t, []int{2, 3, 4, 5}, times(2, 5, 4000))
	require.Equal(t, []int{4, 9}, times(0, 9, 2))
	require.Equal(t, []int{9}, times(0, 9, 1))
	require.Equal(t, []int{9}, times(9, 900, 1))
	require.Empty(t, times(0, 9, 0))
	require.Empty(t, times(5, 2, 3))
	require.Empty(t, times(20, 30, 3))
}

func older(t *testing.T, b *bed) {
	b.may("a.test", "b.test")
	b.observe(10, "a.test b.test")
	b.observe(10, "a.test")
	b.observe(5, "b.test")
	b.observe(15, "a.test b.test")
	require.Equal(t, []store.Interval{since(10, 15)}, b.past("a.test").Seen)
	require.Equal(t, []store.Interval{since(10, 15)}, b.past("b.test").Seen)
	s, err := b.Series(t.Context(), at(0), at(60), 100)
	require.NoError(t, err)
	require.Len(t, s, 2)
}

// unknown names are those that the crawler has not saved yet, or not as ones that may be named.
func unknown(t *testing.T, b *bed) {
	b.may("a.test")
	b.save(unnamed("b.test"))
	b.observe(0, "a.test b.test c.test")
	m := b.moment(0)
	require.Equal(t, []store.Domain{reporting("a.test", 0)}, m.Domains)
	require.Equal(t, 3, m.Counts.Domains)
	require.Equal(t, 2, m.Counts.Links)
	b.may("b.test")
	require.Empty(t, b.past("b.test").Seen)
	b.observe(5, "a.test b.test c.test")
	require.Equal(t, []store.Interval{since(5, 5)}, b.past("b.test").Seen)
	require.Equal(t, []store.LinkInterval{to("b.test", since(5, 5))}, b.past("a.test").Links)
}
