package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/graph"
)

// demoObserve is how often a demonstration notes what it sees, which an hour's history would not show otherwise.
const demoObserve = 3 * time.Second

// keptFor opens the database that the operator named, or one that a demonstration forgets at its end. It is nil where there is neither.
func keptFor(ctx context.Context, c *config) (store.Store, error) {
	switch {
	case c.database != "":
		return openDatabase(ctx, c.database)
	case c.demo:
		return openTemporary(ctx)
	}
	return nil, nil
}

// temporary is a database that goes with the program.
type temporary struct {
	store.Store
	dir string
}

func openTemporary(ctx context.Context) (store.Store, error) {
	dir, err := os.MkdirTemp("", "aggregator-demo")
	if err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, filepath.Join(dir, "demo.db"), sqlite.Options{})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &temporary{s, dir}, nil
}

// Close implements store.Store.
func (t *temporary) Close() error { return errors.Join(t.Store.Close(), os.RemoveAll(t.dir)) }

// observeOften notes who is seen at a demonstration's pace, until ctx ends.
func observeOften(ctx context.Context, h historian, g *graph.Graph, log *slog.Logger) {
	tick := time.NewTicker(demoObserve)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := h.Observe(ctx, g.Snapshot()); err != nil && ctx.Err() == nil {
			log.Warn("history not kept", "err", err)
		}
	}
}
