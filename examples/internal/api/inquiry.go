package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/limit"
	"github.com/xmppgraph/xmppgraph/examples/internal/remedy"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// inquiryLife is how long the answer about a domain stands, so that nobody can have the same domain asked again and again.
	inquiryLife = time.Minute
	// maxInquiries bounds the answers that stand.
	maxInquiries = 4096
	// Each site may be asked siteBurst times at once about any of its subdomains, and once more each siteEvery.
	siteBurst = 5
	siteEvery = 30 * time.Second
)

// inquiries are the domains that were submitted last. All who submit the same one share a visit.
type inquiries struct {
	s     *Server
	sites *limit.Limiter

	mu       sync.Mutex
	all      map[xep.Name]*inquiry
	visiting int
}

func newInquiries(s *Server) *inquiries {
	return &inquiries{s: s, sites: limit.New(siteBurst, siteEvery, s.o.Now), all: make(map[xep.Name]*inquiry)}
}

// inquiry is a visit of a submitted domain, with what it has found out so far.
type inquiry struct {
	domain xep.Name
	began  time.Time

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	steps   []step
	result  *answer // nil until the visit has ended
}

// answer is what a submission leads to.
type answer struct {
	Domain  string `json:"domain"`
	Outcome string `json:"outcome"`
	Named   bool   `json:"named"`
	Text    string `json:"text"`
	At      stamp  `json:"at"`
	Steps   []step `json:"steps,omitempty"`
}

// The outcomes beside those of a visit.
const (
	// refused is a domain that is not visited, for whatever reason.
	refused = "refused"
	// unfinished is a visit that there was no time for.
	unfinished = "unfinished"
)

// refusal says nothing about the reason, as the exclusion of a domain is nobody's business.
func (q *inquiries) refusal(name xep.Name) *inquiry {
	return &inquiry{domain: name, changed: make(chan struct{}), result: &answer{
		Domain: name.String(), Outcome: refused, Text: name.Unicode() + " is not visited at present.", At: stamp(q.s.o.Now()),
	}}
}

var busy = problem{Status: http.StatusServiceUnavailable, Detail: "too many domains are being visited at the moment", retry: 10 * time.Second}

// ask returns the visit of a domain, and begins one if there was none lately.
func (q *inquiries) ask(name xep.Name) (*inquiry, error) {
	if q.s.o.Exclude(name) || name.IsIP() || !name.Addressable() {
		return q.refusal(name), nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.s.o.Now()
	q.tidy(now)
	if one, ok := q.all[name]; ok {
		return one, nil
	}
	l := q.s.o.Limits
	if q.s.life.Err() != nil || l.Visiting >= 0 && q.visiting >= l.Visiting || len(q.all) >= maxInquiries {
		return nil, busy
	}
	if q.sites.Take(site(name)) > 0 {
		return q.refusal(name), nil
	}
	one := &inquiry{domain: name, began: now, changed: make(chan struct{})}
	q.all[name] = one
	q.visiting++
	q.s.running.Go(func() { q.visit(one) })
	return one, nil
}

// tidy forgets answers that no longer stand.
func (q *inquiries) tidy(now time.Time) {
	for name, one := range q.all {
		if _, result, _ := one.state(0); result != nil && now.Sub(one.began) >= inquiryLife {
			delete(q.all, name)
		}
	}
}

// site is what one owner has, as far as the list of public suffixes knows.
func site(name xep.Name) string {
	if s, err := publicsuffix.EffectiveTLDPlusOne(name.String()); err == nil {
		return s
	}
	return name.String()
}

func (q *inquiries) visit(one *inquiry) {
	ctx, cancel := context.WithTimeout(q.s.life, q.s.o.Limits.VisitTime)
	defer cancel()
	where := remedy.Where{Domain: one.domain}
	a, err := q.s.o.Look(ctx, one.domain.String(), func(s pubsub.Step) { one.add(newStep(s, where)) })
	all := !one.untold()
	if q.s.o.LookElsewhere != nil && (errors.Is(err, crawl.ErrElsewhere) || errors.Is(err, crawl.ErrNotRunning)) {
		a, all, err = q.s.o.LookElsewhere(ctx, one.domain, func(s store.Step) { one.add(storedStep(s)) })
	}
	if err == nil && q.s.o.Visited != nil && !all {
		q.recall(ctx, one, a.At)
	}
	now := q.s.o.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.visiting--
	switch {
	case err == nil:
		one.end(newAnswer(one.domain, a, now))
		return
	case errors.Is(err, crawl.ErrExcluded):
		one.end(q.refusal(one.domain).result)
		return
	}
	// Whoever asks again may be luckier.
	delete(q.all, one.domain)
	one.end(&answer{
		Domain: one.domain.String(), Outcome: unfinished, Text: "There was no time for " + one.domain.Unicode() + ". Please try again in a minute.", At: stamp(now),
	})
}

const (
	// recallTime is how long to wait for the steps of a visit that another process made, and recallEvery how often to ask for them.
	recallTime, recallEvery = 3 * time.Second, 200 * time.Millisecond
	// clocksApart is by how much the clocks of two processes may differ.
	clocksApart = 2 * time.Second
)

// recall tells the steps of a visit that another process made at a time, once it has stored them, but for those that were told already.
func (q *inquiries) recall(ctx context.Context, one *inquiry, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	tick := time.NewTicker(recallEvery)
	defer tick.Stop()
	for {
		v, err := q.s.o.Visited(ctx, one.domain)
		switch {
		case err == nil && !v.At.Before(at.Add(-clocksApart)):
			told, _, _ := one.state(0)
			for _, s := range v.Steps[min(len(told), len(v.Steps)):] {
				one.add(storedStep(s))
			}
			return
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func newAnswer(name xep.Name, a crawl.Account, now time.Time) *answer {
	return &answer{
		Domain: name.String(), Outcome: a.Outcome.String(), Named: a.Until.After(now), Text: sentence(name, a), At: stamp(a.At),
	}
}

// sentence says in one line what came of a visit.
func sentence(name xep.Name, a crawl.Account) string {
	who := name.Unicode()
	switch a.Outcome {
	case crawl.OutcomeUnnamed:
		return who + " answers and does not opt in, so it is not shown by name."
	case crawl.OutcomeSilent:
		return who + " opts in, but its report can't be read."
	case crawl.OutcomeReport:
		return who + " opts in and reports its connections."
	case crawl.OutcomeSubscribed:
		return who + " opts in, and its report is read as soon as it is published."
	default:
		return who + " gives no answer."
	}
}

// add tells of one more step.
func (i *inquiry) add(s step) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.result == nil {
		i.steps = append(i.steps, s)
		i.wake()
	}
}

// untold reports whether no step was told of.
func (i *inquiry) untold() bool {
	steps, _, _ := i.state(0)
	return len(steps) == 0
}

// end tells the result.
func (i *inquiry) end(a *answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.result = a
	i.wake()
}

func (i *inquiry) wake() {
	close(i.changed)
	i.changed = make(chan struct{})
}

// state returns the steps from one on, the result if there is one, and what tells of the next change.
func (i *inquiry) state(from int) ([]step, *answer, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.steps[min(from, len(i.steps)):], i.result, i.changed
}
