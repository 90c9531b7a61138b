// Package exclusion knows the domains that must be neither asked nor shown.
//
// They come from a file of the operator, and from a database, in which commands and those who ask for it put them.
// The package says of no domain why it is not shown: to a visitor, an excluded domain is one that nobody has heard of.
package exclusion

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultEvery is how often a [List] looks for changes.
const DefaultEvery = 10 * time.Second

// Keeper is the part of a database that keeps exclusions.
type Keeper interface {
	Exclude(ctx context.Context, all ...store.Exclusion) error
	Readmit(ctx context.Context, names ...xep.Name) error
	Exclusions(ctx context.Context) ([]store.Exclusion, error)
}

// ErrNoDatabase says that an exclusion could not be kept beyond the end of the program.
var ErrNoDatabase = errors.New("exclusion: there is no database to keep it in")

// List is what is excluded. The zero value is nothing.
//
// The fields must not be changed once a method was called. All methods may be called from any number of goroutines.
type List struct {
	// File is the operator's file, see [Parse], empty for none.
	File string
	// Keeper is the database, nil for none.
	Keeper Keeper
	// Every is how often [List.Run] looks for changes, [DefaultEvery] if zero.
	Every time.Duration
	// Logger gets what happens, without names. Nil means [slog.Default].
	Logger *slog.Logger

	now atomic.Pointer[state]

	// loading keeps loads, and changes in the database, from overlapping.
	loading sync.Mutex
	stamp   stamp
	said    string

	mu       sync.Mutex
	watchers []func(readmitted []xep.Name)
}

// state is what is excluded at a time. It is never changed.
type state struct {
	file Names
	kept map[xep.Name]store.Exclusion
}

// stamp tells versions of a file apart.
type stamp struct {
	mod  time.Time
	size int64
}

// Has reports whether a domain must be neither asked nor shown. It returns at once.
func (l *List) Has(name xep.Name) bool {
	s := l.now.Load()
	if s == nil {
		return false
	}
	_, kept := s.kept[name]
	return kept || s.file.Has(name)
}

// Kept returns what the database says about a domain, as it was last read. The file's domains are not in it.
func (l *List) Kept(name xep.Name) (store.Exclusion, bool) {
	s := l.now.Load()
	if s == nil {
		return store.Exclusion{}, false
	}
	e, ok := s.kept[name]
	return e, ok
}

// Watch has f called after every change, by whoever makes it, so that it must return soon.
// It is told which domains are excluded no more, those below a domain left aside.
func (l *List) Watch(f func(readmitted []xep.Name)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers = append(l.watchers, f)
}

// Load reads the file and the database. An error leaves the list as it is.
func (l *List) Load(ctx context.Context) error {
	l.loading.Lock()
	defer l.loading.Unlock()
	return l.load(ctx, true)
}

// load reads what may have changed, the file only if it looks different or all is wanted.
func (l *List) load(ctx context.Context, all bool) error {
	var next, before state
	if s := l.now.Load(); s != nil {
		before = *s
	}
	next = before
	err := l.readFile(&next, all)
	if l.Keeper != nil {
		kept, e := l.Keeper.Exclusions(ctx)
		if e == nil {
			next.kept = index(kept)
		}
		err = errors.Join(err, e)
	}
	l.put(&before, &next)
	return err
}

func (l *List) readFile(next *state, all bool) error {
	if l.File == "" {
		return nil
	}
	fi, err := os.Stat(l.File)
	if err != nil {
		l.stamp = stamp{}
		return err
	}
	s := stamp{fi.ModTime(), fi.Size()}
	if s == l.stamp && !all {
		return nil
	}
	names, err := ReadFile(l.File)
	if err != nil {
		l.stamp = stamp{}
		return err
	}
	next.file, l.stamp = names, s
	return nil
}

func index(all []store.Exclusion) map[xep.Name]store.Exclusion {
	m := make(map[xep.Name]store.Exclusion, len(all))
	for _, e := range all {
		m[e.Domain] = e
	}
	return m
}

// put makes a state the present one, and tells those who want to know if it differs.
func (l *List) put(before, next *state) {
	l.now.Store(next)
	if same(before.file.exact, next.file.exact) && same(before.file.below, next.file.below) && same(before.kept, next.kept) {
		return
	}
	l.logger().Info("exclusion list changed", "from_file", next.file.Len(), "from_database", len(next.kept))
	l.mu.Lock()
	watchers := l.watchers
	l.mu.Unlock()
	readmitted := l.readmitted(before)
	for _, f := range watchers {
		f(readmitted)
	}
}

// readmitted returns whom the state before named, and the present one does not.
func (l *List) readmitted(before *state) (names []xep.Name) {
	for n := range before.kept {
		if !l.Has(n) {
			names = append(names, n)
		}
	}
	for n := range before.file.exact {
		if _, both := before.kept[n]; !both && !l.Has(n) {
			names = append(names, n)
		}
	}
	return names
}

func same[V any](a, b map[xep.Name]V) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if _, ok := b[n]; !ok {
			return false
		}
	}
	return true
}

// Run looks for changes until ctx ends: now and then, and at once when something comes from reload, which may be nil.
// Where the file or the database can't be read, the list stays as it is, and that is logged once.
func (l *List) Run(ctx context.Context, reload <-chan struct{}) {
	every := l.Every
	if every <= 0 {
		every = DefaultEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		all := false
		select {
		case <-tick.C:
		case _, ok := <-reload:
			if !ok {
				reload = nil
			}
			all = true
		case <-ctx.Done():
			return
		}
		l.look(ctx, all)
	}
}

func (l *List) look(ctx context.Context, all bool) {
	l.loading.Lock()
	defer l.loading.Unlock()
	err := l.load(ctx, all)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		l.said = ""
	case err.Error() != l.said:
		l.said = err.Error()
		l.logger().Error("the exclusion list can't be read, the one from before stays", "err", err)
	}
}

// Add excludes a domain in the database, and here at once.
// The error is [ErrNoDatabase] where there is none.
func (l *List) Add(ctx context.Context, e store.Exclusion) error {
	return l.change(ctx, func() error { return l.Keeper.Exclude(ctx, e) }, func(m map[xep.Name]store.Exclusion) { m[e.Domain] = e })
}

// Remove takes a domain off the database's exclusions. One that the file names stays excluded.
func (l *List) Remove(ctx context.Context, name xep.Name) error {
	return l.change(ctx, func() error { return l.Keeper.Readmit(ctx, name) }, func(m map[xep.Name]store.Exclusion) { delete(m, name) })
}

func (l *List) change(ctx context.Context, keep func() error, apply func(map[xep.Name]store.Exclusion)) error {
	if l.Keeper == nil {
		return ErrNoDatabase
	}
	l.loading.Lock()
	defer l.loading.Unlock()
	if err := keep(); err != nil {
		return err
	}
	var before state
	if s := l.now.Load(); s != nil {
		before = *s
	}
	next := state{file: before.file, kept: make(map[xep.Name]store.Exclusion, len(before.kept)+1)}
	for n, e := range before.kept {
		next.kept[n] = e
	}
	apply(next.kept)
	l.put(&before, &next)
	return nil
}

func (l *List) logger() *slog.Logger {
	if l.Logger != nil {
		return l.Logger
	}
	return slog.Default()
}

// Purge takes all that is excluded out of a graph. It is for a watcher, and for after a graph was filled.
func (l *List) Purge(g *graph.Graph) {
	for d := range g.Snapshot().Domains() {
		if l.Has(d.Name) {
			g.Forget(d.Name)
		}
	}
}

// Apply brings a graph up to date with an event, unless that is about a domain which is excluded.
func (l *List) Apply(g *graph.Graph, ev crawl.Event) {
	if l.Has(ev.Domain) {
		return
	}
	ev.Report = l.Redact(ev.Report)
	ev.Apply(g)
	// The list may have grown in between, and its watcher may have been here before the event.
	if l.Has(ev.Domain) {
		g.Forget(ev.Domain)
	}
}

// Redact returns a report without consent for the domains in it that are excluded, so that they count as unnamed.
// It returns the report itself where there are none.
func (l *List) Redact(r *graph.Report) *graph.Report {
	if r == nil {
		return nil
	}
	for i, p := range r.Peers {
		if l.Has(p.Name) {
			c := *r
			c.Peers = slices.Clone(r.Peers)
			for j := i; j < len(c.Peers); j++ {
				if l.Has(c.Peers[j].Name) {
					c.Peers[j].Until = time.Time{}
				}
			}
			return &c
		}
	}
	return r
}
