package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
)

// federation makes the reports of a network. All its names have verdicts for a day.
//
// Reporters choose their peers with a preference for few, as real ones do.
type federation struct {
	rnd       *rand.Rand
	named     int
	reporters int
	peers     int
	unnamed   int
}

// real has the shape of the network of January 2025, so many times: 112 named domains, 45 reporters, 1,112 links, 5,671 unnamed.
func realShape(times int) federation {
	return federation{rand.New(rand.NewPCG(1, 1)), 112 * times, 45 * times, 26, 126}
}

func (f federation) report(i int, at time.Time) graph.Report {
	until := at.Add(24 * time.Hour)
	r := graph.Report{Domain: numbered(i), At: at, Until: until, Software: "Prosody", Version: "0.12." + fmt.Sprint(i%9)}
	for range f.peers {
		// A square prefers low numbers.
		u := f.rnd.Float64()
		r.Peers = append(r.Peers, graph.Peer{Name: numbered(int(u * u * float64(f.named))), Until: until, Directions: graph.In | graph.Out})
	}
	if f.unnamed > 0 {
		r.Unnamed = int(f.rnd.ExpFloat64() * float64(f.unnamed))
	}
	return r
}

func (f federation) reports(at time.Time) []graph.Report {
	all := make([]graph.Report, f.reporters)
	for i := range all {
		all[i] = f.report(i, at)
	}
	return all
}

var federations = []struct {
	name string
	f    func() federation
}{
	{"real", func() federation { return realShape(1) }},
	{"real*18=100k", func() federation { return realShape(18) }},
	{"real*173=1M", func() federation { return realShape(173) }},
	{"named=1M", func() federation { return federation{rand.New(rand.NewPCG(1, 1)), 1_160_000, 100_000, 20, 0} }}, // of which a million get a link
}

func fill(all []graph.Report) *graph.Graph {
	g := graph.New(graph.Options{Now: func() time.Time { return start }})
	for _, r := range all {
		g.Apply(r)
	}
	return g
}

// pointers is the graph as one would write it down first: maps of pointers.
type pointers struct {
	domains map[string]*pointerDomain
}

type pointerDomain struct {
	name              string
	until, at         time.Time
	links             map[string]*pointerLink
	unnamed           int
	software, version string
}

type pointerLink struct {
	to          *pointerDomain
	first, last time.Time
	directions  graph.Directions
}

func (p *pointers) domain(name string) *pointerDomain {
	d := p.domains[name]
	if d == nil {
		d = &pointerDomain{name: name}
		p.domains[name] = d
	}
	return d
}

func (p *pointers) apply(r graph.Report) {
	d := p.domain(r.Domain.String())
	d.until, d.at, d.unnamed, d.software, d.version = r.Until, r.At, r.Unnamed, r.Software, r.Version
	if d.links == nil {
		d.links = make(map[string]*pointerLink)
	}
	for _, peer := range r.Peers {
		to := p.domain(peer.Name.String())
		to.until = peer.Until
		l := d.links[to.name]
		if l == nil {
			l = &pointerLink{to: to, first: r.At}
			d.links[to.name] = l
		}
		l.last, l.directions = r.At, peer.Directions
	}
}

func fillPointers(all []graph.Report) *pointers {
	p := &pointers{map[string]*pointerDomain{}}
	for _, r := range all {
		p.apply(r)
	}
	return p
}

func nodes(s *graph.Snapshot) float64 {
	c := s.Counts()
	return float64(c.Domains + c.Unnamed)
}

// BenchmarkApply also measures what a graph keeps in memory, beside the same as maps of pointers.
func BenchmarkApply(b *testing.B) {
	for _, f := range federations {
		all := f.f().reports(start)
		size := nodes(fill(all).Snapshot())
		b.Run("graph/"+f.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fill(all)
			}
			b.ReportMetric(bytesPer(size, func() any { g := fill(all); g.Snapshot(); return g }), "B/node")
		})
		b.Run("pointers/"+f.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fillPointers(all)
			}
			b.ReportMetric(bytesPer(size, func() any { return fillPointers(all) }), "B/node")
		})
	}
}

// bytesPer returns what a value keeps alive, per node.
func bytesPer(nodes float64, build func() any) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(v)
	return math.Max(0, float64(after.HeapAlloc)-float64(before.HeapAlloc)) / nodes
}

// BenchmarkGC measures a garbage collection while a network of a million named domains is alive.
func BenchmarkGC(b *testing.B) {
	for name, build := range map[string]func([]graph.Report) any{
		"graph":    func(all []graph.Report) any { g := fill(all); g.Snapshot(); return g },
		"pointers": func(all []graph.Report) any { return fillPointers(all) },
	} {
		b.Run(name, func(b *testing.B) {
			alive := build(federations[3].f().reports(start))
			for b.Loop() {
				runtime.GC()
			}
			runtime.KeepAlive(alive)
		})
	}
}

// BenchmarkSnapshot takes a snapshot after a thousand reports have changed: each has lost a peer and got another.
// "read" also has everything in it read, which is when it is computed.
func BenchmarkSnapshot(b *testing.B) {
	for _, f := range federations {
		for _, read := range []string{"take", "read"} {
			b.Run(read+"/"+f.name, func(b *testing.B) {
				fed := f.f()
				all := fed.reports(start)
				g := fill(all)
				g.Snapshot().Counts()
				n := min(1000, len(all)/4)
				for b.Loop() {
					b.StopTimer()
					for range n {
						r := &all[fed.rnd.IntN(len(all))]
						r.Peers[fed.rnd.IntN(len(r.Peers))].Name = numbered(fed.rnd.IntN(fed.named))
						g.Apply(*r)
					}
					b.StartTimer()
					s := g.Snapshot()
					if read == "read" {
						s.Counts()
					}
				}
			})
		}
	}
}

// BenchmarkApplyChanged applies one changed report after a snapshot was taken, which is when chunks are copied.
func BenchmarkApplyChanged(b *testing.B) {
	fed := federations[3].f()
	all := fed.reports(start)
	g := fill(all)
	g.Snapshot()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			g.Snapshot()
		}
		r := &all[fed.rnd.IntN(len(all))]
		r.Peers[fed.rnd.IntN(len(r.Peers))].Name = numbered(fed.rnd.IntN(fed.named))
		g.Apply(*r)
	}
}

func BenchmarkDiff(b *testing.B) {
	for _, f := range federations[:3] {
		b.Run(f.name, func(b *testing.B) {
			fed := f.f()
			all := fed.reports(start)
			g := fill(all)
			old := g.Snapshot()
			for range 10 {
				r := all[fed.rnd.IntN(len(all))]
				r.Peers = r.Peers[1:]
				g.Apply(r)
			}
			now := g.Snapshot()
			for b.Loop() {
				graph.Diff(old, now)
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	for _, f := range federations[:3] {
		s := fill(f.f().reports(start)).Snapshot()
		for _, v := range []graph.View{graph.Mutual, graph.Fold(), graph.Focus(numbered(0), 1)} {
			b.Run(v.String()[:4]+"/"+f.name, func(b *testing.B) {
				for b.Loop() {
					s.View(v).Len()
				}
			})
		}
	}
}
