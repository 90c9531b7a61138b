package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// look is how often the keeper of history wakes up. It observes every fifth time and sweeps every sixtieth.
	look         = time.Minute
	observeEvery = 5
	sweepEvery   = 60
)

// openDatabase opens what the operator named: PostgreSQL by its URL, anything else is a file.
func openDatabase(ctx context.Context, place string) (store.Store, error) {
	if isURL(place) {
		return postgres.Open(ctx, place, postgres.Options{})
	}
	return sqlite.Open(ctx, place, sqlite.Options{})
}

// past is what anybody may see of a database, nil where there is none.
func past(db store.Store) store.Public {
	if db == nil {
		return nil
	}
	return db
}

// visited returns what the database tells of visits, nil where there is none.
func visited(db store.Store) func(context.Context, xep.Name) (store.Visit, error) {
	if db == nil {
		return nil
	}
	return db.Visited
}

// historian is the part of a database that keeps history.
type historian interface {
	Observe(ctx context.Context, s *graph.Snapshot) error
	Sweep(ctx context.Context, r store.Retention) (store.Swept, error)
}

// turns is a historian for processes that observe the same network: one that another has observed lately is observed.
// To find that nothing has changed since costs as much as a change.
type turns struct {
	historian
	observed func(context.Context) (time.Time, error)
}

// Observe implements historian.
func (t turns) Observe(ctx context.Context, s *graph.Snapshot) error {
	last, err := t.observed(ctx)
	if err != nil || s.At().Sub(last) < (observeEvery-1)*look {
		return err
	}
	return t.historian.Observe(ctx, s)
}

// keepHistory notes who is seen, and removes who may not be named any more, until ctx ends.
// It also says what the crawler can't: that something was not saved. The crawler goes on without, and saves it later.
func keepHistory(ctx context.Context, h historian, stats func() crawl.Stats, g *graph.Graph, log *slog.Logger) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		warn := func(msg string, err error) {
			if err != nil && ctx.Err() == nil {
				log.Warn(msg, "err", err)
			}
		}
		st := stats()
		if st.SaveErr != nil {
			log.Warn("not saved yet", "domains", st.Unsaved, "err", st.SaveErr)
		}
		if n%observeEvery == 1 {
			warn("history not kept", h.Observe(ctx, g.Snapshot()))
		}
		if n%sweepEvery == 0 {
			// As long as a crawler asks a silent domain, it may come back.
			_, err := h.Sweep(ctx, store.Retention{Lapsed: crawl.DefaultGiveUp})
			warn("history not swept", err)
		}
	}
}
