package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// hostileTexts are what a stranger may give for the name of a server's software.
var hostileTexts = []string{
	`"quoted" 'twice' \ back`, `<script>alert(1)</script>`, `]]> & &amp; &#34;`, "right\u202eto left\u2066", "line\nbreak\r\ttab",
	`=cmd|' /C calc'!A0`, "\u2028\u2029", "x" + strings.Repeat("é", 511), "nul\x00 esc\x1b", "bad\xffutf8", "emoji 🌐", "{}[];--", "+1", "\ufffe",
}

// hostileNames are domain names of every odd kind that exists.
func hostileNames() []string {
	return []string{
		"xn--bcher-kva.example", "_xmpp._tcp.example", "r3---sn.example", "[2001:db8::1]", "192.0.2.1", "例え.テスト", "пример.испытание",
		"مثال.إختبار", strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61),
		"null", "true", "graph", "node", "1", "-", "constructor", "__proto__",
	}
}

// hostile is a network of them all.
func hostile() *graph.Snapshot {
	now := start
	g := graph.New(graph.Options{Now: func() time.Time { return now }})
	until := start.Add(time.Hour)
	var names []xep.Name
	for _, s := range hostileNames() {
		if n, err := xep.ParseName(s); err == nil {
			names = append(names, n)
		}
	}
	most := uint64(math.MaxUint64)
	for i, n := range names {
		r := graph.Report{Domain: n, Until: until, Unnamed: i % 3, Software: hostileTexts[i%len(hostileTexts)], Version: hostileTexts[(i+5)%len(hostileTexts)]}
		for k := 1; k <= 3; k++ {
			r.Peers = append(r.Peers, graph.Peer{Name: names[(i*k+k)%len(names)], Until: until, Directions: graph.Directions(i % 8)})
		}
		if i%2 == 0 {
			users := uint64(i)
			r.Users = &users
		}
		if i == 1 {
			r.Users = &most
		}
		g.Apply(r)
	}
	return g.Snapshot()
}

func write(t testing.TB, f *export.Format, s *graph.Snapshot, o export.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, f.WriteOptions(&b, s, o))
	return b.Bytes()
}

func places(t testing.TB, s *graph.Snapshot) *layout.Layout {
	t.Helper()
	l, err := layout.Compute(context.Background(), s, layout.Options{})
	require.NoError(t, err)
	return l
}

// eachWay runs a test for every format with every option, on networks of several sizes.
func eachWay(t *testing.T, test func(t *testing.T, f *export.Format, s *graph.Snapshot, o export.Options)) {
	for name, s := range map[string]*graph.Snapshot{
		"hostile": hostile(), "small": small(), "empty": {}, "combined": hostile().View(graph.Combined), "one": small().View(graph.Focus(xep.MustName("alone.example"), 0)),
	} {
		l := places(t, s)
		for _, f := range export.Formats() {
			for u, unnamed := range map[string]export.Unnamed{"usual": export.AsUsual, "counts": export.AsCounts, "nodes": export.AsNodes} {
				t.Run(f.Name+"/"+name+"/"+u, func(t *testing.T) {
					test(t, f, s, export.Options{Unnamed: unnamed})
					test(t, f, s, export.Options{Unnamed: unnamed, Places: l})
				})
			}
		}
	}
}

// TestWellFormed reads every export with a parser of its syntax, if the standard library has one.
func TestWellFormed(t *testing.T) {
	eachWay(t, func(t *testing.T, f *export.Format, s *graph.Snapshot, o export.Options) {
		b := write(t, f, s, o)
		require.Equal(t, b, write(t, f, s, o), "the same input gives the same bytes")
		switch {
		case strings.Contains(f.MediaType, "json"):
			var v any
			require.NoError(t, json.Unmarshal(b, &v))
		case strings.Contains(f.MediaType, "xml"):
			d := xml.NewDecoder(bytes.NewReader(b))
			for {
				_, err := d.Token()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
			}
		case strings.Contains(f.MediaType, "csv"):
			_, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
			require.NoError(t, err)
		}
	})
}

// TestNodeLinkHoldsEverything reads one format back in full; the integration test does so for the others with their own readers.
func TestNodeLinkHoldsEverything(t *testing.T) {
	s := hostile()
	var got struct {
		Nodes []struct {
			ID, Label, Software, Version string
			Reporting                    bool
			Unnamed                      int
			Users                        *uint64
			X, Y                         float64
			First, Last                  time.Time
		}
		Edges []struct {
			Source, Target, State string
			SourceSays            *string `json:"source_says"`
			TargetSays            *string `json:"target_says"`
		}
	}
	l := places(t, s)
	require.NoError(t, json.Unmarshal(write(t, export.NodeLink, s, export.Options{Places: l}), &got))
	require.Len(t, got.Nodes, s.Len())
	for i, n := range got.Nodes {
		want := s.DomainAt(i)
		require.Equal(t, want.Name.String(), n.ID)
		require.Equal(t, want.Name.Unicode(), n.Label)
		require.Equal(t, strings.ToValidUTF8(want.Software, "\ufffd"), n.Software)
		require.Equal(t, strings.ToValidUTF8(want.Version, "\ufffd"), n.Version)
		require.Equal(t, want.Unnamed, n.Unnamed)
		require.Equal(t, want.Users, n.Users)
		require.Equal(t, want.First, n.First)
		x, y, _ := l.Place(i)
		require.InDelta(t, x, n.X, 0.051)
		require.InDelta(t, y, n.Y, 0.051)
	}
	k := 0
	for l := range s.Links() {
		e := got.Edges[k]
		require.Equal(t, []string{l.A.String(), l.B.String(), l.State.String()}, []string{e.Source, e.Target, e.State})
		require.Equal(t, l.ByA.Made(), e.SourceSays != nil)
		if l.ByB.Made() {
			require.Equal(t, l.ByB.Directions.String(), *e.TargetSays)
		}
		k++
	}
	require.Len(t, got.Edges, k)
}

// TestJGF reads with the members that the schema of JSON Graph Format 2 permits, and no others.
func TestJGF(t *testing.T) {
	s := hostile()
	var got struct {
		Graph struct {
			Directed bool `json:"directed"`
			Nodes    map[string]struct {
				Label    string         `json:"label"`
				Metadata map[string]any `json:"metadata"`
			} `json:"nodes"`
			Edges []struct {
				Source   string         `json:"source"`
				Target   string         `json:"target"`
				Directed bool           `json:"directed"`
				Metadata map[string]any `json:"metadata"`
			} `json:"edges"`
		} `json:"graph"`
	}
	d := json.NewDecoder(bytes.NewReader(write(t, export.JGF, s, export.Options{Unnamed: export.AsNodes, Places: places(t, s)})))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&got))
	c := s.Counts()
	require.Len(t, got.Graph.Nodes, c.Domains+c.Unnamed)
	require.Len(t, got.Graph.Edges, c.Links+c.Unnamed)
	for want := range s.Domains() {
		n, ok := got.Graph.Nodes[want.Name.String()]
		require.True(t, ok)
		require.Equal(t, want.Name.Unicode(), n.Label)
		require.Equal(t, true, n.Metadata["named"])
		require.InDelta(t, want.Unnamed, n.Metadata["unnamed"], 0)
	}
	for _, e := range got.Graph.Edges {
		require.Contains(t, got.Graph.Nodes, e.Source)
		require.Contains(t, got.Graph.Nodes, e.Target)
		require.False(t, e.Directed)
	}
}

// TestCompactHoldsEverything follows the description of the format.
func TestCompactHoldsEverything(t *testing.T) {
	for name, s := range map[string]*graph.Snapshot{"hostile": hostile(), "small": small(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			var got struct {
				Format  string
				Names   []string
				Labels  map[string]string
				Counts  []int
				Reports []int
				Edges   []int
				Mutual  string
				X, Y, R []float64
			}
			require.NoError(t, json.Unmarshal(write(t, export.Compact, s, export.Options{Places: places(t, s)}), &got))
			require.Equal(t, "xmppgraph/1", got.Format)
			require.Len(t, got.Names, s.Len())
			require.Len(t, got.R, s.Len())
			for i := range s.Len() {
				d := s.DomainAt(i)
				require.Equal(t, d.Name.String(), got.Names[i])
				require.Equal(t, d.Unnamed, got.Counts[i])
				require.Equal(t, d.Reporting, got.Reports[i] == 1)
				if label, ok := got.Labels[strconv.Itoa(i)]; ok {
					require.Equal(t, d.Name.Unicode(), label)
				} else {
					require.Equal(t, d.Name.Unicode(), got.Names[i])
				}
			}
			var pairs, want []string
			from := 0
			for e := got.Edges; len(e) > 0; {
				from += e[0]
				n, to := e[1], from
				for _, step := range e[2 : 2+n] {
					to += step
					pairs = append(pairs, fmt.Sprint(from, to, got.Mutual[len(pairs)] == '1'))
				}
				e = e[2+n:]
			}
			for l := range s.Links() {
				want = append(want, fmt.Sprint(l.I, l.J, l.State == graph.StateMutual))
			}
			require.Equal(t, want, pairs)
		})
	}
}

// TestSVGIsAccessibleAndSafe looks for what a picture must have, and must not.
func TestSVGIsAccessibleAndSafe(t *testing.T) {
	for _, theme := range []export.Theme{export.Auto, export.Light, export.Dark} {
		b := string(write(t, export.SVG, hostile(), export.Options{Picture: export.Picture{Theme: theme, Title: "<b>&", Width: 1200, Height: 630}}))
		require.Contains(t, b, `role="img" aria-labelledby="xg-title xg-desc"`)
		require.Contains(t, b, `<title id="xg-title">&lt;b&gt;&amp;</title>`)
		require.Contains(t, b, `<desc id="xg-desc">`)
		require.Contains(t, b, `width="1200" height="630"`)
		require.NotContains(t, b, "<script")
		require.NotContains(t, b, "NaN")
		require.NotContains(t, b, "\u202e")
	}
	bare := string(write(t, export.SVG, small(), export.Options{Picture: export.Picture{Bare: true}}))
	require.NotContains(t, bare, `class="h"`)
}

// badPlaces are what a broken layout may give.
type badPlaces struct{}

func (badPlaces) Place(i int) (x, y, r float64) {
	return []float64{math.NaN(), math.Inf(1), 1e300}[i%3], math.Inf(-1), math.NaN()
}
func (badPlaces) Leaf(_, _ int) (x, y float64) { return math.NaN(), math.Inf(1) }

func TestBadPlacesDontBreakTheSyntax(t *testing.T) {
	for _, f := range export.Formats() {
		b := write(t, f, hostile(), export.Options{Places: badPlaces{}})
		require.False(t, bytes.Contains(b, []byte("NaN")), f.Name)
		require.False(t, bytes.Contains(b, []byte("Inf")), f.Name)
		if strings.Contains(f.MediaType, "json") {
			require.True(t, json.Valid(b), f.Name)
		}
	}
}

// TestNoExportShowsANameWithoutVerdict has a secret and an excluded domain, and looks for them in everything there is.
func TestNoExportShowsANameWithoutVerdict(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	now := start
	g := graph.New(graph.Options{Now: func() time.Time { return now }})
	until := start.Add(2 * time.Hour)
	pick := func() xep.Name {
		return xep.MustName([]string{"", "muc.", "a.", "b.", "c."}[rnd.IntN(5)] + []string{"open.example", "lapses.example", "secret.example", "excluded.example"}[rnd.IntN(4)])
	}
	verdict := func(n xep.Name) time.Time {
		switch s := n.String(); {
		case strings.Contains(s, "secret"):
			return time.Time{}
		case strings.Contains(s, "lapses"):
			return start.Add(time.Hour)
		}
		return until
	}
	for range 60 {
		n := pick()
		r := graph.Report{Domain: n, At: now, Until: verdict(n), Unnamed: rnd.IntN(3)}
		for range rnd.IntN(8) {
			p := pick()
			r.Peers = append(r.Peers, graph.Peer{Name: p, Until: verdict(p)})
		}
		g.Apply(r)
	}
	now = start.Add(time.Hour)
	var excluded []xep.Name
	for _, sub := range []string{"", "muc.", "a.", "b.", "c."} {
		excluded = append(excluded, xep.MustName(sub+"excluded.example"))
	}
	for name, views := range map[string][]graph.View{
		"plain": nil, "fold": {graph.Fold("muc", "a", "b")}, "combined": {graph.Combined}, "mutual": {graph.Mutual}, "reporting": {graph.Reporting},
		"focus": {graph.Focus(xep.MustName("open.example"), 5)}, "without unnamed": {graph.WithoutUnnamed},
	} {
		s := g.Snapshot().View(append([]graph.View{graph.Exclude(excluded...)}, views...)...)
		require.NotZero(t, s.Len(), name)
		for _, f := range export.Formats() {
			for _, unnamed := range []export.Unnamed{export.AsUsual, export.AsCounts, export.AsNodes} {
				b := string(write(t, f, s, export.Options{Unnamed: unnamed}))
				for _, hidden := range []string{"secret", "lapses", "excluded"} {
					require.False(t, strings.Contains(b, hidden), "%s of view %s shows %s", f.Name, name, hidden)
				}
			}
		}
	}
}

type failing struct{ after int }

var errFull = errors.New("full")

func (w *failing) Write(b []byte) (int, error) {
	if w.after -= len(b); w.after < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorsOfTheWriterAreReported(t *testing.T) {
	s := hostile()
	for _, f := range export.Formats() {
		size := len(write(t, f, s, export.Options{Unnamed: export.AsNodes}))
		for _, after := range []int{0, size / 2, size - 1} {
			err := f.WriteOptions(&failing{after}, s, export.Options{Unnamed: export.AsNodes})
			require.ErrorIs(t, err, errFull, f.Name)
		}
	}
}

func TestRegistry(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range export.Formats() {
		require.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		require.Same(t, f, export.ByName(f.Name))
		require.NotEmpty(t, f.Title)
		require.NotEmpty(t, f.MediaType)
		require.NotEmpty(t, f.Extension)
	}
	require.Nil(t, export.ByName("nothing"))
}
