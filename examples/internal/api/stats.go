package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
)

// counts are the numbers of a network.
type counts struct {
	Domains   int `json:"domains"`
	Reporting int `json:"reporting"`
	Links     int `json:"links"`
	Mutual    int `json:"mutual"`
	Lapsed    int `json:"lapsed"`
	Unnamed   int `json:"unnamed"`
}

func newCounts(c graph.Counts) counts {
	return counts{c.Domains, c.Reporting, c.Links, c.Mutual, c.Lapsed, c.Unnamed}
}

type stats struct {
	Version  uint64     `json:"version"`
	At       stamp      `json:"at"`
	Counts   counts     `json:"counts"`
	Software []software `json:"software"`
	History  *period    `json:"history,omitempty"`
	Crawl    *crawling  `json:"crawl,omitempty"`
}

type software struct {
	Name    string `json:"name"`
	Domains int    `json:"domains"`
}

type period struct {
	From stamp `json:"from"`
	To   stamp `json:"to"`
}

// crawling is what a crawl has done, in numbers.
type crawling struct {
	Known      int               `json:"known"`
	Due        int               `json:"due"`
	InFlight   int               `json:"in_flight"`
	Subscribed int               `json:"subscribed"`
	Visits     map[string]uint64 `json:"visits"`
	Pushed     uint64            `json:"pushed"`
	Crowded    uint64            `json:"crowded"`
	Failures   map[string]uint64 `json:"failures"`
	// How the database fares is the operator's business.
	Unsaved int  `json:"-"`
	Failing bool `json:"-"`
}

func newCrawling(s crawl.Stats) *crawling {
	c := &crawling{
		Known: s.Known, Due: s.Due, InFlight: s.InFlight, Subscribed: s.Subscribed, Pushed: s.Pushed, Crowded: s.Crowded,
		Unsaved: s.Unsaved, Failing: s.SaveErr != nil,
		Visits: make(map[string]uint64), Failures: make(map[string]uint64),
	}
	for k, n := range s.Visits {
		c.Visits[k.String()] += n
	}
	for k, n := range s.Failures {
		c.Failures[string(k)] += n
	}
	return c
}

// maxSoftware bounds the list of brands, which are strangers' words.
const maxSoftware = 50

// brands counts domains by what they say their server is, the most frequent first.
func brands(ed *edition.Edition) []software {
	return ed.Value("software", func() any {
		n := make(map[string]int)
		for d := range ed.Snapshot().Domains() {
			if d.Software != "" {
				n[d.Software]++
			}
		}
		out := make([]software, 0, len(n))
		for name, k := range n {
			out = append(out, software{name, k})
		}
		slices.SortFunc(out, func(a, b software) int {
			return cmp.Or(cmp.Compare(b.Domains, a.Domains), cmp.Compare(a.Name, b.Name))
		})
		return out[:min(len(out), maxSoftware)]
	}).([]software)
}

func (s *Server) serveStats(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	ed := s.press.Current()
	snap := ed.Snapshot()
	out := stats{Version: snap.Version(), At: stamp(snap.At()), Counts: newCounts(snap.Counts()), Software: brands(ed)}
	out.History = s.period(r.Context())
	if s.o.Crawl != nil {
		if st, ok := s.o.Crawl(); ok {
			out.Crawl = newCrawling(st)
		}
	}
	send(w, r, out)
}

// period returns from when to when there is history, nil for none.
func (s *Server) period(ctx context.Context) *period {
	if s.o.History == nil {
		return nil
	}
	now := s.o.Now()
	ends, err := s.o.History.Series(ctx, time.Unix(0, 0), now, 2)
	if err != nil || len(ends) == 0 {
		return nil
	}
	p := &period{To: stamp(ends[len(ends)-1].At)}
	from, err := s.first(ctx, now)
	if err != nil {
		return nil
	}
	p.From = stamp(from)
	return p
}

// point is the numbers of a moment.
type point struct {
	At        stamp `json:"at"`
	Domains   int   `json:"domains"`
	Reporting int   `json:"reporting"`
	Links     int   `json:"links"`
	Mutual    int   `json:"mutual"`
	Unnamed   int   `json:"unnamed"`
}

type series struct {
	From   stamp   `json:"from"`
	To     stamp   `json:"to"`
	Points []point `json:"points"`
}

const (
	defaultPoints = 200
	maxPoints     = 2000
)

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	if s.o.History == nil {
		noHistory.write(w, r)
		return
	}
	q, err := query(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	out, err := s.history(r.Context(), q)
	if err != nil {
		fail(w, r, err)
		return
	}
	send(w, r, out)
}

func (s *Server) history(ctx context.Context, q url.Values) (out series, err error) {
	from, to, err := s.span(ctx, q)
	if err != nil {
		return out, err
	}
	n, err := number(q, "points", defaultPoints, 1, maxPoints)
	if err != nil {
		return out, err
	}
	all, err := s.o.History.Series(ctx, from, to, n)
	if err != nil {
		return out, historyError(err)
	}
	out = series{From: stamp(from), To: stamp(to), Points: []point{}}
	for _, c := range all {
		out.Points = append(out.Points, point{stamp(c.At), c.Domains, c.Reporting, c.Links, c.Mutual, c.Unnamed})
	}
	return out, nil
}

// span reads from and to, which mean the whole of history where they are missing.
func (s *Server) span(ctx context.Context, q url.Values) (from, to time.Time, err error) {
	to = s.o.Now().UTC()
	if t := q.Get("to"); t != "" {
		if to, err = instant("to", t); err != nil {
			return from, to, err
		}
	}
	if t := q.Get("from"); t != "" {
		from, err = instant("from", t)
	} else if from, err = s.first(ctx, to); err != nil {
		err = historyError(err)
	}
	if err == nil && from.After(to) {
		err = badRequest("from is after to")
	}
	return from, to, err
}

// first returns when history begins, or the end of the time that is asked about where nothing was observed before.
//
// A series tells the last observation of each part of a time, so that the first one is in the first part that has any: three looks are enough.
func (s *Server) first(ctx context.Context, to time.Time) (time.Time, error) {
	const parts = 1000
	first := to
	for from := time.Unix(0, 0); ; {
		found, err := s.o.History.Series(ctx, from, first, parts)
		if err != nil || len(found) == 0 {
			return first, err
		}
		width := first.Sub(from)/parts + time.Second
		if first = found[0].At; width <= 2*time.Second {
			return first, nil
		}
		from = first.Add(-width)
	}
}
