//go:build integration

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

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

// team is three crawlers and two that serve, each a process, on one PostgreSQL, and the network that they crawl.
type team struct {
	*watcher
	srv      *testserver.Server
	interval time.Duration
	lease    time.Duration
	seeds    []string
	domains  []string // that can be reached
	pg       *pgtest.Server
	leases   leases
	crawlers []*process
	webs     []*process
	// line is the way of the last crawler to the database.
	line *wire
	// slack is added to each limit, for a machine that is busy.
	slack time.Duration
}

func newTeam(t *testing.T) *team {
	size, interval := shareSize(t)
	m := &team{watcher: &watcher{visits: make(map[string][]asked)}, interval: interval, lease: max(5*time.Second, time.Duration(size)*time.Millisecond), slack: patience + time.Duration(size)*5*time.Millisecond}
	m.srv = testserver.Start(t, testserver.Config{Seed: 1, Answer: m.see})
	federation := testserver.Network(1, size)
	introduce(federation)
	m.srv.AddNetwork(federation)
	for _, d := range federation.Domains {
		if len(m.seeds) < 3 && d.Profile.Publishes() && d.Profile != testserver.ProsodyOld {
			m.seeds = append(m.seeds, d.Name)
		}
	}
	m.domains = federation.Reachable(m.seeds...)
	m.pg = pgtest.Start(t)
	m.start(t)
	return m
}

// start starts the processes. The last crawler reaches the database by a line that can be cut.
func (m *team) start(t *testing.T) {
	_, schema, _ := strings.Cut(m.pg.Schema(t), "search_path=")
	db := func(host string) string {
		return "postgres://postgres@/postgres?sslmode=disable&search_path=" + schema + "&" + host
	}
	direct := db("host=" + url.QueryEscape(m.pg.Dir()))
	m.line = newWire(t, filepath.Join(m.pg.Dir(), ".s.PGSQL.5432"))
	_, port, _ := strings.Cut(m.line.l.Addr().String(), ":")
	for i, database := range []string{direct, direct, db("host=127.0.0.1&port=" + port)} {
		args := []string{"-role", "crawl", "-component", fmt.Sprintf("crawler%d.%s", i, testserver.HomeName), "-secret-file", secret(t, testserver.Secret),
			"-server", m.srv.ComponentAddr(), "-contact", "mailto:ops@example.org", "-database", database, "-lease", m.lease.String(),
			"-interval", m.interval.String(), "-verdict-ttl", (20 * m.interval).String(), "-spacing", "0s", "-rate", "0", "-per-site", "0", "-no-subscriptions"}
		for _, s := range m.seeds {
			args = append(args, "-seed", s)
		}
		m.crawlers = append(m.crawlers, spawn(t, args...))
	}
	for range 2 {
		m.webs = append(m.webs, spawn(t, "-role", "web", "-database", direct))
	}
	m.leases = openLeases(t, direct)
}

// round waits until everybody was visited since then.
func (m *team) round(t *testing.T, since time.Time) {
	t.Helper()
	m.everybody(t, since, m.domains, 2*m.lease+3*m.interval+m.slack)
}

// costs is what each kind of process has used so far.
func (m *team) costs() map[string]cost {
	all := map[string]cost{"the network": costOf(os.Getpid()), "PostgreSQL": costOf(append(children(m.pg.PID()), m.pg.PID())...)}
	for i, p := range m.crawlers {
		all[fmt.Sprintf("crawler %d", i)] = costOf(p.cmd.Process.Pid)
	}
	for i, p := range m.webs {
		all[fmt.Sprintf("web %d", i)] = costOf(p.cmd.Process.Pid)
	}
	return all
}

// spent logs what visits have cost since before.
func (m *team) spent(t *testing.T, before map[string]cost, visits int) {
	after := m.costs()
	for _, who := range slices.Sorted(maps.Keys(after)) {
		cpu := after[who].cpu - before[who].cpu
		t.Logf("%s: %s, %s per visit of all, %d MB", who, cpu, (cpu / time.Duration(visits)).Round(time.Microsecond), after[who].memory>>20)
	}
	t.Logf("the database has %d MB", m.leases.size(t)>>20)
}

// Three crawlers and two that serve, each a process, on one PostgreSQL, through the death of one and the partition of another.
func TestProcessesShareTheWork(t *testing.T) {
	m := newTeam(t)
	t.Log("both pages show the network")
	ctx, cancel := context.WithTimeout(t.Context(), 10*m.interval+m.slack)
	defer cancel()
	began := time.Now()
	for _, p := range m.webs {
		named(ctx, t, p, len(m.domains)*9/10)
	}
	m.shown(ctx, t, m.seeds[0], http.StatusOK)
	t.Logf("after %s", time.Since(began))
	m.round(t, time.Now())

	t.Log("each domain is visited once in an interval, by three")
	calm := time.Now()
	m.calm(t, calm)
	t.Log("one dies")
	m.death(t, calm)
	t.Log("another one loses the database for a while")
	m.partition(t)
	least, most := m.gaps(calm, m.domains)
	t.Logf("visits in all that time are at least %s and at most %s apart", least, most)
	require.GreaterOrEqual(t, least.Duration, m.lease/3, least)

	t.Log("a submission reaches whoever holds the domain")
	m.submission(t)
	m.live(t)
	t.Log("the database goes, and comes back")
	m.outage(t)
}

// calm is an interval in which nothing goes wrong.
func (m *team) calm(t *testing.T, since time.Time) {
	before := m.costs()
	m.round(t, since)
	time.Sleep(m.interval)
	counts, by := m.since(since, m.domains)
	most, visits := 0, 0
	for _, n := range counts {
		most = max(most, n)
		visits += n
	}
	took := time.Since(since)
	m.spent(t, before, visits)
	require.LessOrEqual(t, most, int(took/(m.interval*3/4))+1)
	require.Len(t, by, 3, "%v", by)
	least, longest := m.gaps(since, m.domains)
	t.Logf("%d domains, %d visits by crawler %v in %s, at least %s and at most %s apart", len(m.domains), visits, by, took, least, longest)
	require.GreaterOrEqual(t, least.Duration, m.interval*3/4, least)
}

// death kills one crawler, whose leases end by themselves: then others take them, and visit what has become due meanwhile.
func (m *team) death(t *testing.T, calm time.Time) {
	require.NoError(t, m.crawlers[0].cmd.Process.Kill())
	died := time.Now()
	took := m.leases.divided(t, 2, m.lease+m.slack)
	t.Logf("its leases, of %s, had been taken over by others %s after the death", m.lease, took)
	time.Sleep(time.Second) // what was sent before the end may still arrive
	m.round(t, died.Add(time.Second))
	_, most := m.gaps(calm, m.domains)
	t.Logf("all were visited %s after the death, and nobody waited longer than %s", time.Since(died), most)
	require.LessOrEqual(t, most.Duration, m.interval+2*m.lease+m.slack, most)
}

// partition cuts a crawler off from the database, and lets it return.
func (m *team) partition(t *testing.T) {
	m.line.pass(false)
	cut := time.Now()
	took := m.leases.divided(t, 1, m.lease+m.slack)
	t.Logf("its leases had been taken over %s after the cut", took)
	m.round(t, cut.Add(m.lease))
	_, by := m.since(cut.Add(m.lease), m.domains)
	require.Len(t, by, 1, "who is cut off visits nobody once its lease has ended: %v", by)
	m.line.pass(true)
	back := time.Now()
	took = m.leases.divided(t, 2, 2*m.lease+m.slack)
	t.Logf("it had its share again %s after its return", took)
	require.Eventually(t, func() bool {
		_, by := m.since(back, m.domains)
		return len(by) == 2
	}, 2*m.lease+2*m.interval+m.slack, 20*time.Millisecond, "it takes part again")
	m.round(t, time.Now())
	least, _ := m.gaps(back, m.domains)
	t.Logf("visits since it is back are at least %s apart", least)
	require.GreaterOrEqual(t, least.Duration, m.interval*3/4, least)
}

// submission has a new domain visited by whoever holds it.
func (m *team) submission(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), m.interval+m.slack)
	defer cancel()
	m.srv.AddDomain(testserver.Domain{Name: "late.test", Advertise: true, Report: testserver.Report{Peers: []testserver.Peer{{Name: m.seeds[0], Directions: testserver.Bidi}}}})
	answer := submitTo(t, m.webs[0].url, "late.test")
	require.Contains(t, answer, `"named":true`)
	require.Contains(t, answer, `"step":"opt-in"`, "the steps of a visit that another process made")
	m.shown(ctx, t, "late.test", http.StatusOK)
	for _, p := range m.webs {
		body := await(ctx, p.url+"api/v1/domains/late.test", func(s string) bool { return strings.Contains(s, `"trace"`) })
		require.Contains(t, body, `"step":"opt-in"`)
	}
}

// live has a visitor of one process see each step of a visit that another one makes as it happens. One submission is one visit.
func (m *team) live(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), m.interval+m.slack)
	defer cancel()
	const name = "slow.test"
	slow := m.srv.AddDomain(testserver.Domain{Name: name, Advertise: true, Report: testserver.Report{Peers: []testserver.Peer{{Name: m.seeds[0], Directions: testserver.Bidi}}}})
	slow.SetFault(testserver.Held)
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.webs[1].url+"api/v1/submit", strings.NewReader(`{"domain":"`+name+`"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	next := func() (kind, data string) {
		for events.Scan() {
			key, value, _ := strings.Cut(events.Text(), ": ")
			switch key {
			case "event":
				kind = value
			case "data":
				return kind, value
			}
		}
		require.NoError(t, events.Err())
		return "", ""
	}
	require.NoError(t, slow.AwaitRequests(ctx, 1))
	require.Equal(t, 1, slow.Release())
	require.NoError(t, slow.AwaitRequests(ctx, 2))
	kind, data := next()
	require.Equal(t, "step", kind, "while the second answer is waited for")
	require.Contains(t, data, `"step":"domain-info"`)

	slow.SetFault(0)
	slow.Release()
	var steps []string
	for kind, data = next(); kind == "step"; kind, data = next() {
		steps = append(steps, data)
	}
	require.Equal(t, "result", kind)
	require.Contains(t, data, `"named":true`)
	require.Contains(t, strings.Join(steps, ""), `"step":"fetch"`)
	// Whoever holds the domain has heard of it in two ways.
	m.shown(ctx, t, name, http.StatusOK)
	m.round(t, time.Now())
	counts, _ := m.since(began, []string{name})
	require.LessOrEqual(t, counts[name], 1+int(time.Since(began)/(m.interval*3/4)))
}

// shown waits until both pages show a domain, or don't.
func (m *team) shown(ctx context.Context, t *testing.T, domain string, status int) {
	t.Helper()
	for _, p := range m.webs {
		await(ctx, p.url+"api/v1/domains/"+domain, func(s string) bool { return strings.Contains(s, `"verdict"`) == (status == http.StatusOK) })
		body, err := fetch(ctx, p.url+"data.json?skipAnon&focus="+domain)
		require.NoError(t, err)
		require.Equal(t, status == http.StatusOK, slices.Contains(names(t, body), domain))
	}
}

// outage kills PostgreSQL: pages stay as they are, and all goes on by itself.
func (m *team) outage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*m.interval+m.slack)
	defer cancel()
	m.leases.close(t)
	m.pg.Kill(t)
	for _, p := range m.webs {
		// All of the network would be some 50 MB.
		body, err := fetch(ctx, p.url+"data.json?skipAnon&focus="+m.seeds[0])
		require.NoError(t, err)
		require.Contains(t, names(t, body), m.seeds[0])
	}
	m.pg.Run(t)
	m.round(t, time.Now())
	m.srv.Domain("late.test").SetAdvertise(false)
	m.shown(ctx, t, "late.test", http.StatusNotFound)
}

// submitTo submits a domain to the interface for programs and returns its answer.
func submitTo(t *testing.T, base, domain string) string {
	t.Helper()
	resp, err := http.Post(base+"api/v1/submit", "application/json", strings.NewReader(`{"domain":"`+domain+`"}`))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}
