package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

func host(i int) jid.JID { return jid.MustParse(fmt.Sprintf("pubsub.d%d.test", i)) }

// subscribeTo returns a subscriber with that many live subscriptions, each to a service of its own.
func subscribeTo(t testing.TB, n int) (*Subscriber, *theService, *mux.ServeMux) {
	t.Helper()
	s, svc, m := newSubscriber()
	for i := range n {
		_, err := s.Subscribe(t.Context(), host(i), theNode)
		require.NoError(t, err)
	}
	svc.requests()
	return s, svc, m
}

// TestFloodCostsOthersNothing has one service send far more than anybody reads.
func TestFloodCostsOthersNothing(t *testing.T) {
	s, _, m := subscribeTo(t, 3)
	const flood = 1000
	for i := range flood {
		deliver(t, m, itemFrom(host(0).String(), fmt.Sprint(i)))
		if i == flood/2 {
			deliver(t, m, itemFrom(host(1).String(), "quiet"))
		}
	}
	deliver(t, m, itemFrom(host(2).String(), "late"))
	want := []string{fmt.Sprint(flood - 1), "quiet", "late"}
	for i, id := range want {
		e, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, host(i).String(), e.Service.String())
		require.Equal(t, id, e.ID)
	}
	c := s.Counters()
	require.EqualValues(t, flood+2, c.Accepted)
	require.EqualValues(t, flood-1, c.Superseded)
	require.EqualValues(t, 3, c.Delivered)
	require.Zero(t, s.waitingBytes)
}

// TestNodesTakeTurns has one service send an event whenever one is read.
func TestNodesTakeTurns(t *testing.T) {
	s, _, m := subscribeTo(t, 2)
	deliver(t, m, itemFrom(host(0).String(), "a"))
	deliver(t, m, itemFrom(host(1).String(), "b"))
	seen := map[string]bool{}
	for range 2 {
		e, err := s.Next(t.Context())
		require.NoError(t, err)
		seen[e.Service.String()] = true
		deliver(t, m, itemFrom(host(0).String(), "again"))
	}
	require.Len(t, seen, 2)
}

// TestChangesOfAnotherKindDontHideTheItem makes sure that only what says more replaces what waits.
func TestChangesOfAnotherKindDontHideTheItem(t *testing.T) {
	s, _, m := newSubscriber()
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.NoError(t, err)
	deliver(t, m, itemFrom("pubsub.b.test", "current"))
	deliver(t, m, change("<configuration node='serverinfo'/>"))
	deliver(t, m, change("<items node='serverinfo'><retract id='old'/></items>"))
	deliver(t, m, change("<subscription node='serverinfo' jid='me.test' subscription='none'/>"))
	var got []string
	for p, _ := s.take(); p != nil; p, _ = s.take() {
		got = append(got, describe(p.event()))
	}
	require.Equal(t, []string{`item published "current": 1 domains`, "node configured", "subscription changed: none"}, got)
	require.Zero(t, s.queue.Len())
}

func TestLimitOnSubscriptions(t *testing.T) {
	s, svc, _ := newSubscriber()
	s.MaxSubscriptions = 1
	_, err := s.Subscribe(t.Context(), host(0), theNode)
	require.NoError(t, err)
	_, err = s.Subscribe(t.Context(), host(0), theNode)
	require.NoError(t, err, "a renewal needs no room")
	svc.requests()
	_, err = s.Subscribe(t.Context(), host(1), theNode)
	require.ErrorIs(t, err, ErrTooManySubscriptions)
	require.Empty(t, svc.requests())
	require.NoError(t, s.Unsubscribe(t.Context(), host(0), theNode))
	_, err = s.Subscribe(t.Context(), host(1), theNode)
	require.NoError(t, err)
}

func TestLimitOnOneEvent(t *testing.T) {
	s, _, m := newSubscriber()
	event := itemFrom("pubsub.b.test", "current")
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.NoError(t, err)
	s.MaxEventBytes = len(event) + 100
	before := s.Counters()
	deliver(t, m, event)
	require.Equal(t, `item published "current": 1 domains`, outcome(s, before))
	for name, raw := range map[string]string{
		"long":  strings.Replace(event, "<item ", "<item x='"+strings.Repeat("a", len(event))+"' ", 1),
		"many":  strings.Replace(event, "<item ", strings.Repeat("<a/>", len(event))+"<item ", 1),
		"deep":  strings.Replace(event, "<item ", strings.Repeat("<a>", 70)+strings.Repeat("</a>", 70)+"<item ", 1),
		"aside": strings.Replace(event, "<event", "<body>"+strings.Repeat("a", len(event))+"</body><event", 1),
	} {
		before := s.Counters()
		deliver(t, m, raw)
		require.Equal(t, "nothing, counted as: TooLarge", outcome(s, before), name)
	}
}

func TestLimitOnAllThatWaits(t *testing.T) {
	const n = 10
	s, _, m := subscribeTo(t, n)
	s.MaxWaitingBytes = 4*len(payload) + len(payload)/2
	for range 3 {
		for i := range n {
			deliver(t, m, itemFrom(host(i).String(), "current"))
		}
		require.LessOrEqual(t, s.waitingBytes, s.MaxWaitingBytes)
	}
	whole := 0
	for range n {
		e, err := s.Next(t.Context())
		require.NoError(t, err)
		if e.Err == nil {
			whole++
			require.NotNil(t, e.Item.Info)
			continue
		}
		require.ErrorIs(t, e.Err, ErrOverflow)
		require.Nil(t, e.Item.Info)
		require.Nil(t, e.Item.Raw)
	}
	require.Equal(t, 4, whole)
	require.Zero(t, s.waitingBytes)
	require.EqualValues(t, 3*(n-4), s.Counters().Overflows)
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := subscribeTo(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			deliver(t, m, itemFrom(host(0).String(), "current"))
		}()
		n := 0
		for e := range s.Events(ctx) {
			require.Equal(t, time.Minute, e.At.Sub(start))
			n++
		}
		require.Equal(t, 1, n)
		require.Equal(t, time.Hour, time.Since(start), "it ends with the context")
	})
}

func TestEventsLoopMayBreak(t *testing.T) {
	s, _, m := subscribeTo(t, 2)
	for i := range 2 {
		deliver(t, m, itemFrom(host(i).String(), "current"))
	}
	for i := range 2 {
		for e := range s.Events(t.Context()) {
			require.Equal(t, host(i).String(), e.Service.String())
			break
		}
	}
}

// TestSeveralReaders makes sure that no event is read twice and none is forgotten while a reader sleeps.
func TestSeveralReaders(t *testing.T) {
	const n, readers = 200, 4
	s, _, m := subscribeTo(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen sync.Map
	var count atomic.Int64
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for e := range s.Events(ctx) {
				_, twice := seen.LoadOrStore(e.Service.String(), true)
				require.False(t, twice)
				if count.Add(1) == n {
					cancel()
				}
			}
		})
	}
	for i := range n {
		deliver(t, m, itemFrom(host(i).String(), "current"))
	}
	wg.Wait()
	require.EqualValues(t, n, count.Load())
}

func TestResubscribeAsksTheOldestFirst(t *testing.T) {
	s, svc, _ := newSubscriber()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	s.RenewConcurrency = 1
	for _, i := range []int{2, 0, 1} {
		_, err := s.Subscribe(t.Context(), host(i), theNode)
		require.NoError(t, err)
		now = now.Add(time.Second)
	}
	svc.requests()
	require.NoError(t, s.Resubscribe(t.Context()))
	asked := svc.requests()
	require.Len(t, asked, 3)
	for i, want := range []string{"pubsub.d2.test ", "pubsub.d0.test ", "pubsub.d1.test "} {
		require.True(t, strings.HasPrefix(asked[i], want), asked[i])
	}
	for _, sub := range s.Subscriptions() {
		require.Equal(t, now, sub.Confirmed)
	}
	p, _ := s.take()
	require.Nil(t, p, "that nothing has changed is no event")
}

func TestResubscribeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50
		s, svc, _ := subscribeTo(t, n)
		var now, most atomic.Int64
		svc.answer = func(context.Context, stanza.IQ, string) (string, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return notFound, nil
		}
		err := s.Resubscribe(t.Context())
		require.EqualValues(t, DefaultRenewConcurrency, most.Load())
		require.ErrorContains(t, err, fmt.Sprintf("and %d more", n-maxRenewErrors))
		require.Len(t, svc.requests(), n)
		for _, sub := range s.Subscriptions() {
			require.Equal(t, SubscriptionNone, sub.State)
			require.ErrorIs(t, sub.Err, &Error{Op: OpSubscribe, Condition: stanza.ItemNotFound})
		}
		for range n {
			e, err := s.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, SubscriptionChanged, e.Kind)
			require.Error(t, e.Err)
		}
	})
}

func TestResubscribeEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := subscribeTo(t, 20)
		svc.answer = func(ctx context.Context, _ stanza.IQ, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, s.Resubscribe(ctx))
		require.Len(t, svc.requests(), DefaultRenewConcurrency)
		for _, sub := range s.Subscriptions() {
			require.Equal(t, SubscriptionActive, sub.State, "no answer is no refusal")
		}
	})
}

// TestResubscribeTwiceAtOnce is what happens when a connection is lost again while subscriptions are renewed.
func TestResubscribeTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20
		s, svc, _ := subscribeTo(t, n)
		time.Sleep(time.Second)
		svc.answer = func(context.Context, stanza.IQ, string) (string, error) {
			time.Sleep(time.Second)
			return active, nil
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { require.NoError(t, s.Resubscribe(t.Context())) })
		}
		wg.Wait()
		require.Len(t, svc.requests(), n, "what the one has renewed the other need not")
	})
}

func TestResubscribeLeavesTheUnsubscribedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := subscribeTo(t, 2)
		s.RenewConcurrency = 1
		svc.answer = func(context.Context, stanza.IQ, string) (string, error) {
			time.Sleep(time.Second)
			return active, nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, s.Resubscribe(t.Context())) })
		synctest.Wait()
		require.NoError(t, s.Unsubscribe(t.Context(), host(1), theNode))
		wg.Wait()
		require.Len(t, svc.requests(), 2)
		require.Len(t, s.Subscriptions(), 1)
	})
}

func TestResubscribeTellsDisconnection(t *testing.T) {
	s, svc, _ := subscribeTo(t, 1)
	svc.replies()
	err := s.Resubscribe(t.Context())
	require.ErrorIs(t, err, roundtrip.ErrDisconnected)
	require.False(t, errors.Is(err, &Error{}))
	require.True(t, IsTemporary(err))
}
