package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// The demonstration's pace: nobody needs to be spared there.
const demoSpacing = 20 * time.Millisecond

// demoSize is how many named domains the demonstration has: as many as the real network.
const demoSize = 112

// startDemo invents a network and connects to it.
// The returned function ends both.
func startDemo(ctx context.Context, c *config, log *slog.Logger) (crawl.Session, func(), error) {
	size := c.demoSize
	if size <= 0 {
		size = demoSize
	}
	srv, err := testserver.Open(testserver.Config{Seed: c.demoSeed})
	if err != nil {
		return nil, nil, err
	}
	net := testserver.Network(c.demoSeed, size)
	srv.AddNetwork(net)
	adapt(c, net)
	s, err := connect.Component(ctx, connect.Config{
		JID:    jid.MustParse(testserver.Component),
		Secret: testserver.Secret,
		Server: srv.ComponentAddr(),
		Logger: log,
	})
	if err != nil {
		_ = srv.Close()
		return nil, nil, fmt.Errorf("demonstration: %w", err)
	}
	return s, func() {
		_ = s.Close()
		_ = srv.Close()
	}, nil
}

// adapt gives the configuration what a demonstration needs and its operator did not say.
func adapt(c *config, net *testserver.Federation) {
	c.spacing = min(c.spacing, demoSpacing)
	for _, m := range net.Domains {
		if len(c.seeds) < 3 && m.Profile.Publishes() && m.Profile != testserver.ProsodyOld {
			c.seeds = append(c.seeds, m.Name)
		}
	}
}
