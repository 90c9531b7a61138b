package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// listenersEnv has the test's program be the clients of [BenchmarkListeners], so that their memory is not counted as the server's.
const listenersEnv = "XMPPGRAPH_LISTENERS"

// BenchmarkListeners measures what 1,000 clients of the event stream cost, and how long a change takes to reach the last of them.
// One iteration is one change of a network of the real size.
func BenchmarkListeners(b *testing.B) {
	const clients = 1000
	g := realSize()
	s := New(edition.New(g, edition.Options{}), Options{Limits: Limits{StreamsEach: -1}})
	b.Cleanup(s.Close)
	srv := httptest.NewServer(s)
	b.Cleanup(srv.Close)
	b.Cleanup(s.Close) // before the server, which waits for its streams

	heap0, stack0 := memory()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), listenersEnv+"="+srv.Listener.Addr().String()+" "+strconv.Itoa(clients))
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	require.True(b, lines.Scan(), "they listen")
	heap, stack := memory()

	var slowest, total time.Duration
	for i := 0; b.Loop(); i++ {
		g.Apply(graph.Report{Domain: xep.MustName("new.test"), Until: time.Now().Add(time.Hour), Unnamed: i + 1})
		began := time.Now()
		require.True(b, lines.Scan(), "it reaches them")
		last, err := strconv.ParseInt(lines.Text(), 10, 64)
		require.NoError(b, err)
		took := time.Unix(0, last).Sub(began)
		slowest, total = max(slowest, took), total+took
	}
	b.ReportMetric(float64(heap-heap0)/clients, "heap-B/client")
	b.ReportMetric(float64(stack-stack0)/clients, "stack-B/client")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(slowest.Seconds(), "s-slowest")
	b.ReportMetric(total.Seconds()/float64(b.N), "s-to-all")
	_, cut := s.events.numbers()
	require.Zero(b, cut)
}

func memory() (heap, stack uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// listenMany opens streams, says so, and after each change that has reached all of them, when the last had it, in nanoseconds.
func listenMany(spec string) {
	addr, count, _ := strings.Cut(spec, " ")
	n, _ := strconv.Atoi(count)
	var arrived sync.Mutex
	seen := make(map[string]int)
	var ready, done sync.WaitGroup
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			panic(err)
		}
		ready.Add(1)
		done.Go(func() {
			_, _ = io.WriteString(c, "GET "+base+"/events HTTP/1.1\r\nHost: x\r\n\r\n")
			r := bufio.NewReader(c)
			id := ""
			for {
				s, err := r.ReadString('\n')
				switch {
				case err != nil:
					return
				case strings.HasPrefix(s, "id: "):
					id = s
				case s == "event: hello\n":
					ready.Done()
				case s == "event: changes\n":
					arrived.Lock()
					if seen[id]++; seen[id] == n {
						fmt.Println(time.Now().UnixNano())
					}
					arrived.Unlock()
				}
			}
		})
	}
	ready.Wait()
	fmt.Println("ready")
	done.Wait()
}
