package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestReason(t *testing.T) {
	for name, c := range map[string]struct {
		trace pubsub.Trace
		want  string
	}{
		"opts in":     {pubsub.Trace{{Name: pubsub.StepDomainInfo}, {Name: pubsub.StepOptIn}}, "advertised"},
		"does not":    {pubsub.Trace{{Name: pubsub.StepDomainInfo}, {Name: pubsub.StepOptIn, Status: pubsub.StatusFailed}}, "listed"},
		"no answer":   {pubsub.Trace{{Name: pubsub.StepDomainInfo, Status: pubsub.StatusFailed}}, ""},
		"not visited": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := crawl.Account{Trace: c.trace}
			require.Equal(t, c.want, newTrace(xep.MustName("a.test"), a).reason())
			require.Equal(t, c.want, storedTrace(Visit(xep.MustName("a.test"), a)).reason())
		})
	}
}

// visited is what a store knows of a visit.
func visited(name xep.Name, at time.Time) store.Visit {
	return Visit(name, crawl.Account{At: at, Outcome: crawl.OutcomeReport, Trace: pubsub.Trace{
		{Name: pubsub.StepOptIn, Asked: "the feature", Got: "it is there", Took: 84 * time.Millisecond},
		{Name: pubsub.StepFetch, Status: pubsub.StatusFailed, Asked: "the item", Err: pubsub.ErrNoItem},
	}})
}

// What is stored is shown as what was just seen.
func TestStoredTraceIsTheSame(t *testing.T) {
	name := xep.MustName("a.test")
	a := crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Trace: pubsub.Trace{
		{Name: pubsub.StepOptIn, Asked: "the feature", Got: "it is there", Took: 84 * time.Millisecond},
		{Name: pubsub.StepFetch, Status: pubsub.StatusFailed, Asked: "the item", Err: pubsub.ErrNoItem},
	}}
	want := newTrace(name, a)
	require.NotEmpty(t, want.Steps[1].Fix)
	require.Equal(t, want, storedTrace(Visit(name, a)))
}

// A process that did not make a visit shows it all the same, to nobody else than who may see the domain.
func TestDetailOfAVisitElsewhere(t *testing.T) {
	var err error
	asked := 0
	w := newWorld(t, Options{Visited: func(_ context.Context, n xep.Name) (store.Visit, error) {
		asked++
		return visited(n, noon), err
	}})
	d := read[detail](w, base+"/domains/a.test")
	require.Equal(t, "advertised", d.Verdict.Reason)
	require.Len(t, d.Trace.Steps, 2)
	require.Equal(t, int64(84), d.Trace.Steps[0].MS)
	require.NotEmpty(t, d.Trace.Steps[1].Fix)
	requireProblem(t, http.StatusNotFound, w.get(base+"/domains/shy.test"))
	require.Equal(t, 1, asked)
	for _, err = range []error{store.ErrNotFound, store.ErrUnavailable, errors.New("broken")} {
		require.Nil(t, read[detail](w, base+"/domains/a.test").Trace)
	}
}

// What another process tells of a visit is passed on as it comes, and what it does not tell once it is stored.
func TestLiveTraceFromAnotherProcess(t *testing.T) {
	stored := visited(xep.MustName("one.test"), noon)
	for name, tc := range map[string]struct {
		why  error
		told int
		all  bool
		want int
	}{
		"all of it":           {crawl.ErrElsewhere, 2, true, 2},
		"before the crawl":    {crawl.ErrNotRunning, 2, true, 2},
		"a part of it":        {crawl.ErrElsewhere, 1, false, 2},
		"nothing":             {crawl.ErrElsewhere, 0, false, 2},
		"more than is stored": {crawl.ErrElsewhere, 3, false, 3},
		"for other reasons":   {crawl.ErrBusy, 2, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				recalled, goOn := 0, make(chan struct{})
				w := newWorld(t, Options{
					Look: func(context.Context, string, func(pubsub.Step)) (crawl.Account, error) {
						return crawl.Account{}, tc.why
					},
					LookElsewhere: func(_ context.Context, n xep.Name, onStep func(store.Step)) (crawl.Account, bool, error) {
						for i := range tc.told {
							onStep(stored.Steps[i%2])
							<-goOn
						}
						return crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Until: noon.Add(time.Hour)}, tc.all, nil
					},
					Visited: func(_ context.Context, n xep.Name) (store.Visit, error) {
						recalled++
						return visited(n, noon), nil
					},
				})
				defer w.Close()
				one, err := w.Server.inquiries.ask(stored.Domain)
				require.NoError(t, err)
				for i := range tc.told {
					synctest.Wait()
					if errors.Is(tc.why, crawl.ErrBusy) {
						break
					}
					steps, result, _ := one.state(0)
					require.Len(t, steps, i+1, "as it comes")
					require.Nil(t, result)
					goOn <- struct{}{}
				}
				synctest.Wait()
				steps, result, _ := one.state(0)
				require.NotNil(t, result)
				require.Len(t, steps, tc.want)
				if tc.want == 0 {
					require.Equal(t, unfinished, result.Outcome)
					return
				}
				require.Equal(t, "report", result.Outcome)
				require.Equal(t, tc.all, recalled == 0)
				require.Equal(t, storedStep(stored.Steps[1]), steps[1])
			})
		})
	}
}

// Whoever submits a domain that another process visits gets the steps once that has stored them, and no older ones.
func TestSubmissionToAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		stored, at := store.ErrNotFound, noon.Add(-time.Hour)
		w := newWorld(t, Options{
			Look: func(context.Context, string, func(pubsub.Step)) (crawl.Account, error) {
				return crawl.Account{At: noon, Outcome: crawl.OutcomeReport, Until: noon.Add(time.Hour)}, nil
			},
			Visited: func(_ context.Context, n xep.Name) (store.Visit, error) {
				mu.Lock()
				defer mu.Unlock()
				return visited(n, at), stored
			},
		})
		defer w.Close()
		set := func(err error, t time.Time) func() {
			return func() {
				mu.Lock()
				defer mu.Unlock()
				stored, at = err, t
			}
		}
		submit := func(domain string) (a answer) {
			require.NoError(t, json.NewDecoder(w.submit(domain).Body).Decode(&a))
			return a
		}
		time.AfterFunc(time.Second, set(nil, noon.Add(-time.Hour)))
		time.AfterFunc(2*time.Second, set(nil, noon))
		began := time.Now()
		require.Len(t, submit("one.test").Steps, 2)
		require.InDelta(t, 2, time.Since(began).Seconds(), 0.5)

		set(nil, noon.Add(-time.Hour))()
		began = time.Now()
		late := submit("two.test")
		require.Empty(t, late.Steps)
		require.Equal(t, "report", late.Outcome)
		require.Equal(t, recallTime, time.Since(began))

		set(store.ErrUnavailable, noon)()
		began = time.Now()
		require.Equal(t, "report", submit("three.test").Outcome)
		require.Zero(t, time.Since(began))
	})
}
