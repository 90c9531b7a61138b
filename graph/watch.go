package graph

import (
	"context"
	"iter"
	"time"
)

// Watch yields what changes, for as long as the loop over it runs and the context isn't done.
//
// The first changes are from nothing to the present.
// After that, each time at least a Pulse (see [Options]) after the last, come those to the newest snapshot, seen through the views.
// A slow loop misses versions between, and never holds up anybody.
// Names that are withdrawn and reports that grow old count as changes too, at the moment they end.
// The graph's clock says when that is, and the time until then is waited for by the system's.
func (g *Graph) Watch(ctx context.Context, views ...View) iter.Seq[Changes] {
	return func(yield func(Changes) bool) {
		var old, base *Snapshot
		for ctx.Err() == nil {
			wake := g.waker()
			s := g.Snapshot()
			if s != base {
				base = s
				v := s.View(views...)
				c := Diff(old, v)
				if old == nil || len(c.Events) > 0 {
					if !yield(c) {
						return
					}
					old = v
				}
			}
			if !g.wait(ctx, wake, s) {
				return
			}
		}
	}
}

// waker returns a channel that is closed when the graph changes after its next snapshot.
func (g *Graph) waker() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// wait lets a pulse pass, and then time until the snapshot is out of date. It returns false when the context is done.
func (g *Graph) wait(ctx context.Context, wake <-chan struct{}, s *Snapshot) bool {
	pulse := time.NewTimer(g.pulse)
	defer pulse.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pulse.C:
	}
	left := max(time.Unix(int64(s.dense().end), 0).Sub(g.now()), g.pulse)
	end := time.NewTimer(left)
	defer end.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-end.C:
	}
	return true
}
