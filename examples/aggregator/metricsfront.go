package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// metricsPath is where numbers for Prometheus are.
const metricsPath = "/metrics"

// numbers is the way in for whoever watches the program, where that is not the way in for everybody. It is nil otherwise.
type numbers struct {
	srv      *http.Server
	listener net.Listener
}

// newNumbers listens where the operator wants numbers to be served, if anywhere.
func newNumbers(c *config, h http.Handler, log *slog.Logger) (*numbers, error) {
	if c.metricsListen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.metricsListen)
	if err != nil {
		return nil, fmt.Errorf("-metrics-listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, h)
	return &numbers{newServer(mux, log), l}, nil
}

// public returns what everybody gets of a handler: no numbers, if they have a way in of their own.
func (n *numbers) public(h http.Handler) http.Handler {
	if n == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == metricsPath {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// serve serves until the end.
func (n *numbers) serve(log *slog.Logger) {
	if n == nil {
		return
	}
	if err := n.srv.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) {
		log.Error("nobody gets numbers any more", "err", err)
	}
}

// end ends the service, which may not have begun.
func (n *numbers) end() {
	if n != nil {
		shutdown(n.srv)
		_ = n.listener.Close()
	}
}
