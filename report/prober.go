package report

import (
	"context"
	"sync"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// prober asks peers in the background with a bounded number of goroutines, which end when there is nobody left to ask.
// Its owner calls wait.
type prober struct {
	check func(context.Context, xep.Name) optin.Verdict

	mu      sync.Mutex
	pending map[xep.Name]struct{}
	queue   []xep.Name
	workers int
	idle    chan struct{}
	wg      sync.WaitGroup
}

// add queues the names that are not queued yet, and returns a channel that is closed once nobody is left to ask.
// All calls must be given the same context.
func (p *prober) add(ctx context.Context, names []xep.Name) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = make(map[xep.Name]struct{})
	}
	if len(p.pending) == 0 {
		p.idle = make(chan struct{})
	}
	for _, n := range names {
		if _, ok := p.pending[n]; !ok {
			p.pending[n] = struct{}{}
			p.queue = append(p.queue, n)
		}
	}
	if len(p.pending) == 0 {
		close(p.idle)
	}
	for ; p.workers < probers && p.workers < len(p.pending); p.workers++ {
		p.wg.Go(func() { p.work(ctx) })
	}
	return p.idle
}

func (p *prober) work(ctx context.Context) {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.workers--
			p.mu.Unlock()
			return
		}
		name := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()

		if ctx.Err() == nil {
			p.check(ctx, name)
		}

		p.mu.Lock()
		delete(p.pending, name)
		if len(p.pending) == 0 {
			close(p.idle)
		}
		p.mu.Unlock()
	}
}

// wait returns when all goroutines have ended, which they do soon after their context has.
func (p *prober) wait() { p.wg.Wait() }
