// Package mirror follows the network that an aggregator knows, over its HTTP API, as snapshots of package graph.
//
// The aggregator vouches for the names. A name lasts no longer here than its verdict does there, and no longer than a few
// minutes after the aggregator was last heard of.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
)

// The defaults of a Mirror.
const (
	DefaultInterval = time.Minute
	DefaultGrace    = 10 * time.Minute
)

// breath is the least time between two fetches, however often something changes.
const breath = 5 * time.Second

// Mirror is a copy of an aggregator's network. New makes one; the fields may be changed before Run.
type Mirror struct {
	// Client makes the requests, http.DefaultClient if nil.
	Client *http.Client
	// Interval is the time between two requests while nothing is heard of changes, DefaultInterval if zero.
	Interval time.Duration
	// Grace is how long a name may be shown without word from the aggregator, DefaultGrace if zero.
	Grace time.Duration
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Logger gets what goes wrong, slog.Default() if nil.
	Logger *slog.Logger

	base   *url.URL
	breath time.Duration
	wake   chan struct{}

	mu      sync.Mutex
	graph   *graph.Graph
	changed chan struct{} // closed with the next graph

	// What was fetched last; Run alone uses it.
	etag   string
	latest *network
}

// New returns a mirror of the aggregator whose pages begin with the URL, empty until Run has heard of it.
func New(aggregator string) (*Mirror, error) {
	u, err := url.Parse(aggregator)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("%q is not the URL of an aggregator, such as https://map.example.org", aggregator)
	}
	u.RawQuery, u.Fragment = "", ""
	u.Path = strings.TrimSuffix(u.Path, "/") + "/api/v1"
	return &Mirror{base: u, breath: breath, wake: make(chan struct{}, 1), changed: make(chan struct{}), graph: graph.New(graph.Options{})}, nil
}

// Snapshot returns the network as of now.
func (m *Mirror) Snapshot() *graph.Snapshot {
	g, _ := m.current()
	return g.Snapshot()
}

func (m *Mirror) current() (*graph.Graph, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.graph, m.changed
}

// Watch yields what changes, as seen through the views, until ctx ends or the loop does: first everything, then differences.
// That a name's time has passed is noticed within an interval.
func (m *Mirror) Watch(ctx context.Context, views ...graph.View) iter.Seq[graph.Changes] {
	return func(yield func(graph.Changes) bool) {
		var old *graph.Snapshot
		for ctx.Err() == nil {
			g, changed := m.current()
			s := g.Snapshot().View(views...)
			if c := graph.Diff(old, s); old == nil || len(c.Events) > 0 {
				if !yield(c) {
					return
				}
				old = s
			}
			wait(ctx, m.interval(), changed)
		}
	}
}

// Run follows the aggregator until ctx ends.
func (m *Mirror) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { m.listen(ctx) })
	for ctx.Err() == nil {
		if err := m.Fetch(ctx); err != nil && ctx.Err() == nil {
			m.logger().Warn("cannot read the aggregator", "err", err)
		}
		wait(ctx, m.breath, nil)
		wait(ctx, m.interval()-m.breath, m.wake)
	}
}

// Fetch asks the aggregator once. On an error what was known stays, as long as its names may be shown.
func (m *Mirror) Fetch(ctx context.Context) error {
	n, etag, err := m.fetchGraph(ctx)
	switch {
	case errors.Is(err, errUnchanged) && m.latest != nil:
	case err != nil:
		return err
	default:
		if err := m.fetchDetails(ctx, n); err != nil {
			return err
		}
		m.latest, m.etag = n, etag
	}
	g := m.latest.graph(m.now(), m.grace(), m.Now)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.graph = g
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func (m *Mirror) interval() time.Duration {
	if m.Interval <= 0 {
		return DefaultInterval
	}
	return m.Interval
}

func (m *Mirror) grace() time.Duration {
	if m.Grace <= 0 {
		return DefaultGrace
	}
	return m.Grace
}

func (m *Mirror) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func (m *Mirror) logger() *slog.Logger {
	if m.Logger == nil {
		return slog.Default()
	}
	return m.Logger
}

// wait returns after d, or once c says something or ctx ends.
func wait(ctx context.Context, d time.Duration, c <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c:
	}
}
