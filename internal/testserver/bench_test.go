package testserver_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// BenchmarkDisco counts disco#info answers of 10,000 domains over one component connection, with 256 requests in flight.
func BenchmarkDisco(b *testing.B) {
	benchmarkRequests(b, func(m testserver.Member) string { return get("q", m.Name, infoPayload) })
}

// BenchmarkFetch counts the reports fetched from them.
func BenchmarkFetch(b *testing.B) {
	benchmarkRequests(b, func(m testserver.Member) string {
		node := "serverinfo"
		if m.Profile == testserver.Prosody {
			node += "/" + m.Name
		}
		return get("q", "pubsub."+m.Name, items(node))
	})
}

func benchmarkRequests(b *testing.B, request func(testserver.Member) string) {
	srv := testserver.Start(b, testserver.Config{})
	f := testserver.Network(1, 10_000)
	srv.AddNetwork(f)
	s := rawSession(b, srv, testserver.Component)
	requests := make([]string, len(f.Domains))
	for i, m := range f.Domains {
		requests[i] = request(m)
	}
	const window = 256
	tokens := make(chan struct{}, window)
	b.ResetTimer()
	go func() {
		var batch []byte
		for i := range b.N {
			batch = append(batch, requests[i%len(requests)]...)
			tokens <- struct{}{}
			if len(batch) > 4096 || i == b.N-1 || len(tokens) > window/2 {
				_, _ = s.nc.Write(batch)
				batch = batch[:0]
			}
		}
	}()
	buf := make([]byte, 64<<10)
	var tail []byte
	for done := 0; done < b.N; {
		n, err := s.r.Read(buf)
		require.NoError(b, err)
		got := append(tail, buf[:n]...)
		c := bytes.Count(got, []byte("</iq>"))
		tail = append([]byte(nil), got[max(0, len(got)-4):]...)
		for range c {
			<-tokens
		}
		done += c
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "replies/s")
}

// BenchmarkStart counts how long a network of 10,000 domains takes from nothing, and what each domain costs.
func BenchmarkStart(b *testing.B) {
	var before, after runtime.MemStats
	for range b.N {
		runtime.GC()
		runtime.ReadMemStats(&before)
		srv := testserver.New(testserver.Config{})
		f := testserver.Network(1, 10_000)
		srv.AddNetwork(f)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "B/domain")
		b.ReportMetric(float64(len(f.Claims))/10_000, "claims/domain")
		require.NoError(b, srv.Close())
		b.StartTimer()
	}
}

// BenchmarkEmptyServer counts the start and end of a server alone.
func BenchmarkEmptyServer(b *testing.B) {
	for range b.N {
		_ = testserver.New(testserver.Config{}).Close()
	}
}
