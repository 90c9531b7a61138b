package export_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

// realShape is a network of the shape of January 2025, so many times as large.
func realShape(times int) *graph.Snapshot {
	rnd := rand.New(rand.NewPCG(1, 1))
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	until := start.Add(time.Hour)
	named := 112 * times
	domain := func(i int) xep.Name { return xep.MustName(fmt.Sprintf("server%d.example", i)) }
	for i := range 45 * times {
		r := graph.Report{Domain: domain(i), Until: until, Unnamed: int(rnd.ExpFloat64() * 126), Software: "Prosody"}
		for range 30 {
			u := rnd.Float64()
			r.Peers = append(r.Peers, graph.Peer{Name: domain(int(u * u * float64(named))), Until: until})
		}
		g.Apply(r)
	}
	return g.Snapshot()
}

// marshalled is data.json as one writes it with encoding/json.
type marshalled struct {
	Nodes []marshalledNode `json:"nodes"`
	Edges []marshalledEdge `json:"edges"`
}

type marshalledNode struct {
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

type marshalledEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// structs returns data.json ready to be encoded, so that only the encoding is measured.
func structs(t testing.TB, s *graph.Snapshot) (m marshalled) {
	var b bytes.Buffer
	require.NoError(t, export.OldSite.Write(&b, s))
	require.NoError(t, json.Unmarshal(b.Bytes(), &m))
	return m
}

func BenchmarkWrite(b *testing.B) {
	for name, times := range map[string]int{"real": 1, "real*18=100k": 18, "real*173=1M": 173} {
		s := realShape(times)
		m := structs(b, s)
		b.Run("encoding-json/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := json.NewEncoder(io.Discard).Encode(m); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, f := range export.Formats() {
			if f == export.SVG {
				continue
			}
			b.Run(f.Name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Write(io.Discard, s); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPicture(b *testing.B) {
	for _, times := range []int{1, 10} {
		s := realShape(times)
		l := places(b, s)
		b.Run(fmt.Sprintf("real*%d", times), func(b *testing.B) {
			for b.Loop() {
				if err := export.SVG.WriteOptions(io.Discard, s, export.Options{Places: l}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMemory has writers stay within 64 KB beside the snapshot, however large that is.
func TestMemory(t *testing.T) {
	s := realShape(10)
	s.Counts()
	s.DomainAt(0)
	for _, f := range export.Formats() {
		if f == export.SVG {
			continue // keeps all domains and labels to find room for them
		}
		t.Run(f.Name, func(t *testing.T) {
			var before, after runtime.MemStats
			peak := uint64(0)
			w := writerFunc(func(b []byte) (int, error) {
				peak = max(peak, uint64(cap(b)))
				return len(b), nil
			})
			runtime.GC()
			runtime.ReadMemStats(&before)
			require.NoError(t, f.WriteOptions(w, s, export.Options{Unnamed: export.AsNodes}))
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.LessOrEqual(t, peak, uint64(64<<10), "nothing but the buffer is handed on")
			require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(64<<10), "nothing is kept")
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestCompactIsSmall compares what goes over the wire.
func TestCompactIsSmall(t *testing.T) {
	s := realShape(1)
	size := func(f *export.Format) int {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		require.NoError(t, err)
		require.NoError(t, f.WriteOptions(z, s, export.Options{Places: places(t, s)}))
		require.NoError(t, z.Close())
		return b.Len()
	}
	require.Less(t, size(export.Compact)*10, size(export.OldSite))
}
