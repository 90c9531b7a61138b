package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The demonstration's pace: nobody needs to be spared there, and a visitor does not want to wait.
const (
	demoSpacing  = 20 * time.Millisecond
	demoInterval = 15 * time.Second
	// demoAnnounce is how often those publish whom only subscribers hear, five minutes in the real network.
	demoAnnounce = 2 * time.Second
)

const (
	// demoSize is how many named domains the demonstration has: as many as the real network.
	demoSize = 112
	// demoReporters is how many of them publish through this module's own reporter, the rest being simulated.
	demoReporters = 4
	// demoStart bounds the wait for those reporters; what comes later is found later.
	demoStart = 5 * time.Second
)

// demo is an invented network and what runs in it.
type demo struct {
	srv      *testserver.Server
	log      *slog.Logger
	cancel   context.CancelFunc
	running  sync.WaitGroup
	sessions []*connect.Session
}

// startDemo invents a network and connects to it.
// The returned function ends both.
func startDemo(ctx context.Context, c *config, crawler *crawl.Crawler, log *slog.Logger) (crawl.Session, func(), error) {
	size := c.demoSize
	if size <= 0 {
		size = demoSize
	}
	srv, err := testserver.Open(testserver.Config{Seed: c.demoSeed})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &demo{srv: srv, log: log, cancel: cancel}
	net := testserver.Network(c.demoSeed, size)
	introduce(net)
	srv.AddNetwork(net)
	s, err := d.populate(ctx, net, crawler)
	if err != nil {
		d.stop()
		return nil, nil, fmt.Errorf("demonstration: %w", err)
	}
	d.running.Go(func() { d.announce(ctx, net) })
	c.adapt(net)
	return s, d.stop, nil
}

// introduce links those whom no report names to reporters, because a demonstration should show all that it has.
func introduce(net *testserver.Federation) {
	linked := make(map[string]bool)
	for _, c := range net.Claims {
		linked[c.From], linked[c.To] = true, true
	}
	var reporters []int
	for i, m := range net.Domains {
		if len(m.Peers) > 0 {
			reporters = append(reporters, i)
		}
	}
	next := 0
	for _, m := range net.Domains {
		if linked[m.Name] || len(reporters) == 0 {
			continue
		}
		r := &net.Domains[reporters[next%len(reporters)]]
		r.Peers = append(r.Peers, testserver.Peer{Name: m.Name, Directions: testserver.In | testserver.Out})
		next++
	}
}

// populate starts the reporters and returns the crawler's session.
func (d *demo) populate(ctx context.Context, net *testserver.Federation, crawler *crawl.Crawler) (crawl.Session, error) {
	published := make(chan struct{}, demoReporters)
	n := 0
	for _, m := range net.Domains {
		if n == demoReporters || m.Profile != testserver.Prosody || m.Unnamed == 0 || m.Unnamed > 300 {
			continue
		}
		if err := d.report(ctx, m, published); err != nil {
			return nil, err
		}
		n++
	}
	patience, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	for range n {
		select {
		case <-published:
		case <-patience.Done():
		}
	}
	return d.connect(ctx, testserver.Component, answers(component.NSAccept, crawler))
}

// announce lets those publish again now and then whose nodes keep no items, as their publishers do: nobody could find them otherwise.
func (d *demo) announce(ctx context.Context, net *testserver.Federation) {
	tick := time.NewTicker(demoAnnounce)
	defer tick.Stop()
	for {
		for _, m := range net.Domains {
			if m.Profile == testserver.ProsodyOld {
				d.srv.Domain(m.Name).Publish()
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// report has a domain of the network published by a real reporter, as the operator of a stock server would:
// a component of that server, with the right to create the node.
func (d *demo) report(ctx context.Context, m testserver.Member, published chan<- struct{}) error {
	d.srv.AddDomain(testserver.Domain{Name: m.Name, Profile: testserver.StockProsody, Advertise: true})
	s, err := d.connect(ctx, "reporter."+m.Name, nil)
	if err != nil {
		return err
	}
	service, err := jid.Parse("pubsub." + m.Name)
	if err != nil {
		return err
	}
	first := sync.OnceFunc(func() { published <- struct{}{} })
	r := &report.Reporter{
		Session:  s,
		Domain:   m.Name,
		Service:  service,
		Source:   connections(m),
		Interval: demoInterval,
		Logger:   d.log,
		Observe: func(ev report.Event) {
			if ev.Published {
				first()
			}
		},
	}
	d.running.Go(func() {
		if err := r.Run(ctx); err != nil {
			d.log.Warn("a reporter of the demonstration ended", "err", err)
		}
	})
	return nil
}

// connections are the streams that a member of the network has, those to domains which don't opt in included.
func connections(m testserver.Member) *report.Connections {
	conns := new(report.Connections)
	for _, p := range m.Peers {
		for bit, direction := range map[testserver.Directions]xep.Direction{
			testserver.In: xep.Incoming, testserver.Out: xep.Outgoing, testserver.Bidi: xep.Bidi,
		} {
			if p.Directions&bit != 0 {
				conns.Opened(m.Name, p.Name, direction)
			}
		}
	}
	for i := range m.Unnamed {
		conns.Opened(m.Name, fmt.Sprintf("quiet%d.invalid", i), xep.Incoming)
	}
	return conns
}

func (d *demo) connect(ctx context.Context, name string, h xmpp.Handler) (*connect.Session, error) {
	addr, err := jid.Parse(name)
	if err != nil {
		return nil, err
	}
	s, err := connect.Component(ctx, connect.Config{
		JID: addr, Secret: testserver.Secret, Server: d.srv.ComponentAddr(), Handler: h, Logger: d.log,
	})
	if err == nil {
		d.sessions = append(d.sessions, s)
	}
	return s, err
}

// stop ends everything in the order in which it needs each other.
func (d *demo) stop() {
	d.cancel()
	d.running.Wait()
	for _, s := range d.sessions {
		_ = s.Close()
	}
	_ = d.srv.Close()
}

// adapt gives the configuration what a demonstration needs.
func (c *config) adapt(net *testserver.Federation) {
	for _, m := range net.Domains {
		if len(c.seeds) < 3 && m.Profile.Publishes() && m.Profile != testserver.ProsodyOld {
			c.seeds = append(c.seeds, m.Name)
		}
	}
}
