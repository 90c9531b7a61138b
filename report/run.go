package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
)

// firstRetry is the pause after a first temporary failure; it doubles up to the interval.
const firstRetry = 5 * time.Second

// run is one call of [Reporter.Run]. One goroutine uses it.
type run struct {
	*Reporter
	*setup
	prober prober
	// groups are the connections of the last look that succeeded.
	groups []peerGroup
	looked bool

	// learned is when the local domains were last asked for their components.
	learned time.Time

	// ensured tells that the node is known to be in order.
	ensured bool
	// last is what is on the node as far as is known, payload its bytes without what is told of the server itself, and since
	// when. The payload is nil if that is not known.
	last    optin.Redacted
	payload []byte
	at      time.Time
	// onNode tells that there may be an item of ours.
	onNode bool
	// failures counts temporary failures in a row.
	failures int
	// What may go wrong at every turn.
	unknown, wrong, refused, undescribed complaint
}

// Run publishes until ctx ends, and then withdraws or keeps the item, as Exit says.
//
// The first publication comes as soon as the peers have answered, or after Warmup.
// From then on it looks at the connections every Interval and publishes what has changed; what has not is published again
// after Heartbeat, and a name that loses its consent goes at once.
//
// A service that refuses is asked again every Interval, and the log says what its operator has to change; what may go away by
// itself is tried again sooner. An error that stays the same is logged once each Heartbeat.
// Run returns nil in the end, an error if the fields are not usable, or why the item could not be withdrawn.
// It must not be called twice at the same time.
func (r *Reporter) Run(ctx context.Context) error {
	s, err := r.prepare()
	if err != nil {
		return err
	}
	u := &run{Reporter: r, setup: s, prober: prober{check: s.consent.Check}}
	probing, cancel := context.WithCancel(ctx)
	u.loop(probing)
	cancel()
	u.prober.wait()
	return u.leave(context.WithoutCancel(ctx))
}

// loop takes turns until ctx ends.
func (u *run) loop(ctx context.Context) {
	losses, stop := u.consent.Losses()
	defer stop()
	for ctx.Err() == nil {
		asked := u.turn(ctx)
		next := u.now().Add(u.jittered())
		for ctx.Err() == nil && u.sleep(ctx, next, &asked, losses) {
			// Some peers answered late, or to somebody else. Who is to be named can wait for the next turn, who isn't can't.
			if u.lost() {
				u.meter.note(func(s *Stats) { s.Losses++ })
				u.settle(ctx, u.publishIfNew(ctx))
			}
		}
	}
}

// turn looks at the connections, gives the peers time to answer, and publishes.
// It returns what is closed once the last peer has answered.
func (u *run) turn(ctx context.Context) <-chan struct{} {
	began := u.now()
	groups, err := u.connections(ctx, u.learnAgain(began))
	if err == nil {
		u.groups, u.looked = groups, true
		u.relief(&u.unknown, "connections are known again")
	} else if ctx.Err() == nil {
		// The names published before still have to go when their time is up, so the turn goes on with the connections from before.
		u.grumble(&u.unknown, slog.LevelWarn, "connections are not known", err)
	}
	asked := u.prober.add(ctx, names(u.groups))
	if await(ctx, asked, or(u.Warmup, DefaultWarmup)-u.now().Sub(began)) != nil {
		return asked
	}
	if u.looked {
		u.settle(ctx, u.publishIfNew(ctx))
	} else {
		u.observe(Event{At: u.now(), Err: err})
	}
	return asked
}

// learnAgain reports whether it is time to ask the local domains for their components, and notes that it was.
func (u *run) learnAgain(now time.Time) bool {
	if !u.learned.IsZero() && now.Sub(u.learned) < or(u.Heartbeat, DefaultHeartbeat) {
		return false
	}
	u.learned = now
	return true
}

// sleep waits for the next turn, which gives false, or for the last peer to answer, or for somebody to lose consent.
func (u *run) sleep(ctx context.Context, next time.Time, asked *<-chan struct{}, losses <-chan struct{}) bool {
	t := time.NewTimer(u.pause(next))
	defer t.Stop()
	select {
	case <-*asked:
		// A nil channel never delivers.
		*asked = nil
		return true
	case <-losses:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// pause is the time until the next turn, which comes sooner after a failure or where a name's time is up before.
func (u *run) pause(next time.Time) time.Duration {
	d := next.Sub(u.now())
	if u.failures > 0 {
		d = min(d, firstRetry<<min(u.failures-1, 10))
	}
	if until := u.last.Until(); !until.IsZero() {
		d = min(d, until.Sub(u.now())-u.grace()/2)
	}
	return max(d, min(time.Second, u.grace()))
}

// grace is how long before its time is up a name is left out.
// Names whose time is up at about the same time then go together, and before rather than after.
func (u *run) grace() time.Duration { return u.interval() / 10 }

// lost reports whether a published name has lost its consent.
func (u *run) lost() bool {
	at := u.now()
	for _, name := range u.last.Names() {
		if !u.consent.Verdict(name).Named(at) {
			return true
		}
	}
	return false
}

// publishIfNew composes, and publishes if there is a reason to.
func (u *run) publishIfNew(ctx context.Context) error {
	now := u.now()
	red := u.redact(u.groups, now.Add(u.grace()))
	payload, err := red.Payload()
	if err != nil {
		return err
	}
	beat := now.Sub(u.at) >= or(u.Heartbeat, DefaultHeartbeat)
	if u.payload != nil && bytes.Equal(payload, u.payload) && !beat {
		u.last = red
		u.observe(Event{At: now, Named: len(red.Names()), Unnamed: red.Unnamed()})
		return nil
	}
	if !u.ensured || beat {
		wrong, err := u.ensure(ctx)
		if err != nil {
			return err
		}
		u.ensured = true
		if wrong != nil {
			u.grumble(&u.wrong, slog.LevelWarn, wrongNode, wrong)
		} else {
			u.relief(&u.wrong, "the node is as it should be again")
		}
	}
	whole, err := u.describe(ctx, red)
	if err == nil {
		u.relief(&u.undescribed, "everything is known of the server itself again")
	} else if ctx.Err() == nil {
		u.grumble(&u.undescribed, slog.LevelWarn, "not everything is known of the server itself", err)
	}
	u.onNode = true
	ev, err := u.publish(ctx, whole)
	if err != nil {
		return err
	}
	u.last, u.payload, u.at = red, payload, ev.At
	u.observe(ev)
	return nil
}

// settle draws the conclusions from the outcome of an attempt to publish.
func (u *run) settle(ctx context.Context, err error) {
	if err == nil {
		u.failures = 0
		u.relief(&u.refused, "publishing works again")
		return
	}
	if ctx.Err() != nil {
		return
	}
	// Whether the item was replaced is not known.
	u.payload = nil
	u.observe(Event{At: u.now(), Err: err})
	if pubsub.IsTemporary(err) {
		u.failures++
		u.grumble(&u.refused, slog.LevelWarn, "publishing failed, will try again soon", err)
		return
	}
	u.failures, u.ensured = 0, false
	u.complain(err)
	if u.lost() {
		u.withdraw(ctx)
	}
}

// complain logs a lasting failure, with what can be done about it.
func (u *run) complain(err error) {
	var args []any
	var refused *pubsub.Error
	if errors.As(err, &refused) && refused.Remedy != "" {
		args = append(args, "remedy", refused.Remedy)
	}
	u.grumble(&u.refused, slog.LevelError, "publishing failed, somebody has to do something about it", err, args...)
}

// withdraw removes an item that names somebody who must not be named and that can't be replaced.
func (u *run) withdraw(ctx context.Context) {
	if err := u.retract(ctx); err != nil {
		u.logger().Error("the item could not be withdrawn", "err", err)
		return
	}
	u.last, u.payload, u.onNode = optin.Redacted{}, nil, false
}

// retract removes the item, and counts.
func (u *run) retract(ctx context.Context) error {
	if err := u.publisher.Retract(ctx); err != nil {
		u.meter.note(func(s *Stats) { s.Failures++ })
		return err
	}
	u.meter.note(func(s *Stats) {
		s.Withdrawals++
		s.Named, s.Unnamed, s.Bytes = 0, 0, 0
	})
	u.observe(Event{At: u.now(), Withdrawn: true})
	u.logger().Info("withdrawn")
	return nil
}

// leave withdraws the item in the end, if that is wanted. Its context has not ended.
func (u *run) leave(ctx context.Context) error {
	if u.Exit == Keep || !u.onNode {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, withdrawal)
	defer cancel()
	if err := u.retract(ctx); err != nil {
		return fmt.Errorf("report: the item could not be withdrawn: %w", err)
	}
	return nil
}

func (u *run) observe(e Event) {
	if u.Observe != nil {
		u.Observe(e)
	}
}
