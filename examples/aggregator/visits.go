package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// noteEvery is how long accounts of visits wait to be saved together: whoever has submitted a domain waits for them.
	noteEvery = time.Second
	// maxNotes bounds those that wait, and notesAtOnce those that are saved together.
	maxNotes, notesAtOnce = 10_000, 500
)

// visits has the database keep how the last visit of each domain went, for processes that did not make it.
// The nil visits keeps nothing.
type visits struct {
	db  store.Visits
	log *slog.Logger

	mu      sync.Mutex
	waiting map[xep.Name]crawl.Account
}

// newVisits returns nil where there is no database.
func newVisits(db store.Store, log *slog.Logger) *visits {
	if db == nil {
		return nil
	}
	return &visits{db: db, log: log, waiting: make(map[xep.Name]crawl.Account)}
}

// heard returns what a crawler is to tell of its visits.
func (v *visits) heard() func(xep.Name, crawl.Account) {
	if v == nil {
		return nil
	}
	return v.add
}

// add lets an account wait, unless there are too many: the next visit tells it again.
func (v *visits) add(name xep.Name, a crawl.Account) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.waiting[name]; known || len(v.waiting) < maxNotes {
		v.waiting[name] = a
	}
}

func (v *visits) take() map[xep.Name]crawl.Account {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.waiting
	v.waiting = make(map[xep.Name]crawl.Account)
	return all
}

// run saves until ctx ends. What can't be saved is left: it is told for convenience only.
func (v *visits) run(ctx context.Context) {
	if v == nil {
		return
	}
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := v.save(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			v.log.Warn("how visits went is not kept", "err", err)
		}
		failing = err != nil
	}
}

func (v *visits) save(ctx context.Context) error {
	var some []store.Visit
	for name, a := range v.take() {
		if some = append(some, api.Visit(name, a)); len(some) == notesAtOnce {
			if err := v.db.Note(ctx, some...); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	if len(some) == 0 {
		return nil
	}
	return v.db.Note(ctx, some...)
}
