package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/follow"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/graph"
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
}

// newShared returns the part of this process, nil where the database is none that can be shared.
func newShared(c *config, db store.Store, g *graph.Graph, op *operation, log *slog.Logger) *shared {
	pg, ok := db.(*postgres.Store)
	if !ok {
		return nil
	}
	s := &shared{db: pg, share: pg.Share(rand.Text()), excluded: op.exclusion.Has}
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
	s.db.Listen(ctx, func() {
		s.share.Poke()
		if s.follower != nil {
			s.follower.Poke()
		}
	})
}

// keepHistoryOf keeps history once the graph has been filled, until ctx ends. What several processes note is noted once.
func keepHistoryOf(ctx context.Context, s *shared, h historian, g *graph.Graph, log *slog.Logger) {
	if s.follower == nil {
		<-ctx.Done()
		return
	}
	select {
	case <-s.follower.Loaded():
	case <-ctx.Done():
		return
	}
	keepHistory(ctx, h, func() crawl.Stats { return crawl.Stats{} }, g, log)
}

// look has another process visit a domain, and waits for what it finds out.
func (s *shared) look(ctx context.Context, domain string) (crawl.Account, error) {
	name, err := xep.ParseName(domain)
	switch {
	case err != nil:
		return crawl.Account{}, err
	case !name.Addressable():
		return crawl.Account{}, fmt.Errorf("nothing can be sent to %q", name)
	case s.excluded(name):
		return crawl.Account{}, crawl.ErrExcluded
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	called, err := s.db.Call(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return crawl.Account{}, crawl.ErrExcluded
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for err == nil {
		var rec crawl.Record
		if rec, err = s.db.Record(ctx, name); err == nil && rec.Due.After(called) {
			return accountOf(rec, called), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return crawl.Account{}, crawl.ErrBusy
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
