//go:build unix

package crawl_test

import (
	"bufio"
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

const (
	// maxHeld is how many bytes the crawler and the graph may hold for each domain.
	maxHeld = 4096
	// maxWork is how much CPU a crawl may take, in units of what its bare round trips take.
	// The goal is 2, and the rest is for the noise of a busy machine.
	maxWork = 2.5
)

// startServer runs serve in a process of its own and returns its address.
func startServer(b *testing.B, size int) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+strconv.Itoa(size))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(addr)
}

// cpu is the time that this process has kept processors busy.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak samples the heap until it is stopped, and returns the most.
func peak() (stop func() uint64) {
	var most atomic.Uint64
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(s)
			most.Store(max(most.Load(), s[0].Value.Uint64()))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() uint64 {
		cancel()
		<-done
		return most.Load()
	}
}

// question is a request as it went over the wire.
type question struct {
	iq      stanza.IQ
	payload string
}

// recorder is a session that remembers what it was asked.
type recorder struct {
	*connect.Session
	mu    sync.Mutex
	asked []question
}

func (r *recorder) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	r.mu.Lock()
	r.asked = append(r.asked, question{iq, string(payload)})
	r.mu.Unlock()
	return r.Session.ExchangeIQ(ctx, iq, payload)
}

func (r *recorder) SendIQElement(ctx context.Context, p xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return r.Session.SendIQElement(ctx, p, iq)
}

// replay asks the same again and looks at no answer.
func replay(b *testing.B, s *connect.Session, asked []question, workers int) {
	work := make(chan question)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for q := range work {
				_, _ = roundtrip.Do(b.Context(), s, roundtrip.Request{
					Type: q.iq.Type, To: q.iq.To, From: q.iq.From, Payload: []byte(q.payload), Timeout: benchPatience,
				})
			}
		})
	}
	for _, q := range asked {
		work <- q
	}
	close(work)
	wg.Wait()
}

// benchPatience is how long silent domains are waited for: their time is no work, but it would be most of the benchmark.
const benchPatience = time.Second

// round is one crawl from the seeds until everything is found.
type round struct {
	graph *graph.Graph
	// work is the CPU time until everything was found.
	work time.Duration
	// held and peak are in bytes above what was there before.
	held, peak int64
}

func crawlRound(b *testing.B, addr string, want truth, seeds []string, wrap func(*connect.Session) crawl.Session) round {
	b.Helper()
	clock := fastClock{start: time.Now(), speed: 1000}
	r := round{graph: graph.New(graph.Options{Now: clock.Now, MaxAge: 30 * 24 * time.Hour})}
	c := &crawl.Crawler{
		Contact: "mailto:ops@example.org", Seeds: seeds, Clock: clock, Interval: 24 * time.Hour,
		Concurrency: 128, VisitTimeout: benchPatience, Farewell: -1,
	}
	s := dialListening(b, addr, c)
	defer s.Close()
	c.Session = wrap(s)
	before := int64(heap())
	stop := peak()
	begun := cpu(b)
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	var reports reporting
	done := make(chan struct{})
	go func() {
		defer close(done)
		settle(ctx, c, &reports, len(want.unnamed))
		r.work = cpu(b) - begun
		r.held = int64(heap()) - before
		cancel()
	}()
	for ev := range c.Run(ctx) {
		ev.Apply(r.graph)
		reports.add(ev)
	}
	<-done
	r.peak = int64(stop()) - before
	require.NoError(b, c.Err())
	counts := r.graph.Snapshot().Counts()
	require.Equal(b, []int{len(want.named), len(want.unnamed), len(want.links)}, []int{counts.Domains, counts.Reporting, counts.Links})
	return r
}

// BenchmarkCrawl crawls federations of every kind of publisher and fault over a real session, with subscriptions and politely,
// the spacing on a clock that runs faster. The server is a process of its own.
//
// Beside the time it tells the CPU time for each domain, also in units of what the same round trips take without anybody who
// reads the answers ("×bare"), and the bytes that the crawler and the graph hold in the end and held at most, for each domain.
func BenchmarkCrawl(b *testing.B) {
	for _, size := range []int{2000, 10_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) { benchmarkCrawl(b, size) })
	}
}

func benchmarkCrawl(b *testing.B, size int) {
	f := testserver.Network(1, size)
	seeds := reporters(f, 3)
	want := spoil(f, 1, seeds).truth(seeds...)
	domains := float64(len(want.named))
	var work, bare time.Duration
	var held, most int64
	for b.Loop() {
		b.StopTimer()
		addr := startServer(b, size)
		b.StartTimer()
		r := crawlRound(b, addr, want, seeds, func(s *connect.Session) crawl.Session { return s })
		b.StopTimer()
		work += r.work
		held, most = max(held, r.held), max(most, r.peak)
		bare += bareWork(b, size, want, seeds)
		b.StartTimer()
	}
	b.ReportMetric(float64(work.Microseconds())/float64(b.N)/domains, "CPU-µs/domain")
	b.ReportMetric(float64(work)/float64(bare), "×bare")
	b.ReportMetric(float64(held)/domains, "B/domain")
	b.ReportMetric(float64(most)/domains, "peak-B/domain")
	require.Less(b, float64(held)/domains, float64(maxHeld))
	require.Less(b, float64(work)/float64(bare), float64(maxWork))
}

// bareWork is the CPU time of the round trips that a crawl needs, with a fresh server on which none of them is a repetition.
func bareWork(b *testing.B, size int, want truth, seeds []string) time.Duration {
	rec := new(recorder)
	crawlRound(b, startServer(b, size), want, seeds, func(s *connect.Session) crawl.Session {
		rec.Session = s
		return rec
	})
	s := dialListening(b, startServer(b, size), &crawl.Crawler{Contact: "mailto:ops@example.org"})
	defer s.Close()
	begun := cpu(b)
	replay(b, s, rec.asked, 128)
	return cpu(b) - begun
}
