package conformance

import (
	"context"
	"errors"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

// stage is a network with a publisher under test.
type stage struct {
	Subject
	network *peer.Network
	tap     *tap
	env     Environment
	changes changes
	cancel  context.CancelFunc
	done    chan error
	// ended tells that the publisher ended before its time, and err is why.
	ended bool
	err   error
}

func newStage(subject Subject) (*stage, error) {
	s := &stage{Subject: subject.withDefaults(), network: peer.New(pubsubName)}
	t, _ := newTap(s.network.Session(jid.MustParse(ownDomain)))
	t.at(stepPublisher)
	s.tap = t
	s.env = Environment{
		Session: byteTap{t}, Domain: ownDomain, Siblings: []string{siblingName}, Service: jid.MustParse(pubsubName),
		Node: xep.DefaultNode, Connections: new(report.Connections), Changed: s.changes.next,
	}
	if s.Wire == nil {
		return s, nil
	}
	var err error
	s.env.Server, err = peer.Serve(s.network, s.onWire(*s.Wire))
	return s, err
}

// onWire completes the configuration of a network that can be connected to.
func (s *stage) onWire(c peer.Config) peer.Config {
	observe := c.Observe
	c.Home.Name = ownDomain
	c.Observe = func(x peer.Exchange) {
		var err error
		if !x.Answered {
			err = errors.New("the peer does not answer")
		}
		s.tap.note(x.To, x.Request, x.Reply, err)
		if observe != nil {
			observe(x)
		}
	}
	return c
}

// opened tells the publisher of a connection, and returns what tells of its end.
func (s *stage) opened(remote string, d xep.Direction) (closed func()) {
	down := s.env.Connections.Opened(ownDomain, remote, d)
	s.tell()
	return func() {
		down()
		s.tell()
	}
}

// tell lets everybody know who looks at the connections.
func (s *stage) tell() {
	if s.env.Server != nil {
		all, _ := s.env.Connections.Connections(context.Background())
		var streams []peer.Stream
		for _, c := range all {
			if c.Direction != xep.Outgoing {
				streams = append(streams, peer.Stream{Remote: c.Remote})
			}
			if c.Direction != xep.Incoming {
				streams = append(streams, peer.Stream{Remote: c.Remote, Outgoing: true})
			}
		}
		s.env.Server.SetStreams(streams...)
	}
	s.changes.happen()
}

// changes tells any number of waiters of a change.
type changes struct {
	mu   sync.Mutex
	wait chan struct{}
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait == nil {
		c.wait = make(chan struct{})
	}
	return c.wait
}

func (c *changes) happen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait != nil {
		close(c.wait)
		c.wait = nil
	}
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
	if s.cancel != nil {
		s.cancel()
		if s.done != nil {
			<-s.done
		}
	}
	if s.env.Server != nil {
		_ = s.env.Server.Close()
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
			s.done, s.ended = nil, true
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
	there := func() bool { return s.network.Item(s.env.Node) != nil }
	s.until(ctx, s.Settle, func() bool { return there() || s.ended })
	if there() {
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
