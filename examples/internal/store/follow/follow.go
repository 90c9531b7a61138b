// Package follow keeps a graph up to date with a database that other processes write.
package follow

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// poll is how often to look without having been told.
	poll = 5 * time.Second
	// gather is the least time between two looks, so that many small changes are read together.
	gather = 250 * time.Millisecond
	// patience bounds one look; the first one reads everything.
	patience, firstPatience = 10 * time.Second, 5 * time.Minute
)

// Follower keeps a graph up to date. DB and Graph are required.
// While the database is out of reach, the graph goes on as it is, and names go from it as their verdicts end.
type Follower struct {
	// DB is followed.
	DB store.Followed
	// Graph is kept up to date. Nobody else may change it.
	Graph *graph.Graph
	// Exclude tells which domains are not to be shown whatever the database says, nil means none.
	Exclude func(xep.Name) bool
	// Log is told once when the database is out of reach and once when it is back, nil means nobody is.
	Log *slog.Logger

	wake chan struct{}
	once sync.Once

	mark   store.Mark
	shown  map[int64]standing
	looked time.Time

	mu     sync.Mutex
	again  bool
	err    error
	loaded chan struct{}
}

// standing is what the graph was told of a domain.
type standing struct {
	name    xep.Name
	reports bool
}

func (f *Follower) init() {
	f.once.Do(func() {
		f.wake = make(chan struct{}, 1)
		f.loaded = make(chan struct{})
		f.shown = make(map[int64]standing)
	})
}

// Poke makes [Follower.Run] look soon.
func (f *Follower) Poke() {
	f.init()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Reload makes [Follower.Run] read everything again soon, as when a domain is not left out any more.
func (f *Follower) Reload() {
	f.mu.Lock()
	f.again = true
	f.mu.Unlock()
	f.Poke()
}

// takeAgain tells whether to read everything again.
func (f *Follower) takeAgain() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	again := f.again
	f.again = false
	return again
}

// Loaded returns a channel that is closed once the graph has been filled.
func (f *Follower) Loaded() <-chan struct{} {
	f.init()
	return f.loaded
}

// Err returns why the last look failed, nil if it did not.
func (f *Follower) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	f.init()
	for ctx.Err() == nil {
		err := f.look(ctx)
		if ctx.Err() != nil {
			return
		}
		f.note(err)
		f.sleep(ctx)
	}
}

// sleep waits for a reason to look again.
func (f *Follower) sleep(ctx context.Context) {
	for _, d := range []time.Duration{gather, poll} {
		var wake <-chan struct{}
		if d == poll {
			wake = f.wake
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-wake:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (f *Follower) note(err error) {
	f.mu.Lock()
	before := f.err
	f.err = err
	f.mu.Unlock()
	if err == nil {
		select {
		case <-f.loaded:
		default:
			close(f.loaded)
		}
	}
	switch {
	case f.Log == nil:
	case err != nil && before == nil:
		f.Log.Warn("the database is out of reach: what is known stays as it is", "err", err)
	case err == nil && before != nil:
		f.Log.Info("the database is back")
	}
}

// look reads what has changed. After a long absence it reads everything.
func (f *Follower) look(ctx context.Context) error {
	now := time.Now()
	if f.takeAgain() || now.Sub(f.looked) > store.MaxAbsence/2 {
		f.mark = ""
	}
	limit := patience
	if f.mark == "" {
		limit = firstPatience
		defer store.CollectLess()()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	met := make(map[int64]bool)
	next, err := f.DB.Changes(ctx, f.mark, func(c store.Change) error {
		met[c.ID] = true
		f.take(c)
		return nil
	})
	if err != nil {
		return err
	}
	if f.mark == "" {
		for id, s := range f.shown {
			if !met[id] {
				f.Graph.Forget(s.name)
				delete(f.shown, id)
			}
		}
	}
	f.mark, f.looked = next, now
	return nil
}

// take brings the graph up to date with one domain.
func (f *Follower) take(c store.Change) {
	before, shown := f.shown[c.ID]
	if c.Until.IsZero() || f.Exclude != nil && f.Exclude(c.Domain) {
		if shown {
			f.Graph.Forget(before.name)
			delete(f.shown, c.ID)
		}
		return
	}
	f.shown[c.ID] = standing{c.Domain, c.Report != nil}
	f.Graph.Consent(c.Domain, c.Until)
	switch {
	case c.Report != nil:
		f.Graph.Apply(*c.Report)
	case before.reports:
		f.Graph.Apply(graph.Report{Domain: c.Domain, At: time.Now(), Until: c.Until})
	}
}
