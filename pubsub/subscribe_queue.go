package pubsub

import (
	"container/list"
	"context"
	"iter"
)

// place is where a node waits for its events to be read, nil if there are none.
type place = *list.Element

// Next waits for an event and returns it. The error is that of ctx.
//
// It may be called from several goroutines: each event goes to one of them.
// Nodes take turns, so that one whose events never end keeps no other waiting.
func (s *Subscriber) Next(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Event{}, err
		}
		p, wake := s.take()
		if p != nil {
			return p.event(), nil
		}
		select {
		case <-ctx.Done():
		case <-wake:
		}
	}
}

// Events yields events until ctx ends.
//
// A loop that is slow stalls nobody: the events of a node that come meanwhile replace each other.
func (s *Subscriber) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			e, err := s.Next(ctx)
			if err != nil || !yield(e) {
				return
			}
		}
	}
}

// put makes an event wait to be read in place of the last one of its lane. The caller holds the lock.
func (s *Subscriber) put(sub *subscription, l lane, p *pending) {
	p.Service, p.Node, p.State = sub.Service, sub.Node, sub.State
	if old := sub.waiting[l]; old != nil {
		p.Superseded = old.Superseded + 1
		s.counters.Superseded++
		s.release(old)
	}
	s.charge(p)
	sub.waiting[l] = p
	if sub.place == nil {
		sub.place = s.queue.PushBack(sub)
	}
	s.signal()
}

// charge counts the payload as waiting, or drops it if there is no room. The caller holds the lock.
func (s *Subscriber) charge(p *pending) {
	if s.waitingBytes+len(p.raw) > s.maxWaiting() {
		p.raw, p.Err = nil, ErrOverflow
		s.counters.Overflows++
	}
	s.waitingBytes += len(p.raw)
}

// release undoes charge. The caller holds the lock.
func (s *Subscriber) release(p *pending) {
	if p != nil {
		s.waitingBytes -= len(p.raw)
	}
}

// signal wakes a reader. The caller holds the lock.
func (s *Subscriber) signal() {
	select {
	case s.wakeup() <- struct{}{}:
	default:
	}
}

// wakeup returns the channel that holds a token while there may be something to read. The caller holds the lock.
func (s *Subscriber) wakeup() chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// take removes the first event of the node whose turn it is, nil if nothing waits.
func (s *Subscriber) take() (*pending, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	front := s.queue.Front()
	if front == nil {
		return nil, s.wakeup()
	}
	sub := front.Value.(*subscription)
	var p *pending
	more := false
	for l, waits := range sub.waiting {
		switch {
		case waits == nil:
		case p == nil:
			p, sub.waiting[l] = waits, nil
		default:
			more = true
		}
	}
	if more {
		s.queue.MoveToBack(front)
	} else {
		s.queue.Remove(front)
		sub.place = nil
	}
	s.release(p)
	s.counters.Delivered++
	if s.queue.Len() > 0 {
		// There may be another reader, and only one token.
		s.signal()
	}
	return p, nil
}

// drop forgets what waits to be read of a node. The caller holds the lock.
func (s *Subscriber) drop(sub *subscription) {
	for _, p := range sub.waiting {
		s.release(p)
	}
	sub.waiting = [lanes]*pending{}
	s.dropEarly(sub)
	if sub.place != nil {
		s.queue.Remove(sub.place)
		sub.place = nil
	}
}
