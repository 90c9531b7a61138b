//go:build integration

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// asked is when a crawler asked a domain about itself.
type asked struct {
	at   time.Time
	from string
}

// watcher counts at the simulated network.
type watcher struct {
	mu     sync.Mutex
	visits map[string][]asked
}

// see is a [testserver.Config.Answer] that answers nothing itself.
func (w *watcher) see(r testserver.Request) (testserver.Reply, bool) {
	if strings.Contains(string(r.Payload), "disco#info") {
		w.mu.Lock()
		w.visits[r.To] = append(w.visits[r.To], asked{time.Now(), r.From})
		w.mu.Unlock()
	}
	return testserver.Reply{}, false
}

// since returns how often each of the domains was asked since, and by whom.
func (w *watcher) since(t time.Time, domains []string) (counts map[string]int, by map[string]int) {
	counts, by = make(map[string]int), make(map[string]int)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range domains {
		counts[d] = 0
		for _, a := range w.visits[d] {
			if a.at.After(t) {
				counts[d]++
				by[a.from]++
			}
		}
	}
	return counts, by
}

// apart is the least time between two visits of one domain since.
func (w *watcher) apart(since time.Time, domains []string) (least time.Duration, where string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	least = 1 << 62
	for _, d := range domains {
		all := w.visits[d]
		for i := 1; i < len(all); i++ {
			if gap := all[i].at.Sub(all[i-1].at); all[i-1].at.After(since) && gap < least {
				least, where = gap, fmt.Sprintf("%s by %s and %s", d, all[i-1].from, all[i].from)
			}
		}
	}
	return least, where
}

// everybody waits until each domain was visited since.
func (w *watcher) everybody(t *testing.T, since time.Time, domains []string, limit time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		counts, _ := w.since(since, domains)
		for _, n := range counts {
			if n == 0 {
				return false
			}
		}
		return true
	}, limit, 20*time.Millisecond)
}

// process is the program as a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
}

func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command("aggregator", append(args, "-listen", "localhost:0")...)
	log := new(lockedBuilder)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s", args, log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%s", log)
	return &process{cmd, strings.TrimSpace(line)}
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wire is a proxy before the database that can stop forwarding without closing anything, as a broken network does.
type wire struct {
	l   net.Listener
	mu  sync.Mutex
	cut chan struct{} // nil while it forwards
}

func newWire(t *testing.T, socket string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{l: l}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		w.pass(true)
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				up, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer up.Close()
				all.Go(func() { w.copy(up, c) })
				w.copy(c, up)
			})
		}
	})
	return w
}

func (w *wire) copy(dst, src net.Conn) {
	defer dst.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		w.mu.Lock()
		cut := w.cut
		w.mu.Unlock()
		if cut != nil {
			<-cut
		}
		if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// pass lets traffic pass or not.
func (w *wire) pass(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case on && w.cut != nil:
		close(w.cut)
		w.cut = nil
	case !on && w.cut == nil:
		w.cut = make(chan struct{})
	}
}

// shareSize is how many domains the test has, 20,000 for those who set AGGREGATOR_DOMAINS to that, with an AGGREGATOR_INTERVAL to match.
func shareSize(t *testing.T) (size int, interval time.Duration) {
	size, interval = 200, 4*time.Second
	if s := os.Getenv("AGGREGATOR_DOMAINS"); s != "" {
		var err error
		size, err = strconv.Atoi(s)
		require.NoError(t, err)
		interval, err = time.ParseDuration(os.Getenv("AGGREGATOR_INTERVAL"))
		require.NoError(t, err)
	}
	return size, interval
}

// Three crawlers and two that serve, each a process, on one PostgreSQL, through the death of one and the partition of another.
func TestProcessesShareTheWork(t *testing.T) {
	size, interval := shareSize(t)
	const lease = 3 * time.Second
	w := &watcher{visits: make(map[string][]asked)}
	srv := testserver.Start(t, testserver.Config{Seed: 1, Answer: w.see})
	federation := testserver.Network(1, size)
	introduce(federation)
	srv.AddNetwork(federation)
	var seeds []string
	for _, m := range federation.Domains {
		if len(seeds) < 3 && m.Profile.Publishes() && m.Profile != testserver.ProsodyOld {
			seeds = append(seeds, m.Name)
		}
	}
	domains := federation.Reachable(seeds...)

	pg := pgtest.Start(t)
	schema := pg.Schema(t)
	_, schema, _ = strings.Cut(schema, "search_path=")
	db := func(host string) string {
		return "postgres://postgres@/postgres?sslmode=disable&search_path=" + schema + "&" + host
	}
	direct := db("host=" + url.QueryEscape(pg.Dir()))
	line := newWire(t, filepath.Join(pg.Dir(), ".s.PGSQL.5432"))
	_, port, _ := strings.Cut(line.l.Addr().String(), ":")

	var crawlers []*process
	for i, database := range []string{direct, direct, db("host=127.0.0.1&port=" + port)} {
		args := []string{"-role", "crawl", "-component", fmt.Sprintf("crawler%d.%s", i, testserver.HomeName), "-secret-file", secret(t, testserver.Secret),
			"-server", srv.ComponentAddr(), "-contact", "mailto:ops@example.org", "-database", database, "-lease", lease.String(),
			"-interval", interval.String(), "-verdict-ttl", (20 * interval).String(), "-spacing", "0s", "-rate", "0", "-no-subscriptions"}
		for _, s := range seeds {
			args = append(args, "-seed", s)
		}
		crawlers = append(crawlers, spawn(t, args...))
	}
	var webs []*process
	for range 2 {
		webs = append(webs, spawn(t, "-role", "web", "-database", direct))
	}

	t.Log("both pages show the network")
	ctx, cancel := context.WithTimeout(t.Context(), 10*interval+patience)
	defer cancel()
	for _, p := range webs {
		await(ctx, p.url+"data.json?skipAnon", func(s string) bool { return len(names(t, s)) >= len(domains)*9/10 })
		require.NoError(t, ctx.Err())
	}
	w.everybody(t, time.Now(), domains, 3*interval+patience)

	t.Log("each domain is visited once in an interval, by three")
	calm := time.Now()
	w.everybody(t, calm, domains, 3*interval+patience)
	time.Sleep(interval)
	counts, by := w.since(calm, domains)
	most := 0
	for _, n := range counts {
		most = max(most, n)
	}
	took := time.Since(calm)
	require.LessOrEqual(t, most, int(took/(interval*3/4))+1)
	require.Len(t, by, 3, "%v", by)
	gap, where := w.apart(calm, domains)
	t.Logf("%d domains, visits by crawler %v in %s, at least %s apart", len(domains), by, took, gap)
	require.GreaterOrEqual(t, gap, interval*3/4, where)

	t.Log("one dies")
	require.NoError(t, crawlers[0].cmd.Process.Kill())
	died := time.Now()
	time.Sleep(time.Second) // what was sent before the end may still arrive
	w.everybody(t, died.Add(time.Second), domains, lease+2*interval+patience)
	t.Logf("all were visited %s after the death", time.Since(died))

	t.Log("another one loses the database for a while")
	line.pass(false)
	cut := time.Now()
	w.everybody(t, cut.Add(lease), domains, 2*lease+2*interval+patience)
	_, by = w.since(cut.Add(lease), domains)
	require.Len(t, by, 1, "who is cut off visits nobody once its lease has ended: %v", by)
	line.pass(true)
	back := time.Now()
	require.Eventually(t, func() bool {
		_, by := w.since(back, domains)
		return len(by) == 2
	}, 2*lease+2*interval+patience, 20*time.Millisecond, "it takes part again")
	w.everybody(t, time.Now(), domains, 3*interval+patience)
	gap, where = w.apart(back, domains)
	t.Logf("visits since it is back are at least %s apart", gap)
	require.GreaterOrEqual(t, gap, interval*3/4, where)
	gap, where = w.apart(calm, domains)
	t.Logf("visits in all that time are at least %s apart", gap)
	require.GreaterOrEqual(t, gap, lease/3, where)

	ctx, cancel = context.WithTimeout(t.Context(), 10*interval+patience)
	defer cancel()
	t.Log("a submission reaches whoever holds the domain")
	srv.AddDomain(testserver.Domain{Name: "late.test", Advertise: true, Report: testserver.Report{Peers: []testserver.Peer{{Name: seeds[0], Directions: testserver.Bidi}}}})
	answer := submit(t, webs[0].url, "late.test")
	require.Contains(t, answer, `"named":true`)
	for _, p := range webs {
		await(ctx, p.url+"data.json", func(s string) bool { return strings.Contains(s, "late.test") })
	}

	t.Log("the database goes, and comes back")
	pg.Kill(t)
	for _, p := range webs {
		body, err := fetch(ctx, p.url+"data.json?skipAnon")
		require.NoError(t, err)
		require.Contains(t, body, seeds[0])
	}
	pg.Run(t)
	w.everybody(t, time.Now(), domains, 2*lease+3*interval+patience)
	srv.Domain("late.test").SetAdvertise(false)
	for _, p := range webs {
		await(ctx, p.url+"data.json", func(s string) bool { return !strings.Contains(s, "late.test") })
	}
	require.NoError(t, ctx.Err())
}

// submit submits a domain to the interface for programs and returns its answer.
func submit(t *testing.T, base, domain string) string {
	t.Helper()
	resp, err := http.Post(base+"api/v1/submit", "application/json", strings.NewReader(`{"domain":"`+domain+`"}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}
