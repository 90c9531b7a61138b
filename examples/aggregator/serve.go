package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// goodbye is how long open requests may take once the program is asked to end.
const goodbye = 5 * time.Second

// programs is the interface for programs, which is there before the crawl that it tells of.
type programs struct {
	*api.Server
	visits  api.Visits
	crawler atomic.Pointer[crawl.Crawler]
}

// newPrograms completes the options with what the crawl knows, and makes the interface.
func newPrograms(press *edition.Press, o api.Options) *programs {
	p := new(programs)
	o.Visits = &p.visits
	o.Visit = p.visit
	o.Crawl = func() (crawl.Stats, bool) {
		c := p.crawler.Load()
		if c == nil {
			return crawl.Stats{}, false
		}
		return c.Stats(), true
	}
	p.Server = api.New(press, o)
	return p
}

// visit reads a domain that somebody submitted, and leaves it to the crawler if it answers.
func (p *programs) visit(ctx context.Context, name xep.Name, onStep func(pubsub.Step)) (*crawl.Result, error) {
	c := p.crawler.Load()
	if c == nil {
		return nil, context.Canceled
	}
	v := crawl.Visitor{Session: c.Session, Consent: &optin.Checker{Session: c.Session}, OnStep: onStep}
	r := v.Visit(ctx, name)
	if r.Outcome != crawl.OutcomeUnreachable {
		// That there is no room for it is no worse than before.
		_ = c.Submit(name.String())
	}
	return r, nil
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
