package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/xmppgraph/xmppgraph/examples/internal/chat"
	"github.com/xmppgraph/xmppgraph/examples/internal/mirror"
	"github.com/xmppgraph/xmppgraph/examples/internal/talk"
)

// fromAPI answers from what an aggregator knows, and asks no server itself.
func fromAPI(ctx context.Context, c *config, log *slog.Logger) error {
	network, err := mirror.New(c.api)
	if err != nil {
		return err
	}
	network.Interval, network.Logger = c.interval, log
	if err := network.Fetch(ctx); err != nil {
		// It may be there later, and the bot says so long that it knows nothing.
		log.Warn("cannot read the aggregator", "err", err)
	}
	bot := &chat.Bot{Network: network, Source: "What I know comes from " + c.api}

	ctx, talker, session, err := converse(ctx, c, log, bot, talk.Identity("xmppgraph bot"))
	if err != nil {
		return err
	}
	defer session.Close()

	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { network.Run(ctx) })
	talker.Run(ctx)
	return ended(ctx)
}
