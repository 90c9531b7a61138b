//go:build integration

package main

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// manySize is how many domains one crawler has here and how often it visits them,
// 100,000 in half an hour for those who set AGGREGATOR_MANY=100000 and AGGREGATOR_INTERVAL=30m; AGGREGATOR_WATCH is for how long to look on.
func manySize(t *testing.T) (size int, interval, watch time.Duration) {
	size, interval, watch = 200, 5*time.Second, 5*time.Second
	if s := os.Getenv("AGGREGATOR_MANY"); s != "" {
		var err error
		size, err = strconv.Atoi(s)
		require.NoError(t, err)
		interval, err = time.ParseDuration(os.Getenv("AGGREGATOR_INTERVAL"))
		require.NoError(t, err)
		watch, err = time.ParseDuration(os.Getenv("AGGREGATOR_WATCH"))
		require.NoError(t, err)
	}
	return size, interval, watch
}

// records are what a database holds of a network that is crawled already, its domains due one after the other within the interval.
func records(f *testserver.Federation, interval time.Duration) (all []crawl.Record, links int) {
	now := time.Now()
	for i, m := range f.Domains {
		rec := crawl.Record{
			Domain: xep.MustName(m.Name), Added: now, Answered: now, Mentioned: now, Advertised: true, Until: now.Add(20 * interval),
			Due: now.Add(interval * time.Duration(i*7919%len(f.Domains)) / time.Duration(len(f.Domains))),
		}
		if m.Profile.Publishes() && m.Profile != testserver.ProsodyOld {
			rec.Reported, rec.Hash = now, [32]byte{1}
			rec.Report = &graph.Report{Domain: rec.Domain, At: now, Until: rec.Until, Unnamed: m.Unnamed}
			for _, p := range m.Peers {
				rec.Report.Peers = append(rec.Report.Peers, graph.Peer{Name: xep.MustName(p.Name)})
			}
			links += len(m.Peers)
		}
		all = append(all, rec)
	}
	return all, links
}

// One crawler and one that serves, on a PostgreSQL that knows a large network already: what starting, holding, visiting and following take.
func TestOneCrawlerHoldsMany(t *testing.T) {
	size, interval, watch := manySize(t)
	slack := patience + time.Duration(size)*5*time.Millisecond
	w := &watcher{visits: make(map[string][]asked)}
	srv := testserver.Start(t, testserver.Config{Seed: 1, Answer: w.see})
	federation := testserver.Network(1, size)
	introduce(federation)
	srv.AddNetwork(federation)
	pg := pgtest.Start(t)
	_, schema, _ := strings.Cut(pg.Schema(t), "search_path=")
	place := "postgres://postgres@/postgres?sslmode=disable&search_path=" + schema + "&host=" + url.QueryEscape(pg.Dir())
	fill(t, place, federation, interval)
	domains := make([]string, size)
	for i, m := range federation.Domains {
		domains[i] = m.Name
	}

	began := time.Now()
	crawler := spawn(t, "-role", "crawl", "-component", "crawler0."+testserver.HomeName, "-secret-file", secret(t, testserver.Secret),
		"-server", srv.ComponentAddr(), "-contact", "mailto:ops@example.org", "-database", place, "-seed", domains[0],
		"-interval", interval.String(), "-verdict-ttl", (20 * interval).String(), "-rate", "0", "-spacing", "0s", "-per-site", "0", "-no-subscriptions")
	metric(t, crawler, "xmpp_aggregator_crawl_known", float64(size), slack)
	t.Logf("the crawler knew all %s after its start, %s", time.Since(began).Round(time.Millisecond), costOf(crawler.cmd.Process.Pid))
	began = time.Now()
	web := spawn(t, "-role", "web", "-database", place)
	ctx, cancel := context.WithTimeout(t.Context(), slack)
	defer cancel()
	await(ctx, web.url+"readyz", func(s string) bool { return strings.HasPrefix(s, "ready") })
	require.NoError(t, ctx.Err())
	t.Logf("the page was ready %s after its start, %s", time.Since(began).Round(time.Millisecond), costOf(web.cmd.Process.Pid))
	named(ctx, t, web, size*9/10)
	t.Logf("its first snapshot had been read %s after its start, %s", time.Since(began).Round(time.Millisecond), costOf(web.cmd.Process.Pid))

	visitor := visiting(t, web.url, domains[0])
	began = time.Now()
	_, err := fetch(ctx, web.url+"picture.svg?focus="+domains[0])
	require.NoError(t, err)
	t.Logf("its first layout took %s, %s", time.Since(began).Round(time.Millisecond), costOf(web.cmd.Process.Pid))
	visitor.told(t, "meanwhile")

	leases := openLeases(t, place)
	defer leases.close(t)
	processes := map[string][]int{
		"crawler": {crawler.cmd.Process.Pid}, "page": {web.cmd.Process.Pid}, "network": {os.Getpid()}, "PostgreSQL": append(children(pg.PID()), pg.PID()),
	}
	calm := time.Now()
	before := spending(processes)
	noted := make(chan scribe, 1)
	if watch > time.Minute {
		// The second one comes five minutes after the first, and finds little new.
		hctx, cancel := context.WithTimeout(t.Context(), slack+10*time.Minute)
		defer cancel()
		go func() { noted <- history(hctx, place, 2) }()
	}
	left := leases.least(t, watch)
	counts, _ := w.since(calm, domains)
	visits := 0
	for _, n := range counts {
		visits += n
	}
	took := time.Since(calm)
	t.Logf("%d visits in %s, %.1f per second; the lease had %s left at the least", visits, took.Round(time.Second), float64(visits)/took.Seconds(), left.Round(time.Millisecond))
	for who, c := range spending(processes) {
		cpu := c.cpu - before[who].cpu
		t.Logf("%s: %s, %s per visit, %d MB", who, cpu, (cpu / time.Duration(visits)).Round(time.Microsecond), c.memory>>20)
	}
	t.Logf("the database has %d MB", leases.size(t)>>20)
	visitor.told(t, "in that time")
	least, _ := w.gaps(calm, domains)
	require.GreaterOrEqual(t, least.Duration, interval*3/4, least)
	if watch >= interval {
		w.everybody(t, calm, domains, slack)
	}
	require.Positive(t, left)
	if watch > time.Minute {
		s := <-noted
		s.told(t)
		visitor.told(t, "until then")
	}
	if size <= 20_000 {
		// Beyond, the time between two pictures of a page is all that can be seen.
		lag(t, w, srv, web, leases.next(t, 20), slack)
	}
}

// fill puts a network into a database.
func fill(t *testing.T, place string, f *testserver.Federation, interval time.Duration) {
	db, err := postgres.Open(t.Context(), place, postgres.Options{})
	require.NoError(t, err)
	defer db.Close()
	all, links := records(f, interval)
	began := time.Now()
	for some := range slices.Chunk(all, 500) {
		require.NoError(t, db.Save(t.Context(), crawl.Batch{Records: some}))
	}
	took := time.Since(began)
	t.Logf("%d domains that name %d peers saved in %s, %.0f per second", len(all), links, took.Round(time.Millisecond), float64(len(all))/took.Seconds())
}

// spending is what each kind of process has used.
func spending(processes map[string][]int) map[string]cost {
	all := make(map[string]cost)
	for who, pids := range processes {
		all[who] = costOf(pids...)
	}
	return all
}

// metric waits until a process counts that many of something.
func metric(t *testing.T, p *process, name string, want float64, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	last := await(ctx, p.url+"metrics", func(s string) bool {
		_, s, _ = strings.Cut(s, "\n"+name+" ")
		s, _, _ = strings.Cut(s, "\n")
		n, err := strconv.ParseFloat(s, 64)
		return err == nil && n >= want
	})
	require.NoError(t, ctx.Err(), "%.2000s", last)
}

// least looks on for a while, and returns how little of a lease was left at the worst moment.
func (l leases) least(t *testing.T, watch time.Duration) time.Duration {
	least := int64(1 << 62)
	for end := time.Now().Add(watch); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var us *int64
		require.NoError(t, l.db.QueryRow(t.Context(), `SELECT min(until) - (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM crawlers`).Scan(&us))
		require.NotNil(t, us)
		least = min(least, *us)
	}
	return time.Duration(least) * time.Microsecond
}

// next are the domains that are due next.
func (l leases) next(t *testing.T, n int) (names []string) {
	rows, err := l.db.Query(t.Context(), `SELECT name FROM domains WHERE due > (extract(epoch FROM now()) * 1000000)::bigint + 500000 ORDER BY due LIMIT $1`, n)
	require.NoError(t, err)
	names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

// lag has domains withdraw their consent, and logs how long after the visit that finds it a page knows.
func lag(t *testing.T, w *watcher, srv *testserver.Server, web *process, domains []string, slack time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), slack)
	defer cancel()
	var all []time.Duration
	asked := time.Now()
	for _, d := range domains {
		srv.Domain(d).SetAdvertise(false)
	}
	for _, d := range domains {
		for w.unvisited(asked, []string{d}) != nil {
			require.NoError(t, ctx.Err(), d)
			time.Sleep(5 * time.Millisecond)
		}
		await(ctx, web.url+"data.json?skipAnon&focus="+d, func(s string) bool { return !slices.Contains(names(t, s), d) })
		require.NoError(t, ctx.Err(), d)
		shown := time.Now()
		w.mu.Lock()
		visited := w.visits[d][len(w.visits[d])-1].at
		w.mu.Unlock()
		all = append(all, shown.Sub(visited))
	}
	slices.Sort(all)
	t.Logf("a page follows %s after a visit (median), %s at most", all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
}
