package connect_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/disco"
)

var requests = flag.Int("requests", 20_000, "number of requests of TestManyTimeouts")

// TestManyTimeouts makes requests that each have a context of their own, every eighth so short that it often ends while
// the request is in flight.
//
// That is what sooner or later breaks the output of mellium's session for good, so that the number matters: the full
// count is
//
//	go test ./connect -run TestManyTimeouts -requests 1800000
func TestManyTimeouts(t *testing.T) {
	srv := newFastServer(t)
	s := open(t, connect.Component, connect.Config{
		JID: jid.MustParse("crawler.me.test"), Secret: "s", Server: srv.l.Addr().String(),
		Logger: slog.New(slog.DiscardHandler), MaxInFlightPerDomain: inFlightAtOnce,
	})
	var next, answered, late atomic.Int64
	var wg sync.WaitGroup
	for range inFlightAtOnce {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(*requests); i = next.Add(1) {
				limit := patience
				if i%8 == 0 {
					limit = time.Duration(i%1000) * time.Microsecond
				}
				err := askWithin(s, limit)
				switch {
				case err == nil:
					answered.Add(1)
				case i%8 == 0 && errors.Is(err, context.DeadlineExceeded):
					late.Add(1)
				default:
					t.Errorf("request %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, *requests, answered.Load()+late.Load())
	require.Positive(t, late.Load())
	require.NoError(t, askWithin(s, patience))
	c := s.Counters()
	require.EqualValues(t, 1, c.Connects)
	require.Zero(t, c.Losses)
	require.Zero(t, s.InFlight())
	t.Logf("%d answered, %d given up, %+v", answered.Load(), late.Load(), c)
}

func askWithin(s *connect.Session, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := disco.GetInfo(ctx, s, peer, "")
	return err
}
