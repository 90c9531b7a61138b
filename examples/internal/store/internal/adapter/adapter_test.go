package adapter

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func reports() map[string]*graph.Report {
	users, most := uint64(0), uint64(math.MaxUint64)
	return map[string]*graph.Report{
		"empty": {},
		"full": {
			At: noon, Until: noon.Add(time.Hour), Unnamed: 12, Software: "Prosody", Version: "0.12 ü\x00", Users: &users,
			Peers: []graph.Peer{
				{Name: xep.MustName("b.test"), Until: noon.Add(-time.Hour), Directions: graph.In | graph.Out | graph.Bidi},
				{Name: xep.MustName("bücher.example")},
				{Name: xep.MustName("[2001:db8::1]"), Directions: graph.In},
			},
		},
		"extremes": {At: time.UnixMicro(-1).UTC(), Unnamed: -5, Users: &most},
	}
}

func TestReportRoundTrip(t *testing.T) {
	for name, want := range reports() {
		t.Run(name, func(t *testing.T) {
			want.Domain = xep.MustName("a.test")
			b := AppendReport(nil, want)
			got, err := ParseReport(want.Domain, b, nil)
			require.NoError(t, err)
			clear(b)
			require.Equal(t, want, got)
		})
	}
}

// A report that was cut short or has something after its end is refused, wherever that is.
func TestReportDamaged(t *testing.T) {
	b := AppendReport(nil, reports()["full"])
	for i := range b {
		_, err := ParseReport(xep.Name{}, b[:i], nil)
		require.Error(t, err, "%d bytes", i)
	}
	_, err := ParseReport(xep.Name{}, append(b, 0), nil)
	require.ErrorContains(t, err, "too many")
	b[0]++
	_, err = ParseReport(xep.Name{}, b, nil)
	require.ErrorContains(t, err, "format 2")
}

func TestReportRefused(t *testing.T) {
	head := []byte{format, 0, 0, 0, 0, 0, 0}
	for name, tc := range map[string]struct {
		tail []byte
		want string
	}{
		"more peers than bytes": {[]byte{200, 1, 1, 'a', 0, 0}, "200 peers"},
		"a name in upper case":  {[]byte{1, 1, 'A', 0, 0}, "canonical"},
		"no name":               {[]byte{1, 1, ' ', 0, 0}, "domain name"},
		"unknown directions":    {[]byte{1, 1, 'a', 0, 8}, "directions 8"},
		"an unknown flag":       {[]byte{1, 1, 'a', 2, 0}, "flag 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseReport(xep.Name{}, append(head, tc.tail...), nil)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func FuzzParseReport(f *testing.F) {
	for _, r := range reports() {
		f.Add(AppendReport(nil, r))
	}
	domain := xep.MustName("a.test")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReport(domain, b, nil)
		if err != nil {
			require.Nil(t, r)
			return
		}
		again, err := ParseReport(domain, AppendReport(nil, r), nil)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

func TestRowRefused(t *testing.T) {
	good := RowOf(&crawl.Record{Domain: xep.MustName("a.test")})
	_, err := good.Record()
	require.NoError(t, err)
	for name, change := range map[string]func(*Row){
		"no name":       func(r *Row) { r.Name = "" },
		"not canonical": func(r *Row) { r.Name = "A.test" },
		"no service":    func(r *Row) { r.Service = "@" },
		"half a hash":   func(r *Row) { r.Hash = make([]byte, 16) },
	} {
		t.Run(name, func(t *testing.T) {
			row := good
			change(&row)
			_, err := row.Record()
			require.Error(t, err)
		})
	}
}

func TestUnnameOnce(t *testing.T) {
	b, c := graph.Peer{Name: xep.MustName("b.test")}, graph.Peer{Name: xep.MustName("c.test")}
	r := &graph.Report{Unnamed: 1, Peers: []graph.Peer{b, c, b}}
	require.True(t, Unname(r, b.Name))
	require.Equal(t, &graph.Report{Unnamed: 2, Peers: []graph.Peer{c}}, r)
	require.False(t, Unname(r, b.Name))
	require.Equal(t, 2, r.Unnamed)
}

func TestStep(t *testing.T) {
	for _, tc := range []struct {
		first, last int64
		n           int
	}{{0, 0, 1}, {0, 9, 3}, {5, 104, 100}, {0, math.MaxInt64 / 2, 7}} {
		step := Step(tc.first, tc.last, tc.n)
		require.Less(t, (tc.last-tc.first)/step, int64(tc.n), "%+v", tc)
	}
}

func FuzzParseVisit(f *testing.F) {
	name := xep.MustName("a.test")
	b, err := AppendVisit(nil, store.Visit{Outcome: "report", Steps: []store.Step{{Name: "fetch", Status: "failed", Asked: "x", Got: "\x00ü", Took: 5, Fix: "y"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"outcome":"silent","steps":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseVisit(name, 1, b)
		if err != nil {
			require.Zero(t, v)
			return
		}
		text, err := AppendVisit(nil, v)
		require.NoError(t, err)
		again, err := ParseVisit(name, 1, text)
		if err != nil {
			// An outcome alone can be longer than everything may be: ours are one word.
			require.Greater(t, len(text), maxVisit)
			return
		}
		require.Equal(t, v.Outcome, again.Outcome)
		require.LessOrEqual(t, len(again.Steps), len(v.Steps))
		require.Equal(t, v.Steps[:len(again.Steps)], again.Steps[:len(again.Steps):len(again.Steps)])
	})
}
