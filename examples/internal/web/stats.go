package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
)

const (
	// maxShares is the number of kinds that a chart of shares tells apart.
	maxShares = 8
	// maxTop is the length of the lists of the largest.
	maxTop = 10
	// seriesPoints is the number of points of a line.
	seriesPoints = 160
	// seriesLength is how far back the lines go.
	seriesLength = 365 * 24 * time.Hour
	// seriesAge is for how long lines that were read are shown again.
	seriesAge = time.Minute
)

// statsView is the page with the statistics.
type statsView struct {
	frame
	Software, Degrees *bars
	ByLinks           []top
	ByUnnamed         []top
	// Parts is the number of parts of the network that hang together, and Largest how many domains the largest has.
	Parts, Largest int
	Bridges        int
	Growth         []lineChart
}

// top is a domain in a list of the largest.
type top struct {
	Label label
	N     int
}

func (s *Server) serveStats(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	series := s.series(r.Context(), s.o.Now())
	key := "page stats"
	if s.o.History != nil {
		key = "" // the past grows while the edition stays the same
	}
	s.show(w, r, ed, key, key != "", func() (string, any, error) {
		return "stats", s.statsView(ed, series), nil
	})
}

func (s *Server) statsView(ed *edition.Edition, series []store.Count) statsView {
	snap := ed.Snapshot()
	v := statsView{
		frame: s.frame(ed, "stats", "/stats", "Statistics", "The XMPP network in numbers: how many domains opted in, their links, their servers, and how that grew."),
	}
	if snap.Len() == 0 {
		return v
	}
	v.Software = softwareShares(snap)
	v.Degrees = degreeBars(snap)
	v.ByLinks = largest(snap, func(i int) int { return len(snap.Neighbors(i)) })
	v.ByUnnamed = largest(snap, snap.UnnamedAt)
	_, sizes := snap.Components()
	v.Parts, v.Largest = len(sizes), sizes[0]
	v.Bridges = len(snap.Bridges())
	v.Growth = growth(series)
	return v
}

// softwareShares counts what domains say that they run. It is a stranger's word, so that spellings are only joined by case.
func softwareShares(snap *graph.Snapshot) *bars {
	n := make(map[string]int)
	spelt := make(map[string]string)
	silent := 0
	for d := range snap.Domains() {
		name := shorten(clean(strings.TrimSpace(d.Software)), 40)
		if name == "" {
			silent++
			continue
		}
		key := strings.ToLower(name)
		n[key]++
		if spelt[key] == "" {
			spelt[key] = name
		}
	}
	if len(n) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], strings.Compare(a, b)) })
	var all []bar
	others := 0
	for i, k := range keys {
		if i < maxShares {
			all = append(all, bar{Title: spelt[k], N: n[k]})
			continue
		}
		others += n[k]
	}
	if others > 0 {
		all = append(all, bar{Title: "Others", N: others, Soft: true})
	}
	if silent > 0 {
		all = append(all, bar{Title: "Not said", N: silent, Soft: true})
	}
	return newBars("Server software of named domains", all, snap.Len())
}

// degreeBars counts domains by their number of links, in steps that double.
func degreeBars(snap *graph.Snapshot) *bars {
	titles := []string{"none", "1", "2–3", "4–7", "8–15", "16–31", "32–63", "64–127", "128–255", "256 and more"}
	n := make([]int, len(titles))
	most := 0
	for i := range snap.Len() {
		k := 0
		for d := len(snap.Neighbors(i)); d > 0 && k < len(titles)-1; d /= 2 {
			k++
		}
		n[k]++
		most = max(most, k)
	}
	var all []bar
	for k := range most + 1 {
		all = append(all, bar{Title: titles[k], N: n[k]})
	}
	return newBars("Named domains by their number of links", all, snap.Len())
}

func largest(snap *graph.Snapshot, of func(i int) int) (all []top) {
	order := make([]int, snap.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return of(b) - of(a) })
	for _, i := range order[:min(len(order), maxTop)] {
		if of(i) > 0 {
			all = append(all, top{labelOf(snap.NameAt(i)), of(i)})
		}
	}
	return all
}

// series reads the numbers of the past, or returns those that were read a moment ago.
func (s *Server) series(ctx context.Context, now time.Time) []store.Count {
	if s.o.History == nil {
		return nil
	}
	s.past.Lock()
	defer s.past.Unlock()
	if age := now.Sub(s.past.read); !s.past.read.IsZero() && age >= 0 && age < seriesAge {
		return s.past.counts
	}
	// Others may wait for the same numbers, so that no visitor's departure ends it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyBudget)
	defer cancel()
	counts, err := s.o.History.Series(ctx, now.Add(-seriesLength), now, seriesPoints)
	if err == nil {
		s.past.counts, s.past.read = counts, now
	}
	// Without the database, the page shows what it had.
	return s.past.counts
}

// growth draws a line for each number, since they differ too much in size for one drawing.
func growth(series []store.Count) (all []lineChart) {
	if len(series) < 2 || !series[len(series)-1].At.After(series[0].At) {
		return nil
	}
	for _, l := range []struct {
		title string
		of    func(graph.Counts) int
	}{
		{"Named domains", func(c graph.Counts) int { return c.Domains }},
		{"Links between them", func(c graph.Counts) int { return c.Links }},
		{"Links to domains that stay unnamed", func(c graph.Counts) int { return c.Unnamed }},
	} {
		points := make([]point, len(series))
		for i, c := range series {
			points[i] = point{c.At, l.of(c.Counts)}
		}
		all = append(all, newLineChart(l.title, points))
	}
	return all
}
