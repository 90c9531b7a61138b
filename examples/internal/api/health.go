package api

import (
	"net/http"

	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
)

// serveHealth says that the process is alive.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	line(w, r, http.StatusOK, "ok")
}

// serveReady says whether the process has something to show.
func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	if s.o.Ready != nil {
		if err := s.o.Ready(); err != nil {
			line(w, r, http.StatusServiceUnavailable, plain(err.Error(), maxGot))
			return
		}
	}
	if s.press.IsEmpty() {
		line(w, r, http.StatusServiceUnavailable, "no domain is known yet")
		return
	}
	line(w, r, http.StatusOK, "ready")
}

// line answers with a line of text.
func line(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text + "\n"))
	}
}

// prefix is what the names of all metrics begin with.
const prefix = "xmpp_aggregator_"

// serveMetrics sends numbers for Prometheus. There is no name of a domain among them.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	all := append(s.graphMetrics(), s.requestMetrics()...)
	if s.o.Crawl != nil {
		if st, ok := s.o.Crawl(); ok {
			all = append(all, crawlMetrics(newCrawling(st))...)
		}
	}
	if s.o.Metrics != nil {
		all = append(all, s.o.Metrics()...)
	}
	metrics.Serve(w, r, all...)
}

func (s *Server) graphMetrics() []metrics.Family {
	snap := s.press.Current().Snapshot()
	c := snap.Counts()
	gauge := func(name, help string, n int) metrics.Family {
		return metrics.One(prefix+name, metrics.Gauge, help, float64(n))
	}
	return []metrics.Family{
		gauge("domains", "Named domains.", c.Domains),
		gauge("domains_reporting", "Named domains that report themselves.", c.Reporting),
		gauge("links", "Links between named domains.", c.Links),
		gauge("links_mutual", "Links that both ends claim.", c.Mutual),
		gauge("links_unnamed", "Links from named domains to unnamed ones.", c.Unnamed),
		metrics.One(prefix+"version", metrics.Gauge, "Version of the graph, which starts anew with the process.", float64(snap.Version())),
		metrics.One(prefix+"version_timestamp_seconds", metrics.Gauge, "When that version was made.", float64(snap.At().Unix())),
	}
}

func (s *Server) requestMetrics() []metrics.Family {
	listening, cut := s.events.numbers()
	asked := metrics.Family{Name: prefix + "requests_total", Kind: metrics.Counter, Help: "Requests by path."}
	for _, rt := range s.used {
		asked.Samples = append(asked.Samples, metrics.Sample{Labels: []string{"path", rt.path}, Value: float64(rt.asked.Load())})
	}
	return []metrics.Family{
		asked,
		metrics.One(prefix+"rejected_total", metrics.Counter, "Requests refused for a limit.", float64(s.rejected.Load())),
		metrics.One(prefix+"streams", metrics.Gauge, "Event streams.", float64(listening)),
		metrics.One(prefix+"streams_cut_total", metrics.Counter, "Event streams cut off because the client was slow.", float64(cut)),
	}
}

func crawlMetrics(c *crawling) []metrics.Family {
	by := func(name, label, help string, n map[string]uint64) metrics.Family {
		f := metrics.Family{Name: prefix + name, Kind: metrics.Counter, Help: help}
		for _, k := range sortedKeys(n) {
			f.Samples = append(f.Samples, metrics.Sample{Labels: []string{label, k}, Value: float64(n[k])})
		}
		return f
	}
	failing := 0.0
	if c.Failing {
		failing = 1
	}
	return []metrics.Family{
		metrics.One(prefix+"crawl_save_failing", metrics.Gauge, "Whether the last attempt to save failed.", failing),
		metrics.One(prefix+"crawl_known", metrics.Gauge, "Domains on the frontier.", float64(c.Known)),
		metrics.One(prefix+"crawl_due", metrics.Gauge, "Domains that wait for a visit.", float64(c.Due)),
		metrics.One(prefix+"crawl_in_flight", metrics.Gauge, "Domains being visited.", float64(c.InFlight)),
		metrics.One(prefix+"crawl_subscribed", metrics.Gauge, "Nodes whose events come.", float64(c.Subscribed)),
		metrics.One(prefix+"crawl_pushed_total", metrics.Counter, "Reports that came as events.", float64(c.Pushed)),
		metrics.One(prefix+"crawl_crowded_total", metrics.Counter, "Domains not taken in, or given up, because too many of their site, or of those a site named, don't opt in.", float64(c.Crowded)),
		metrics.One(prefix+"crawl_unsaved", metrics.Gauge, "Domains of which the database does not know the latest.", float64(c.Unsaved)),
		by("crawl_visits_total", "outcome", "Finished visits.", c.Visits),
		by("crawl_failures_total", "reason", "What went wrong.", c.Failures),
	}
}
