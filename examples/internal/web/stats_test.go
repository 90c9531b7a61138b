package web

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// past is a history with what a test puts into it.
type past struct {
	store.Public
	counts []store.Count
	seen   []store.Interval
	err    error
	asked  int
}

func (p *past) Series(context.Context, time.Time, time.Time, int) ([]store.Count, error) {
	p.asked++
	return p.counts, p.err
}

func (p *past) Past(_ context.Context, name xep.Name) (*store.Past, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &store.Past{Seen: p.seen}, nil
}

func TestStats(t *testing.T) {
	now := noon
	page := body(t, get(t, New(press(&now), Options{}), "/stats"))
	require.Contains(t, page, "<strong>3</strong> named domains, <b>3</b> of which report their links")
	require.Contains(t, page, "<strong>4</strong> links to domains that stay unnamed")
	require.Contains(t, page, "<bdi>Prosody</bdi>")
	require.Contains(t, page, "<bdi>Not said</bdi>")
	require.NotContains(t, page, "Growth", "there is no history")
	require.NotContains(t, page, "d.test")
}

func TestGrowth(t *testing.T) {
	now := noon
	p := new(past)
	for i := range 40 {
		p.counts = append(p.counts, store.Count{At: noon.Add(time.Duration(i-40) * 24 * time.Hour), Counts: graph.Counts{Domains: i, Links: 3 * i, Unnamed: 1000 + i}})
	}
	h := New(press(&now), Options{History: p, Now: func() time.Time { return now }})
	page := body(t, get(t, h, "/stats"))
	require.Contains(t, page, "Named domains: from 0 on 4 October 2025 to 39 on 12 November 2025.")
	require.Contains(t, page, "1,039")
	get(t, h, "/stats")
	require.Equal(t, 1, p.asked, "what was read a moment ago will do")

	p.err = errors.New("gone")
	now = noon.Add(2 * time.Minute)
	require.Contains(t, body(t, get(t, h, "/stats")), "Named domains: from 0", "the numbers from before")
	require.Equal(t, 2, p.asked)
}

func TestHistoryOfADomain(t *testing.T) {
	now := noon
	p := &past{}
	for i := range 20 {
		at := noon.Add(time.Duration(i-20) * 24 * time.Hour)
		p.seen = append(p.seen, store.Interval{First: at, Last: at.Add(time.Hour), Open: i == 19})
	}
	h := New(press(&now), Options{History: p})
	page := body(t, get(t, h, "/domains/a.test"))
	require.Contains(t, page, "2025-10-24 12:00", "first seen, by the history")
	require.Contains(t, page, "until now")
	require.Contains(t, page, "and 8 intervals before that")
	p.err = errors.New("gone")
	r := get(t, h, "/domains/a.test")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.NotContains(t, body(t, r), `id="history"`)
}

func TestCeiling(t *testing.T) {
	for n, want := range map[int]int{0: 2, 1: 2, 3: 4, 7: 8, 9: 10, 10: 10, 11: 12, 112: 120, 1112: 1200, 5671: 6000, 999_999: 1_000_000} {
		require.Equal(t, want, ceiling([]point{{noon, n}}), n)
	}
}

func TestPercent(t *testing.T) {
	require.Equal(t, []string{"0 %", "<1 %", "50 %", "100 %"}, []string{percent(0, 9), percent(1, 1000), percent(1, 2), percent(7, 7)})
}
