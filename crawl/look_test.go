package crawl

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// steps collects what a look is told.
func steps(to *[]string) func(pubsub.Step) {
	return func(s pubsub.Step) { *to = append(*to, s.Name) }
}

// Every visit that says something about its domain is told of, whether or not anybody waits for it.
func TestOnVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "shy.test")
		n.set("shy.test", &fakeDomain{})
		c, g := newCrawler(n, "a.test")
		var mu sync.Mutex
		told := make(map[string]Account)
		c.OnVisit = func(domain xep.Name, a Account) {
			mu.Lock()
			defer mu.Unlock()
			told[domain.String()] = a
		}
		background(t, c, g)
		pass(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, told, 2)
		require.Equal(t, OutcomeReport, told["a.test"].Outcome)
		require.Equal(t, OutcomeUnnamed, told["shy.test"].Outcome)
		kept, ok := c.Account(xep.MustName("a.test"))
		require.True(t, ok)
		require.Equal(t, kept, told["a.test"])
	})
}

func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		n.report("new.test", "a.test")
		n.set("shy.test", &fakeDomain{})
		c, g := newCrawler(n, "a.test")
		c.Exclude = func(n xep.Name) bool { return n.String() == "excluded.test" }
		_, err := c.Look(t.Context(), "a.test", nil)
		require.ErrorIs(t, err, ErrNotRunning)
		background(t, c, g)
		pass(time.Minute)

		var told []string
		a, err := c.Look(t.Context(), "New.test", steps(&told))
		require.NoError(t, err)
		require.Equal(t, OutcomeReport, a.Outcome)
		require.Len(t, told, len(a.Trace))
		require.Equal(t, StepBind, told[len(told)-1])
		require.Contains(t, shown(g), "new.test", "what was found is taken in")

		questions := len(n.questions("new.test"))
		told = nil
		again, err := c.Look(t.Context(), "new.test", steps(&told))
		require.NoError(t, err)
		require.Equal(t, a, again, "the last visit is told again")
		require.Len(t, told, len(a.Trace))
		require.Len(t, n.questions("new.test"), questions)
		pass(LookAgain)
		again, err = c.Look(t.Context(), "new.test", nil)
		require.NoError(t, err)
		require.True(t, again.At.After(a.At))
		require.Equal(t, OutcomeReport, again.Outcome)

		kept, ok := c.Account(xep.MustName("new.test"))
		require.True(t, ok)
		require.Equal(t, again, kept)
		a, err = c.Look(t.Context(), "shy.test", nil)
		require.NoError(t, err)
		require.Equal(t, OutcomeUnnamed, a.Outcome)
		_, ok = c.Account(xep.MustName("shy.test"))
		require.False(t, ok, "no account without a verdict")

		for _, bad := range []string{"no name", "_unaddressable.test"} {
			_, err = c.Look(t.Context(), bad, nil)
			require.Error(t, err)
		}
		_, err = c.Look(t.Context(), "excluded.test", nil)
		require.ErrorIs(t, err, ErrExcluded)
		require.Empty(t, n.questions("excluded.test"))
	})
}

func TestLooksShareAVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.set("mute.test", &fakeDomain{silent: true})
		c, g := newCrawler(n)
		background(t, c, g)
		synctest.Wait()
		var looks sync.WaitGroup
		outcomes := make([]Outcome, 20)
		for i := range outcomes {
			looks.Go(func() {
				a, err := c.Look(t.Context(), "mute.test", nil)
				if err != nil {
					t.Error(err)
				}
				outcomes[i] = a.Outcome
			})
		}
		looks.Wait()
		require.Equal(t, make([]Outcome, 20), outcomes, "unreachable")
		require.Len(t, n.questions("mute.test"), 1)
	})
}

// Whoever looks at a domain that is being visited is told of the steps that are past, and of each of the others as it ends.
func TestLookDuringAVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("slow.test")
		n.before = func(string, string) { time.Sleep(10 * time.Second) }
		c, g := newCrawler(n, "slow.test")
		began := time.Now()
		background(t, c, g)
		pass(15 * time.Second)
		var at []time.Duration
		a, err := c.Look(t.Context(), "slow.test", func(pubsub.Step) { at = append(at, time.Since(began).Truncate(5*time.Second)) })
		require.NoError(t, err)
		require.Equal(t, OutcomeReport, a.Outcome)
		require.Len(t, at, len(a.Trace))
		require.Equal(t, 15*time.Second, at[0])
		require.Greater(t, at[len(at)-1], 20*time.Second)
		require.Contains(t, at, 20*time.Second, "each as it ends")
	})
}

// TestLookOvertakes asks for a domain that is due, behind more domains than can be visited at a time.
func TestLookOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		var seeds []string
		for i := range 100 {
			seeds = append(seeds, fmt.Sprintf("mute%d.test", i))
			n.set(seeds[i], &fakeDomain{silent: true})
		}
		n.report("last.test")
		seeds = append(seeds, "last.test")
		c, g := newCrawler(n, seeds...)
		c.Concurrency = 1
		background(t, c, g)
		synctest.Wait()
		begin := time.Now()
		a, err := c.Look(t.Context(), "last.test", nil)
		require.NoError(t, err)
		require.Equal(t, OutcomeReport, a.Outcome)
		require.Less(t, time.Since(begin), 30*time.Second, "in simulated time")
		pass(3 * time.Hour)
		require.Zero(t, c.Stats().Due)
	})
}

func TestLookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.set("mute.test", &fakeDomain{silent: true})
		n.report("a.test")
		c, _ := newCrawler(n)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range c.Run(ctx) {
			}
		}()
		synctest.Wait()

		impatient, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		_, err := c.Look(impatient, "mute.test", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		n.fail(roundtrip.ErrDisconnected)
		_, err = c.Look(t.Context(), "a.test", nil)
		require.ErrorIs(t, err, ErrBusy)

		result := make(chan error)
		go func() {
			_, err := c.Look(context.Background(), "mute.test", nil)
			result <- err
		}()
		synctest.Wait()
		cancel()
		require.Error(t, <-result)
		<-ended
	})
}

func TestAccountsAreBounded(t *testing.T) {
	var as accounts
	name := func(i int) xep.Name { return xep.MustName(fmt.Sprintf("d%d.test", i)) }
	for i := range maxAccounts + 10 {
		as.put(name(i), Account{Outcome: OutcomeSilent})
		as.put(name(i), Account{Outcome: OutcomeReport})
	}
	require.Len(t, as.byName, maxAccounts)
	require.Len(t, as.order, maxAccounts)
	require.NotContains(t, as.byName, name(9))
	require.Contains(t, as.byName, name(10))
	require.Equal(t, OutcomeReport, as.byName[name(maxAccounts+9)].Outcome)
}
