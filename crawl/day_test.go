package crawl

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// daySize is how many domains a day has here, 20,000 for those who set CRAWL_DAY_DOMAINS to that.
func daySize(t *testing.T) int {
	if s := os.Getenv("CRAWL_DAY_DOMAINS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err)
		return n
	}
	return 100
}

// A day of visits leaves nothing behind: what a crawler holds depends on how many domains there are, not on for how long it runs.
func TestDayInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulated day")
	}
	size := daySize(t)
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		for i := range size {
			n.report(fmt.Sprintf("d%d.test", i), fmt.Sprintf("d%d.test", (i+1)%size), fmt.Sprintf("d%d.test", (7*i)%size))
		}
		var seeds []string
		for i := 0; i < size; i += 100 {
			seeds = append(seeds, fmt.Sprintf("d%d.test", i))
		}
		c, g := newCrawler(n, seeds...)
		c.Store, c.NoSubscriptions, c.Concurrency = new(MemoryStore), true, 512
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ev := range c.Run(ctx) {
				ev.Apply(g)
			}
		})
		var held []int64
		for range 24 {
			pass(time.Hour)
			n.mu.Lock()
			n.asked = nil
			n.mu.Unlock()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			held = append(held, int64(m.HeapAlloc))
		}
		visits := uint64(0)
		for _, k := range c.Stats().Visits {
			visits += k
		}
		cancel()
		wg.Wait()
		t.Logf("%d domains, %d visits, heap in MB each hour: %v", size, visits, mega(held))
		require.GreaterOrEqual(t, visits, uint64(size)*40)
		// The accounts of visits fill up in the first hours.
		require.Less(t, held[23], held[5]*5/4+1<<20)
	})
}

func mega(bytes []int64) (all []int64) {
	for _, b := range bytes {
		all = append(all, b>>20)
	}
	return all
}
