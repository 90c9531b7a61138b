package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
)

// prefix is what the names of all metrics begin with.
const prefix = "xmpp_reporter_"

// metric is a line for each reporter.
type metric struct {
	name, kind, help string
	value            func(report.Stats) float64
}

var ofReporters = []metric{
	{"turns_total", metrics.Counter, "Looks at the live connections.", func(s report.Stats) float64 { return float64(s.Turns) }},
	{"source_failures_total", metrics.Counter, "Looks at which the connections were not known.", func(s report.Stats) float64 { return float64(s.SourceFailures) }},
	{"publications_total", metrics.Counter, "Items published.", func(s report.Stats) float64 { return float64(s.Publications) }},
	{"withdrawals_total", metrics.Counter, "Items withdrawn.", func(s report.Stats) float64 { return float64(s.Withdrawals) }},
	{"failures_total", metrics.Counter, "Attempts to publish or withdraw that failed.", func(s report.Stats) float64 { return float64(s.Failures) }},
	{"losses_total", metrics.Counter, "Publications ahead of their time because somebody had lost consent.", func(s report.Stats) float64 { return float64(s.Losses) }},
	{"connections", metrics.Gauge, "Live connections at the last look.", func(s report.Stats) float64 { return float64(s.Connections) }},
	{"peers_named", metrics.Gauge, "Peers that the item names.", func(s report.Stats) float64 { return float64(s.Named) }},
	{"peers_unnamed", metrics.Gauge, "Peers that the item counts.", func(s report.Stats) float64 { return float64(s.Unnamed) }},
	{"item_bytes", metrics.Gauge, "Size of the item.", func(s report.Stats) float64 { return float64(s.Bytes) }},
	{"looked_timestamp_seconds", metrics.Gauge, "When the connections were last known.", func(s report.Stats) float64 { return seconds(s.Looked) }},
	{"published_timestamp_seconds", metrics.Gauge, "When the item was last published.", func(s report.Stats) float64 { return seconds(s.Published) }},
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// collect returns the numbers. They name the operator's own domains and nobody else's.
func collect(reporters []*report.Reporter, consent *optin.Checker) (all []metrics.Family) {
	stats := make([]report.Stats, len(reporters))
	for i, r := range reporters {
		stats[i] = r.Stats()
	}
	for _, m := range ofReporters {
		f := metrics.Family{Name: prefix + m.name, Kind: m.kind, Help: m.help}
		for i, r := range reporters {
			f.Samples = append(f.Samples, metrics.Sample{Labels: []string{"domain", r.Domain}, Value: m.value(stats[i])})
		}
		all = append(all, f)
	}
	asked := consent.Stats()
	verdicts := metrics.Family{Name: prefix + "verdicts", Kind: metrics.Gauge, Help: "Domains with a live verdict."}
	for _, r := range slices.Sorted(maps.Keys(asked.Verdicts)) {
		verdicts.Samples = append(verdicts.Samples, metrics.Sample{Labels: []string{"reason", r.String()}, Value: float64(asked.Verdicts[r])})
	}
	return append(all, metrics.One(prefix+"asked_total", metrics.Counter, "Questions to peers whether they may be named.", float64(asked.Asked)), verdicts)
}

// serveMetrics serves the page until the returned function is called, which waits for its end.
func serveMetrics(ctx context.Context, addr string, page func() []metrics.Family, log *slog.Logger) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { metrics.Serve(w, r, page()...) })
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
