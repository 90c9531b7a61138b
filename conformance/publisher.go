package conformance

import (
	"context"
	"errors"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The defaults of [Subject].
const (
	DefaultSettle     = 15 * time.Minute
	DefaultWithdrawal = 90 * time.Minute
	DefaultRate       = 30
)

// Subject is a publisher under test.
type Subject struct {
	// Run publishes what the environment tells of live connections, until ctx ends. It is called once for each case.
	Run func(ctx context.Context, e Environment) error
	// Settle is how long it may take until the first publication, and until a change of connections shows.
	// [DefaultSettle] if zero.
	Settle time.Duration
	// Withdrawal is the time within which the publisher states that it ceases to name a peer that has ceased to opt in.
	// [DefaultWithdrawal] if zero.
	Withdrawal time.Duration
	// Rate is how often in an hour it may publish at most, however often connections come and go. [DefaultRate] if zero.
	Rate int
}

// Environment is what a publisher under test works with.
type Environment struct {
	// Session carries its requests, to the service as well as to the peers.
	Session interface {
		Session
		LocalAddr() jid.JID
	}
	// Domain is the domain to publish about, and Siblings are further domains that the same server serves.
	Domain   string
	Siblings []string
	// Service and Node are where to publish.
	Service jid.JID
	Node    string
	// Connections tells the live connections.
	Connections *report.Connections
}

// The names of the network that publishers are tested on.
const (
	ownDomain   = "shakespeare.lit"
	siblingName = "globe.lit"
	pubsubName  = "pubsub.shakespeare.lit"
	friend      = "denmark.lit"
	stranger    = "verona.lit"
)

// Publisher runs a publisher on a network of the suite's own making, once for each case, and checks what it publishes; with no
// IDs given, it checks all cases of [NeedPublisher].
//
// The network has no wire. A publisher that keeps to an interval of minutes takes hours to check, unless that happens within
// testing/synctest, which simulates the time: see package conformancetest.
// The error is that of ctx, or says that an ID is not of such a case.
func Publisher(ctx context.Context, s Subject, ids ...string) (*Report, error) {
	r := &Report{Target: ownDomain, At: time.Now(), OptedIn: true}
	for _, id := range ids {
		if !slices.ContainsFunc(publisherCases, func(d publisherCase) bool { return d.ID == id }) {
			return nil, errors.New("conformance: no case of a publisher has the ID " + id)
		}
	}
	for _, d := range publisherCases {
		if len(ids) > 0 && !slices.Contains(ids, d.ID) {
			continue
		}
		result := d.run(ctx, s)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Results = append(r.Results, result)
	}
	r.Took = time.Since(r.At)
	return r, nil
}

// publisherCase is a case with the play that is performed for it.
type publisherCase struct {
	Case
	play func(ctx context.Context, s *stage) outcome
}

func (d publisherCase) run(ctx context.Context, subject Subject) Result {
	s := newStage(subject)
	s.network.Set(ownDomain, peer.Advertises)
	s.network.Set(siblingName, peer.Unaware)
	s.network.Set(friend, peer.Advertises)
	o := d.play(ctx, s)
	s.end()
	e := &evidence{tap: s.tap}
	return Result{Case: d.Case, Status: o.status, Message: printable(o.message), Log: e.stanzas([]step{stepPublisher})}
}

// stage is a network with a publisher under test.
type stage struct {
	Subject
	network *peer.Network
	tap     *tap
	env     Environment
	cancel  context.CancelFunc
	done    chan error
	// err is why the publisher ended before its time, once done is nil.
	err error
}

func newStage(subject Subject) *stage {
	if subject.Settle <= 0 {
		subject.Settle = DefaultSettle
	}
	if subject.Withdrawal <= 0 {
		subject.Withdrawal = DefaultWithdrawal
	}
	if subject.Rate <= 0 {
		subject.Rate = DefaultRate
	}
	s := &stage{Subject: subject, network: peer.New(pubsubName)}
	t, _ := newTap(s.network.Session(jid.MustParse(ownDomain)))
	t.at(stepPublisher)
	s.tap = t
	s.env = Environment{
		Session: byteTap{t}, Domain: ownDomain, Siblings: []string{siblingName}, Service: jid.MustParse(pubsubName),
		Node: xep.DefaultNode, Connections: new(report.Connections),
	}
	return s
}

// start lets the publisher run.
func (s *stage) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	done := make(chan error, 1)
	s.done = done
	go func() { done <- s.Run(ctx, s.env) }()
}

// end stops the publisher and waits for it.
func (s *stage) end() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	if s.done != nil {
		<-s.done
	}
}

// until waits for something to be true after some publication, no longer than d.
func (s *stage) until(ctx context.Context, d time.Duration, holds func() bool) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		changed := s.network.Changed()
		if holds() {
			return true
		}
		select {
		case <-changed:
		case s.err = <-s.done:
			// A nil channel never delivers: without the publisher, only time passes.
			s.done = nil
		case <-t.C:
			return holds()
		case <-ctx.Done():
			return false
		}
	}
}

// pass lets time pass.
func (s *stage) pass(ctx context.Context, d time.Duration) {
	s.until(ctx, d, func() bool { return false })
}

// info returns the item that is on the node, nil if there is none that can be read.
func (s *stage) info() *xep.ServerInfo {
	info, err := xep.Unmarshal(s.network.Item(s.env.Node))
	if err != nil {
		return nil
	}
	return info
}

// published waits for the first publication, and otherwise says that there is none.
func (s *stage) published(ctx context.Context) (outcome, bool) {
	if s.until(ctx, s.Settle, func() bool { return s.network.Item(s.env.Node) != nil }) {
		return outcome{}, true
	}
	if s.err != nil {
		return skip("nothing was published: %v", s.err), false
	}
	return skip("nothing was published within %v", s.Settle), false
}

// names reports whether a payload names a domain as a peer, in any spelling.
func names(info *xep.ServerInfo, domain string) bool {
	return info != nil && isRemote(info, xep.MustName(domain))
}

// everNamed reports whether any publication so far named a domain.
func (s *stage) everNamed(domain string) bool {
	for _, p := range s.network.Publications() {
		if info, err := xep.Unmarshal(p.Payload); err == nil && names(info, domain) {
			return true
		}
	}
	return false
}

// look checks the node as others see it.
func (s *stage) look(ctx context.Context) (*Report, error) {
	session := s.network.Session(jid.MustParse(friend))
	return Run(ctx, session, ownDomain, Options{Peers: -1, Timeout: pubsubPatience})
}

// pubsubPatience is enough for a network without a wire.
const pubsubPatience = time.Minute
