package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
	"github.com/xmppgraph/xmppgraph/graph"
)

// ownCrawl answers from a graph that it crawls itself, over the session that it talks on.
func ownCrawl(ctx context.Context, c *config, log *slog.Logger) error {
	g := graph.New(graph.Options{MaxAge: max(graph.DefaultMaxAge, 5*c.interval)})
	crawler := &crawl.Crawler{Contact: c.contact, Seeds: c.seeds, Interval: c.interval, Spacing: c.spacing}
	bot := &chat.Bot{Network: g, Source: "I ask the servers myself. Whom I report to: " + c.contact}

	// The crawler says who asks, and that it is a bot.
	ctx, talker, session, err := converse(ctx, c, log, bot, crawler.Handle())
	if err != nil {
		return err
	}
	defer session.Close()
	crawler.Session = session

	var talking sync.WaitGroup
	defer talking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	talking.Go(func() { talker.Run(ctx) })
	for ev := range crawler.Run(ctx) {
		ev.Apply(g)
		log.Debug(ev.Kind.String(), "domain", ev.Domain, "err", ev.Err)
	}
	if err := crawler.Err(); err != nil {
		return err
	}
	return ended(ctx)
}
