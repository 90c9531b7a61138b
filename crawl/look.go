package crawl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// LookAgain is the least time between two visits of a domain that [Crawler.Look] makes.
	// Whoever asks earlier gets what the last one found.
	LookAgain = time.Minute
	// looksAtATime bounds the visits that don't wait for their turn among all others.
	looksAtATime = 8
	// looksWaiting bounds those that wait for one of these.
	looksWaiting = 64
	// maxAccounts bounds the accounts that are kept, some two kilobytes each.
	maxAccounts = 10_000
)

// The errors of [Crawler.Look] beside those of [xep.ParseName].
var (
	// ErrNotRunning is a crawler that does not run.
	ErrNotRunning = errors.New("crawl: the crawler does not run")
	// ErrExcluded is a domain that is never contacted.
	ErrExcluded = errors.New("crawl: the domain is excluded")
	// ErrBusy is a crawler that could not ask now, for its own sake or because its session is lost; it tries again by itself.
	ErrBusy = errors.New("crawl: too busy to ask now")
)

// Account is how a visit went, without what it found about other domains.
type Account struct {
	// At is when the visit ended.
	At time.Time
	// Outcome says how it ended, and Err why no report was had, nil if one was.
	Outcome Outcome
	Err     error
	// Until is the end of the domain's verdict, zero if it may not be named.
	Until time.Time
	// Trace tells every step.
	Trace pubsub.Trace
}

// Look visits a domain ahead of all others and tells how that went, each step as it ends if onStep is not nil.
//
// It keeps to the spacing and limits of the crawl, and what it finds is taken in as from any other visit.
// A visit that is under way is waited for instead of made again, and told from its beginning; one that ended within [LookAgain] is told again,
// so that nobody can use it to bother a host.
// OnStep is called from one goroutine at a time, and not after Look has returned.
func (c *Crawler) Look(ctx context.Context, domain string, onStep func(pubsub.Step)) (Account, error) {
	name, err := xep.ParseName(domain)
	if err != nil {
		return Account{}, err
	}
	if !name.Addressable() {
		return Account{}, fmt.Errorf("crawl: nothing can be sent to %q", name)
	}
	c.mu.Lock()
	r := c.run
	c.mu.Unlock()
	if r == nil {
		return Account{}, ErrNotRunning
	}
	if r.excluded(name) {
		return Account{}, ErrExcluded
	}
	return r.look(ctx, name, onStep)
}

// Account returns how the last visit of a domain went, and whether that is known: those of domains that may be named are kept.
func (c *Crawler) Account(domain xep.Name) (Account, bool) {
	c.mu.Lock()
	r := c.run
	c.mu.Unlock()
	if r == nil {
		return Account{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.accounts.byName[domain]
	if e := r.frontier.entries[domain]; !ok || e == nil || !e.until.After(r.clock.Now()) || r.excluded(domain) {
		return Account{}, false
	}
	return a, true
}

// accounts are the latest accounts, the oldest domain of which goes where there are too many.
type accounts struct {
	byName map[xep.Name]Account
	order  []xep.Name
	next   int // where order begins once it is full
}

func (as *accounts) put(name xep.Name, a Account) {
	if as.byName == nil {
		as.byName = make(map[xep.Name]Account)
	}
	if _, known := as.byName[name]; !known {
		if len(as.order) < maxAccounts {
			as.order = append(as.order, name)
		} else {
			delete(as.byName, as.order[as.next])
			as.order[as.next] = name
			as.next = (as.next + 1) % maxAccounts
		}
	}
	as.byName[name] = a
}

// watch is a visit that somebody may wait for.
type watch struct {
	// wanted tells that somebody does. The run's lock protects it.
	wanted bool

	mu    sync.Mutex
	steps pubsub.Trace
	more  chan struct{} // closed when there is more, nil while nobody would notice
	ended bool
	acct  Account
	err   error
}

func (w *watch) step(s pubsub.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, s)
	w.wake()
}

// end tells how the visit ended, and those of its steps that nobody was told of.
func (w *watch) end(a Account, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if told := len(w.steps); told < len(a.Trace) {
		w.steps = append(w.steps, a.Trace[told:]...)
	}
	w.ended, w.acct, w.err = true, a, err
	w.wake()
}

func (w *watch) wake() {
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
}

// state returns the steps after the first told, whether there will be more, and a channel that says when.
func (w *watch) state(told int) (steps pubsub.Trace, ended bool, more <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return w.steps[told:], w.ended, w.more
}

// follow tells the steps until the visit ends, or ctx or the run does.
func (w *watch) follow(ctx context.Context, over <-chan struct{}, onStep func(pubsub.Step)) (Account, error) {
	for told := 0; ; {
		steps, ended, more := w.state(told)
		told += len(steps)
		for _, s := range steps {
			if onStep != nil {
				onStep(s)
			}
		}
		if ended {
			return w.acct, w.err
		}
		select {
		case <-more:
		case <-over:
			return Account{}, ErrNotRunning
		case <-ctx.Done():
			return Account{}, ctx.Err()
		}
	}
}

func (r *run) look(ctx context.Context, name xep.Name, onStep func(pubsub.Step)) (Account, error) {
	w, err := r.watch(name)
	if err != nil {
		return Account{}, err
	}
	return w.follow(ctx, r.over, onStep)
}

// watch returns a visit that ended lately, is under way, or begins now.
func (r *run) watch(name xep.Name) (*watch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if a, ok := r.accounts.byName[name]; ok && now.Before(a.At.Add(LookAgain)) {
		w := new(watch)
		w.end(a, nil)
		return w, nil
	}
	if !r.holds(name) {
		return nil, ErrElsewhere
	}
	if len(r.urgent) == cap(r.urgent) {
		return nil, ErrBusy
	}
	e, _ := r.invite(name, now)
	if e == nil {
		return nil, errFull
	}
	if e.watch == nil {
		e.watch = new(watch)
	}
	if !e.watch.wanted {
		e.watch.wanted, e.mentioned = true, now
		r.touch(e)
	}
	if e.place != placeFlight {
		// What a subscription knows already is asked all the same: whoever looks wants to see the whole way.
		e.polled = time.Time{}
		r.frontier.seize(e)
		r.hold.flying[e] = struct{}{}
		r.urgent <- e
	}
	return e.watch, nil
}

// attendUrgent makes the visits that somebody waits for, until ctx ends.
func (r *run) attendUrgent(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	for range looksAtATime {
		workers.Go(func() {
			for {
				select {
				case e := <-r.urgent:
					r.visit(ctx, e)
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// account notes how a visit went, and tells whoever waits for it. It returns false where there is nothing to tell.
// The caller holds the lock.
func (r *run) account(e *entry, res *Result) (a Account, told bool) {
	w := e.watch
	e.watch = nil
	err := ErrBusy
	switch {
	case r.excluded(e.name):
		err = ErrExcluded
	case res != nil:
		err = nil
		a = Account{At: r.clock.Now(), Outcome: res.Outcome, Err: res.Err, Until: e.until, Trace: res.Trace}
		if w != nil && w.wanted || !e.until.IsZero() {
			r.accounts.put(e.name, a)
		}
	}
	if w != nil {
		w.end(a, err)
	}
	return a, err == nil
}
