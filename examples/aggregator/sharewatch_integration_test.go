//go:build integration

package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// asked is when a crawler asked a domain about itself.
type asked struct {
	at   time.Time
	from string
}

// watcher counts at the simulated network.
type watcher struct {
	mu     sync.Mutex
	visits map[string][]asked
}

// see is a [testserver.Config.Answer] that answers nothing itself.
func (w *watcher) see(r testserver.Request) (testserver.Reply, bool) {
	if strings.Contains(string(r.Payload), "disco#info") {
		w.mu.Lock()
		w.visits[r.To] = append(w.visits[r.To], asked{time.Now(), r.From})
		w.mu.Unlock()
	}
	return testserver.Reply{}, false
}

// since returns how often each of the domains was asked since, and by whom.
func (w *watcher) since(t time.Time, domains []string) (counts map[string]int, by map[string]int) {
	counts, by = make(map[string]int), make(map[string]int)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range domains {
		counts[d] = 0
		for _, a := range w.visits[d] {
			if a.at.After(t) {
				counts[d]++
				by[a.from]++
			}
		}
	}
	return counts, by
}

// gap is the time between two visits of one domain.
type gap struct {
	time.Duration
	domain, first, second string
}

func (g gap) String() string {
	return fmt.Sprintf("%s (%s by %s and %s)", g.Duration.Round(time.Millisecond), g.domain, g.first, g.second)
}

// gaps returns the least and the most time between a visit of one domain since then and its next one.
func (w *watcher) gaps(since time.Time, domains []string) (least, most gap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	least.Duration = 1 << 62
	for _, d := range domains {
		all := w.visits[d]
		for i := 1; i < len(all); i++ {
			if !all[i-1].at.After(since) {
				continue
			}
			g := gap{all[i].at.Sub(all[i-1].at), d, all[i-1].from, all[i].from}
			if g.Duration < least.Duration {
				least = g
			}
			if g.Duration > most.Duration {
				most = g
			}
		}
	}
	return least, most
}

// unvisited returns those of the domains that were not visited since.
func (w *watcher) unvisited(since time.Time, domains []string) (rest []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range domains {
		if all := w.visits[d]; len(all) == 0 || !all[len(all)-1].at.After(since) {
			rest = append(rest, d)
		}
	}
	return rest
}

// everybody waits until each domain was visited since.
func (w *watcher) everybody(t *testing.T, since time.Time, domains []string, limit time.Duration) {
	t.Helper()
	rest := domains
	for deadline := time.Now().Add(limit); len(rest) > 0; time.Sleep(20 * time.Millisecond) {
		rest = w.unvisited(since, rest)
		require.True(t, len(rest) == 0 || time.Now().Before(deadline), "%d of %d domains were not visited within %s", len(rest), len(domains), limit)
	}
}
