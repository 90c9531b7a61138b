package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
)

// metric is a line for each reporter in the text format of Prometheus.
type metric struct {
	name, kind, help string
	value            func(report.Stats) float64
}

var metrics = []metric{
	{"turns_total", "counter", "Looks at the live connections.", func(s report.Stats) float64 { return float64(s.Turns) }},
	{"source_failures_total", "counter", "Looks at which the connections were not known.", func(s report.Stats) float64 { return float64(s.SourceFailures) }},
	{"publications_total", "counter", "Items published.", func(s report.Stats) float64 { return float64(s.Publications) }},
	{"withdrawals_total", "counter", "Items withdrawn.", func(s report.Stats) float64 { return float64(s.Withdrawals) }},
	{"failures_total", "counter", "Attempts to publish or withdraw that failed.", func(s report.Stats) float64 { return float64(s.Failures) }},
	{"losses_total", "counter", "Publications ahead of their time because somebody had lost consent.", func(s report.Stats) float64 { return float64(s.Losses) }},
	{"connections", "gauge", "Live connections at the last look.", func(s report.Stats) float64 { return float64(s.Connections) }},
	{"peers_named", "gauge", "Peers that the item names.", func(s report.Stats) float64 { return float64(s.Named) }},
	{"peers_unnamed", "gauge", "Peers that the item counts.", func(s report.Stats) float64 { return float64(s.Unnamed) }},
	{"item_bytes", "gauge", "Size of the item.", func(s report.Stats) float64 { return float64(s.Bytes) }},
	{"looked_timestamp_seconds", "gauge", "When the connections were last known.", func(s report.Stats) float64 { return seconds(s.Looked) }},
	{"published_timestamp_seconds", "gauge", "When the item was last published.", func(s report.Stats) float64 { return seconds(s.Published) }},
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// writeMetrics writes the page. It holds the operator's own domains and nobody else's.
func writeMetrics(w io.Writer, reporters []*report.Reporter, consent *optin.Checker) {
	stats := make([]report.Stats, len(reporters))
	for i, r := range reporters {
		stats[i] = r.Stats()
	}
	for _, m := range metrics {
		fmt.Fprintf(w, "# HELP xmpp_reporter_%s %s\n# TYPE xmpp_reporter_%s %s\n", m.name, m.help, m.name, m.kind)
		for i, r := range reporters {
			fmt.Fprintf(w, "xmpp_reporter_%s{domain=%q} %g\n", m.name, r.Domain, m.value(stats[i]))
		}
	}
	asked := consent.Stats()
	fmt.Fprintf(w, "# HELP xmpp_reporter_asked_total Questions to peers whether they may be named.\n# TYPE xmpp_reporter_asked_total counter\n"+
		"xmpp_reporter_asked_total %d\n", asked.Asked)
	fmt.Fprint(w, "# HELP xmpp_reporter_verdicts Domains with a live verdict.\n# TYPE xmpp_reporter_verdicts gauge\n")
	reasons := make([]optin.Reason, 0, len(asked.Verdicts))
	for r := range asked.Verdicts {
		reasons = append(reasons, r)
	}
	slices.Sort(reasons)
	for _, r := range reasons {
		fmt.Fprintf(w, "xmpp_reporter_verdicts{reason=%q} %d\n", r.String(), asked.Verdicts[r])
	}
}

// serveMetrics serves the page until the returned function is called, which waits for its end.
func serveMetrics(ctx context.Context, addr string, page func(io.Writer), log *slog.Logger) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		// Into memory first, so that a slow reader holds up nothing.
		var b strings.Builder
		page(&b)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, b.String())
	})
	srv := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "err", err)
		}
	}()
	log.Info("serving metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}
