package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// goodbye is how long open requests may take once the program is asked to end.
const goodbye = 5 * time.Second

// programs is the interface for programs, which is there before the crawl that it tells of.
type programs struct {
	*api.Server
	crawler atomic.Pointer[crawl.Crawler]
	// filled tells that the graph has what the database has.
	filled atomic.Bool
}

// newPrograms completes the options with what the crawl knows, and makes the interface.
func newPrograms(press *edition.Press, o api.Options, shared *shared) *programs {
	p := new(programs)
	o.Look = func(ctx context.Context, domain string, onStep func(pubsub.Step)) (crawl.Account, error) {
		if c := p.crawler.Load(); c != nil {
			return c.Look(ctx, domain, onStep)
		}
		return crawl.Account{}, crawl.ErrNotRunning
	}
	if shared != nil {
		o.LookElsewhere = shared.look
		shared.crawler = p.crawler.Load
	}
	o.Account = func(name xep.Name) (crawl.Account, bool) {
		if c := p.crawler.Load(); c != nil {
			return c.Account(name)
		}
		return crawl.Account{}, false
	}
	o.Crawl = func() (crawl.Stats, bool) {
		if c := p.crawler.Load(); c != nil {
			return c.Stats(), true
		}
		return crawl.Stats{}, false
	}
	if o.Ready == nil {
		o.Ready = p.ready
	}
	p.Server = api.New(press, o)
	return p
}

// ready returns an error while the network that would be shown is one that is half read.
func (p *programs) ready() error {
	if !p.filled.Load() {
		return errors.New("the database has not been read yet")
	}
	return nil
}

// fill fills the graph with what the database has, before the crawl goes on from there: visitors need not wait for the crawler's own books,
// nor for a server that is slow to let it in.
func (p *programs) fill(ctx context.Context, db store.Store, g *graph.Graph, excluded func(xep.Name) bool) error {
	if err := store.Fill(ctx, db, g, excluded); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	p.filled.Store(true)
	return nil
}

// with returns a handler that serves programs beside people.
func (p *programs) with(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Handles(r.URL.Path) {
			p.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// newServer bounds what a client can hold on to.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func shutdown(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
}

// address is what a browser can open: the host as the operator wrote it, with the port that was in the end listened on.
func address(listen string, l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	host, _, err2 := net.SplitHostPort(listen)
	if err != nil || err2 != nil || host == "" {
		return l.Addr().String()
	}
	return net.JoinHostPort(host, port)
}
