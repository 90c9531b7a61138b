//go:build integration

package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// visitor asks a page for what people and programs want all the time, one after the other.
type visitor struct {
	mu    sync.Mutex
	took  []time.Duration
	worst string
	wrong []string
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// visiting begins to visit.
func visiting(t *testing.T, base string, domain string) *visitor {
	ctx, cancel := context.WithCancel(t.Context())
	v := &visitor{stop: cancel}
	v.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			paths := []string{"", "healthz", "domains", "domains/" + domain, "stats", "api/v1/stats", "api/v1/domains?limit=5", "api/v1/domains/" + domain}
			v.visit(ctx, base, paths[n%len(paths)])
		}
	})
	t.Cleanup(func() {
		cancel()
		v.done.Wait()
	})
	return v
}

func (v *visitor) visit(ctx context.Context, base, path string) {
	began := time.Now()
	status := "no answer"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err == nil {
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			status = resp.Status
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	if ctx.Err() != nil {
		return
	}
	took := time.Since(began)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil || status != "200 OK" {
		v.wrong = append(v.wrong, path+": "+status)
	}
	if len(v.took) == 0 || took > slices.Max(v.took) {
		v.worst = path
	}
	v.took = append(v.took, took)
}

// told logs how long answers took since it was last asked, all of which must be right.
func (v *visitor) told(t *testing.T, when string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	require.Empty(t, v.wrong)
	if len(v.took) == 0 {
		return
	}
	slices.Sort(v.took)
	at := func(share float64) time.Duration {
		return v.took[int(share*float64(len(v.took)-1))].Round(time.Millisecond)
	}
	t.Logf("%s: %d answers took %s (median), %s (99 of 100), %s at most (/%s)", when, len(v.took), at(0.5), at(0.99), at(1), v.worst)
	v.took, v.worst = nil, ""
}

// scribe looks on while history is written.
type scribe struct {
	// began is when an observation was first seen that is being written, and longest how long any transaction that wrote had been open at the most.
	began   time.Time
	longest time.Duration
	// whole are the times at which observations were first seen to be there, and links how many links history has then.
	whole []time.Time
	links int
	err   error
}

// history looks on until so many observations are there.
func history(ctx context.Context, url string, observations int) (s scribe) {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return scribe{err: err}
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(s.whole) < observations && s.err == nil {
		s.look(ctx, db)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if s.err == nil {
		s.err = db.QueryRow(ctx, `SELECT count(*) FROM seen_links`).Scan(&s.links)
	}
	return s
}

func (s *scribe) look(ctx context.Context, db *pgx.Conn) {
	var writing bool
	var whole int
	var seconds float64
	s.err = db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM unfinished), (SELECT count(*) FROM observations),
		(SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity WHERE backend_xid IS NOT NULL)`).
		Scan(&writing, &whole, &seconds)
	if writing && s.began.IsZero() {
		s.began = time.Now()
	}
	s.longest = max(s.longest, time.Duration(seconds*float64(time.Second)))
	if whole > len(s.whole) {
		s.whole = append(s.whole, time.Now())
	}
}

// told logs what it took to write history.
func (s *scribe) told(t *testing.T) {
	t.Helper()
	require.NoError(t, s.err, "%d observations were written", len(s.whole))
	t.Logf("the first observation was written within %s, the second was there %s after it; history has %d links; the longest transaction that wrote was open for %s",
		s.whole[0].Sub(s.began).Round(time.Millisecond), s.whole[1].Sub(s.whole[0]).Round(time.Second), s.links, s.longest.Round(time.Millisecond))
}
