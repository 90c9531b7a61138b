package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/follow"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The roles of a process.
const (
	roleAll   = "all"
	roleCrawl = "crawl"
	roleWeb   = "web"
)

const (
	// lookPatience bounds how long a submission waits for another process's visit, and lookEvery is how often it asks for it.
	lookPatience = 25 * time.Second
	lookEvery    = 250 * time.Millisecond
	// looksForOthers bounds the visits that are made at once for other processes. The domains of all others are due soon.
	looksForOthers = 64
	// unheard is how much of a visit may wait to be told on.
	unheard = 64
)

// sharing is what a process does of the work that several may share.
type sharing struct {
	role  string
	lease time.Duration
}

// registerRole adds the flags.
func (s *sharing) registerRole(fs *flag.FlagSet) {
	fs.StringVar(&s.role, "role", roleAll, "")
	fs.DurationVar(&s.lease, "lease", crawl.DefaultLease, "")
}

func (s *sharing) crawls() bool { return s.role != roleWeb }

func (s *sharing) serves() bool { return s.role != roleCrawl }

func (s *sharing) checkRole(c *config) error {
	switch {
	case s.role != roleAll && s.role != roleCrawl && s.role != roleWeb:
		return fmt.Errorf("-role %q is none of all, crawl and web", s.role)
	case s.lease < time.Second:
		return errors.New("-lease must be at least a second")
	case s.role == roleAll:
		return nil
	case c.demo:
		return errors.New("a demonstration does everything itself: leave -role out")
	case !isURL(c.database):
		return fmt.Errorf("-role %s shares the work with other processes: give a PostgreSQL with -database postgres://USER@HOST/NAME", s.role)
	}
	return nil
}

// checkWeb finds what makes no sense for a process that doesn't crawl.
func (c *config) checkWeb() error {
	switch {
	case c.jid != "" || c.component != "" || len(c.seeds) > 0:
		return errors.New("-role web doesn't crawl: leave -jid, -component and -seed out")
	case c.contact == "":
		return nil
	}
	return checkContact(c.contact)
}

// served is what a process shows: one that only crawls has nothing for anybody but its operator.
func (s *sharing) served(h http.Handler) http.Handler {
	if s.serves() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/metrics":
			h.ServeHTTP(w, r)
		default:
			http.Error(w, "This process only crawls.", http.StatusNotFound)
		}
	})
}

// shared is the part of a process in work that several share. It is nil where a process is alone.
type shared struct {
	db       *postgres.Store
	share    *postgres.Share
	follower *follow.Follower // nil for a process that serves nothing
	excluded func(xep.Name) bool
	log      *slog.Logger
	// crawler returns the one of this process, nil while there is none.
	crawler func() *crawl.Crawler

	mu sync.Mutex
	// waiting are those who have another process visit a domain.
	waiting map[xep.Name][]chan postgres.Told
}

// newShared returns the part of this process, nil where the database is none that can be shared.
func newShared(c *config, db store.Store, g *graph.Graph, op *operation, log *slog.Logger) *shared {
	pg, ok := db.(*postgres.Store)
	if !ok {
		return nil
	}
	s := &shared{db: pg, share: pg.Share(rand.Text()), excluded: op.exclusion.Has, log: log, waiting: make(map[xep.Name][]chan postgres.Told)}
	if c.serves() {
		s.follower = &follow.Follower{DB: pg, Graph: g, Exclude: op.exclusion.Has, Log: log}
		op.exclusion.Watch(func(readmitted []xep.Name) {
			if len(readmitted) > 0 {
				s.follower.Reload()
			}
		})
	}
	return s
}

// options completes the options of the interface with what is special about sharing.
func (s *shared) options(o api.Options) api.Options {
	if s == nil || s.follower == nil {
		return o
	}
	// A process that has lost its database still shows what it knows; one that has read nothing yet would show an empty network.
	o.Ready = func() error {
		select {
		case <-s.follower.Loaded():
			return nil
		default:
			return errors.New("the database has not been read yet")
		}
	}
	return o
}

// run follows the database until ctx ends.
func (s *shared) run(ctx context.Context) {
	if s == nil {
		return
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	if s.follower != nil {
		parts.Go(func() { s.follower.Run(ctx) })
	}
	slots := make(chan struct{}, looksForOthers)
	s.db.Hear(ctx, postgres.Ears{
		Changed: func() {
			s.share.Poke()
			if s.follower != nil {
				s.follower.Poke()
			}
		},
		Asked: func(name xep.Name) {
			select {
			case slots <- struct{}{}:
				parts.Go(func() {
					defer func() { <-slots }()
					s.lookFor(ctx, name)
				})
			default:
			}
		},
		Told: s.told,
	})
}

// lookFor visits a domain for another process, if it is this one's to visit, and tells all how that goes.
func (s *shared) lookFor(ctx context.Context, name xep.Name) {
	c := s.crawler()
	if c == nil || s.excluded(name) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	n := 0
	tell := func(t postgres.Told) {
		t.Domain, t.N = name, n
		if err := s.db.Tell(ctx, t); err != nil && ctx.Err() == nil {
			s.log.Debug("others are not told of a step", "domain", name, "err", err)
		}
	}
	a, err := c.Look(ctx, name.String(), func(st pubsub.Step) {
		one := api.Step(name, st)
		tell(postgres.Told{Step: &one})
		n++
	})
	if err == nil {
		tell(postgres.Told{End: &postgres.End{At: a.At, Outcome: a.Outcome, Until: a.Until}})
	}
}

// told passes on what another process tells of a visit. Who is slow to listen finds the rest in the database.
func (s *shared) told(t postgres.Told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.waiting[t.Domain] {
		select {
		case c <- t:
		default:
		}
	}
}

// listen returns what is told of a domain's visits until leave is called.
func (s *shared) listen(name xep.Name) (told <-chan postgres.Told, leave func()) {
	c := make(chan postgres.Told, unheard)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[name] = append(s.waiting[name], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting[name] = slices.DeleteFunc(s.waiting[name], func(other chan postgres.Told) bool { return other == c })
		if len(s.waiting[name]) == 0 {
			delete(s.waiting, name)
		}
	}
}

// keepHistoryOf keeps history once the graph has been filled, until ctx ends, in turns with all others that do.
func keepHistoryOf(ctx context.Context, s *shared, g *graph.Graph, log *slog.Logger) {
	if s.follower == nil {
		<-ctx.Done()
		return
	}
	select {
	case <-s.follower.Loaded():
	case <-ctx.Done():
		return
	}
	keepHistory(ctx, turns{s.db, s.db.Observed}, func() crawl.Stats { return crawl.Stats{} }, g, log)
}

// look has another process visit a domain, and tells what it hears of that. It implements [api.LookElsewhere].
func (s *shared) look(ctx context.Context, name xep.Name, onStep func(store.Step)) (a crawl.Account, all bool, err error) {
	switch {
	case !name.Addressable():
		return a, false, fmt.Errorf("nothing can be sent to %q", name)
	case s.excluded(name):
		return a, false, crawl.ErrExcluded
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	told, leave := s.listen(name)
	defer leave()
	called, err := s.db.Call(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return a, false, crawl.ErrExcluded
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for n := 0; err == nil; {
		select {
		case t := <-told:
			switch {
			case t.End != nil:
				return crawl.Account{At: t.End.At, Outcome: t.End.Outcome, Until: t.End.Until}, t.N == n, nil
			case t.N == n:
				onStep(*t.Step)
				n++
			}
		case <-tick.C:
			// It may have been visited lately, by a process that tells nothing, or while nothing could be heard.
			var rec crawl.Record
			if rec, err = s.db.Record(ctx, name); err == nil && rec.Due.After(called) {
				return accountOf(rec, called), false, nil
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return a, false, crawl.ErrBusy
}

// accountOf says what a stored record tells of the last visit. Its steps are stored apart, soon after.
func accountOf(rec crawl.Record, called time.Time) crawl.Account {
	a := crawl.Account{At: called, Until: rec.Until, Outcome: crawl.OutcomeUnreachable}
	if rec.Answered.After(a.At) {
		a.At = rec.Answered
	}
	switch {
	case rec.Until.After(called) && !rec.Reported.IsZero():
		a.Outcome = crawl.OutcomeReport
	case rec.Until.After(called):
		a.Outcome = crawl.OutcomeSilent
	case rec.Failures == 0 && !rec.Answered.IsZero():
		a.Outcome = crawl.OutcomeUnnamed
	}
	return a
}
