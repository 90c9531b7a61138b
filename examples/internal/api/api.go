package api

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Look visits a domain and tells of every step when it ends, as [crawl.Crawler.Look] does.
// It is what somebody who submits a domain waits for. It must respect the pace of whoever else asks the same host.
type Look func(ctx context.Context, domain string, onStep func(pubsub.Step)) (crawl.Account, error)

// LookElsewhere has another process visit a domain, and tells of the steps that it hears of, from the first one on and in their order.
// All tells that there were no others.
type LookElsewhere func(ctx context.Context, domain xep.Name, onStep func(store.Step)) (a crawl.Account, all bool, err error)

// Options configure a [Server]. The zero value works, without what it lacks.
type Options struct {
	// History is what was observed in the past, nil for nothing.
	History store.Public
	// Look visits a domain that somebody submits, nil where nothing can be submitted.
	Look Look
	// LookElsewhere is what to do about domains for which Look returns [crawl.ErrElsewhere] or [crawl.ErrNotRunning], nil for nothing.
	LookElsewhere LookElsewhere
	// Exclude tells which domains are never contacted, nil means none.
	Exclude func(xep.Name) bool
	// Account returns how the last visit of a domain went, nil where that is not known. It is asked only about domains that are shown.
	Account func(xep.Name) (crawl.Account, bool)
	// Visited returns how the last visit of a domain went where Account does not know, because another process made it or an earlier run did.
	// The error is [store.ErrNotFound] where that is not known; nil means that it never is.
	// It is asked about domains that are shown, and about those that somebody has just submitted.
	Visited func(context.Context, xep.Name) (store.Visit, error)
	// Crawl returns the numbers of the crawl, and false where this process does not crawl. Nil means that it doesn't.
	Crawl func() (crawl.Stats, bool)
	// Ready returns why the process should get no requests yet, nil if it should. The graph must not be empty either.
	Ready func() error
	// Metrics returns further metrics, nil for none.
	Metrics func() []metrics.Family
	// Client returns the address that a request comes from, nil means the other end of the connection.
	Client func(*http.Request) netip.Addr
	// Now is the clock, nil means time.Now.
	Now func() time.Time
	// Limits bound what one client, and all together, may ask for.
	Limits Limits
}

// Limits bound what clients may ask for. Zero means the default, and below zero none.
type Limits struct {
	// Submissions is how many domains one address may submit at once, 5 by default; one more is allowed after each SubmitEvery, 30 seconds by default.
	Submissions int
	SubmitEvery time.Duration
	// Exports is how many heavy documents one address may fetch at once, 20 by default; one more is allowed after each ExportEvery, 2 seconds by default.
	Exports     int
	ExportEvery time.Duration
	// Streams is how many event streams there may be, 4096 by default, and StreamsEach how many to one address, 16 by default.
	Streams, StreamsEach int
	// Visiting is how many submitted domains are visited at a time, 8 by default.
	Visiting int
	// VisitTime bounds a visit, one minute by default.
	VisitTime time.Duration
}

// Server answers requests of programs. Its methods may be called from any number of goroutines.
type Server struct {
	press *edition.Press
	o     Options
	mux   *http.ServeMux
	used  []route
	asked map[string]*atomic.Uint64

	submitters, exporters *limit.Limiter
	events                *hub
	inquiries             *inquiries
	moments               moments

	life     context.Context
	close    context.CancelFunc
	running  sync.WaitGroup
	rejected atomic.Uint64
}

// New returns a server for the editions of a press. Close it to end what it has started.
func New(press *edition.Press, o Options) *Server {
	o.fill()
	s := &Server{press: press, o: o, mux: http.NewServeMux()}
	s.life, s.close = context.WithCancel(context.Background())
	s.submitters = limit.New(o.Limits.Submissions, o.Limits.SubmitEvery, o.Now)
	s.exporters = limit.New(o.Limits.Exports, o.Limits.ExportEvery, o.Now)
	s.events = newHub(s)
	s.inquiries = newInquiries(s)
	s.routes()
	return s
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		o.Client = limit.Remote
	}
	if o.Account == nil {
		o.Account = func(xep.Name) (crawl.Account, bool) { return crawl.Account{}, false }
	}
	if o.Exclude == nil {
		o.Exclude = func(xep.Name) bool { return false }
	}
	l := &o.Limits
	orDefault(&l.Submissions, 5)
	orDefault(&l.SubmitEvery, 30*time.Second)
	orDefault(&l.Exports, 20)
	orDefault(&l.ExportEvery, 2*time.Second)
	orDefault(&l.Streams, 4096)
	orDefault(&l.StreamsEach, 16)
	orDefault(&l.Visiting, 8)
	orDefault(&l.VisitTime, time.Minute)
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Close ends all event streams and visits, and waits for what was started for them.
// An http.Server does not end streams by itself: have it call Close when it shuts down.
func (s *Server) Close() {
	s.close()
	s.running.Wait()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}
