package conformance

import (
	"context"
	"errors"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/report"
)

// The defaults of [Subject].
const (
	DefaultSettle     = 15 * time.Minute
	DefaultWithdrawal = 90 * time.Minute
	DefaultRate       = 30
	DefaultWindow     = time.Hour
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
	// Rate is how often in a Window it may publish at most, however often connections come and go. [DefaultRate] if zero.
	Rate int
	// Window is the time that Rate counts in, [DefaultWindow] if zero.
	Window time.Duration
	// Wire, unless it is nil, puts the network of each case on loopback TCP, so that Run can be a program in any language that
	// connects there as a component or a client, see [Environment.Server]. Time is real then: let the program keep to an
	// interval of seconds, and choose the times above to match. The name of the home domain is the suite's.
	Wire *peer.Config
}

func (s Subject) withDefaults() Subject {
	if s.Settle <= 0 {
		s.Settle = DefaultSettle
	}
	if s.Withdrawal <= 0 {
		s.Withdrawal = DefaultWithdrawal
	}
	if s.Rate <= 0 {
		s.Rate = DefaultRate
	}
	if s.Window <= 0 {
		s.Window = DefaultWindow
	}
	return s
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
	// Connections tells the live connections, and Changed returns a channel that is closed by their next change.
	Connections *report.Connections
	Changed     func() <-chan struct{}
	// Server is where programs connect, nil without [Subject.Wire]. Administrators of Domain see the connections there, too.
	Server *peer.Server
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
// The network has no wire unless [Subject.Wire] gives it one. A publisher that keeps to an interval of minutes takes hours to
// check, unless that happens within testing/synctest, which simulates the time: see package conformancetest.
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
	s, err := newStage(subject)
	if err != nil {
		return Result{Case: d.Case, Status: Skip, Message: printable(err.Error())}
	}
	s.network.Set(ownDomain, peer.Advertises)
	s.network.Set(siblingName, peer.Unaware)
	s.network.Set(friend, peer.Advertises)
	o := d.play(ctx, s)
	s.end()
	e := &evidence{tap: s.tap}
	return Result{Case: d.Case, Status: o.status, Message: printable(o.message), Log: e.stanzas([]step{stepPublisher})}
}
