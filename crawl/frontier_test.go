package crawl

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// BenchmarkFrontier measures what each visit costs the queue of domains, and what each domain holds there.
func BenchmarkFrontier(b *testing.B) {
	for _, size := range []int{20_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			names := make([]xep.Name, size)
			for i := range names {
				names[i] = xep.MustName(fmt.Sprintf("server%07d.example", i))
			}
			now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			before := held()
			f := newFrontier(size, 1)
			f.perSite = DefaultMaxUnconfirmed
			began := time.Now()
			for _, n := range names {
				f.add(n, now)
			}
			add := time.Since(began)
			// The first round spreads the visits over the interval.
			for range names {
				e, _ := f.take(now)
				f.put(e, now, DefaultInterval)
			}
			holds := held() - before
			for b.Loop() {
				e, wait := f.take(now)
				if e == nil {
					now = now.Add(wait)
					e, _ = f.take(now)
				}
				f.put(e, now, DefaultInterval)
			}
			b.ReportMetric(float64(add.Nanoseconds())/float64(size), "ns/add")
			b.ReportMetric(float64(holds)/float64(size), "B/domain")
		})
	}
}

func held() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
