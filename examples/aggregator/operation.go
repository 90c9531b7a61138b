package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"mellium.im/xmpp/mux"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/examples/internal/exclusion"
	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/examples/internal/optout"
	"github.com/xmppgraph/xmppgraph/examples/internal/providers"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// operation is what the operator decides about while the program runs: who is left out, and who is named by policy.
type operation struct {
	log       *slog.Logger
	exclusion *exclusion.List
	providers *providers.List // nil for none
	desk      *optout.Service
	profile   profile
	// hangups are SIGHUPs, and reload those who are to be told of them.
	hangups chan os.Signal
	reload  []chan struct{}
	// granted and refused count requests by message.
	granted, refused atomic.Uint64
	// noting keeps notes of requests from replacing each other.
	noting sync.Mutex
}

// newOperation reads the lists. It keeps what is excluded out of the graph from now on. The database may be nil.
func newOperation(ctx context.Context, c *config, db store.Store, g *graph.Graph, log *slog.Logger) (*operation, error) {
	o := &operation{log: log, profile: c.profile(), hangups: make(chan os.Signal, 1)}
	o.exclusion = &exclusion.List{File: c.excludeFile, Logger: log}
	if db != nil {
		o.exclusion.Keeper = db
	}
	if err := o.exclusion.Load(ctx); err != nil {
		return nil, fmt.Errorf("exclusion list: %w", err)
	}
	o.exclusion.Watch(func([]xep.Name) { o.exclusion.Purge(g) })
	if c.providers != "" {
		o.providers = &providers.List{Location: c.providers, Logger: log}
		if db != nil {
			o.providers.Cache = db
		}
		if err := o.providers.Load(ctx); err != nil {
			// Without the list fewer are named, which is no reason to show nobody at all.
			log.Warn("no list of providers yet", "err", err)
		}
	}
	o.desk = &optout.Service{List: o.exclusion, Contact: c.contact, Logger: log, Observe: func(r optout.Request) { o.requested(ctx, db, r) }}
	// From here on a SIGHUP does not end the program.
	signal.Notify(o.hangups, syscall.SIGHUP)
	return o, nil
}

// requested tells the operator of a request by message. At the level info no name is told; the database keeps them.
func (o *operation) requested(ctx context.Context, db store.Store, r optout.Request) {
	o.log.Info("request by message", "verb", r.Verb, "done", r.Done, "see", `"aggregator requests"`)
	o.log.Debug("request by message", "verb", r.Verb, "domain", r.Domain, "from", r.From, "done", r.Done, "why", r.Why)
	if r.Done {
		o.granted.Add(1)
	} else {
		o.refused.Add(1)
	}
	if db == nil {
		return
	}
	o.noting.Lock()
	defer o.noting.Unlock()
	if err := noteRequest(context.WithoutCancel(ctx), db, r); err != nil {
		o.log.Warn("a request by message is not in the list of requests", "err", err)
	}
}

// policy is what the operator adds to the rule of the XEP.
func (o *operation) policy() optin.Policy {
	p := optin.Policy{Excluded: o.exclusion.Has}
	if o.providers != nil {
		p.Listed = o.providers.Has
	}
	return p
}

// history is what the database shows to anybody, nil if there is none.
func (o *operation) history(db store.Store) store.Public {
	if p := past(db); p != nil {
		return o.exclusion.Public(p)
	}
	return nil
}

// metrics are numbers for whoever watches the program. How many domains are excluded is nobody's business.
func (o *operation) metrics() []metrics.Family {
	return []metrics.Family{{
		Name: "xmpp_aggregator_optout_requests_total", Kind: metrics.Counter, Help: "Requests by message to be excluded or shown again.",
		Samples: []metrics.Sample{
			{Labels: []string{"outcome", "done"}, Value: float64(o.granted.Load())},
			{Labels: []string{"outcome", "refused"}, Value: float64(o.refused.Load())},
		},
	}}
}

// answers is what the session says and hears beside the crawler.
func (o *operation) answers() []mux.Option {
	return []mux.Option{optout.Handle(o.desk), o.profile.handle()}
}

// reloads returns a channel that receives something after a SIGHUP.
func (o *operation) reloads() <-chan struct{} {
	c := make(chan struct{}, 1)
	o.reload = append(o.reload, c)
	return c
}

// run follows the lists until ctx ends.
func (o *operation) run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	reload := o.reloads()
	parts.Go(func() { o.exclusion.Run(ctx, reload) })
	if o.providers != nil {
		parts.Go(func() { o.providers.Run(ctx) })
	}
	defer signal.Stop(o.hangups)
	for {
		select {
		case <-o.hangups:
			o.log.Info("reload")
			for _, c := range o.reload {
				select {
				case c <- struct{}{}:
				default:
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// attend answers messages on a session, until ctx ends or the returned function is called, which waits for that.
func (o *operation) attend(ctx context.Context, s *connect.Session) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	o.desk.Session = s
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.desk.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
