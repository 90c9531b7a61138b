package crawl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// BenchmarkCrawl crawls a federation of 2,000 named domains over a real session, server and all in this process.
// The time per domain is that of both sides; the memory is what the crawler and the graph hold on to in the end.
func BenchmarkCrawl(b *testing.B) {
	const size = 2000
	f := testserver.Network(1, size)
	srv := testserver.Start(b, testserver.Config{Seed: 1})
	srv.AddNetwork(f)
	s := dial(b, srv)
	seeds := reporters(f, 3)
	want := len(f.Reachable(seeds...))
	for b.Loop() {
		before := heap()
		g := graph.New(graph.Options{})
		c := &crawl.Crawler{Session: s, Contact: "mailto:ops@example.org", Seeds: seeds, Spacing: -1, Once: true, Concurrency: 256}
		after, named := before, 0
		for ev := range c.Run(b.Context()) {
			ev.Apply(g)
			if ev.Kind == crawl.ConsentGiven {
				if named++; named == want {
					after = heap()
				}
			}
		}
		require.Equal(b, want, g.Snapshot().Counts().Domains)
		b.ReportMetric(float64(int64(after)-int64(before))/float64(want), "B/domain")
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*want), "µs/domain")
}
