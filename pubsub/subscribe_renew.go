package pubsub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxRenewErrors bounds the errors that Resubscribe returns; each subscription keeps its own.
const maxRenewErrors = 16

// Resubscribe renews every subscription, those that ended without our doing included, and waits for the answers.
//
// It belongs into the OnConnect hook of a session: services forget subscriptions now and then, and what they sent while there
// was no connection is lost, unless they send the last item again.
// It may be called as often as one likes, but each time costs a request for each subscription; those whose confirmation is the
// oldest come first.
//
// A subscription that begins or ends by this makes an event of kind [SubscriptionChanged].
// The errors joined are those of the first subscriptions that failed; it is the error of ctx alone if that ended first.
func (s *Subscriber) Resubscribe(ctx context.Context) error {
	begun := s.now()
	work := make(chan renewal)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	failed := 0
	for range orDefault(s.RenewConcurrency, DefaultRenewConcurrency) {
		wg.Go(func() {
			for r := range work {
				if err := s.renew(ctx, r, begun); err != nil {
					mu.Lock()
					if failed++; failed <= maxRenewErrors {
						errs = append(errs, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range s.renewals() {
		if ctx.Err() != nil {
			break
		}
		select {
		case work <- r:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > maxRenewErrors {
		errs = append(errs, fmt.Errorf("and %d more", failed-maxRenewErrors))
	}
	return errors.Join(errs...)
}

// renewal is a subscription to be renewed.
type renewal struct {
	key       key
	target    target
	confirmed time.Time
}

func (s *Subscriber) renewals() []renewal {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]renewal, 0, len(s.book))
	for k, sub := range s.book {
		all = append(all, renewal{k, target{service: sub.Service, addr: sub.Addr, node: sub.Node}, sub.Confirmed})
	}
	slices.SortFunc(all, func(a, b renewal) int {
		if c := a.confirmed.Compare(b.confirmed); c != 0 {
			return c
		}
		return a.key.compare(b.key)
	})
	return all
}

// renew asks again, unless somebody else has since all began.
func (s *Subscriber) renew(ctx context.Context, r renewal, begun time.Time) error {
	if err := s.enter(ctx, r.key); err != nil {
		return err
	}
	defer s.leave(r.key)
	if sub, ok := s.Subscription(r.target.service, r.target.node); !ok || sub.Confirmed.After(begun) {
		return nil
	}
	_, err := s.ask(ctx, r.key, r.target, true)
	return err
}
