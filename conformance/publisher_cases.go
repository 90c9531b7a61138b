package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/xep"
)

// publisherCases are the cases of a publisher under test.
var publisherCases = []publisherCase{
	{Case{"publisher-item", Must, "§5", "A publisher publishes an item on the node.", NeedPublisher}, playItem},
	{Case{"publisher-node", Should, "§5", "The node and the item are in order: a leaf, open to all, with one item that is kept and called \"current\".",
		NeedPublisher}, playNode},
	{Case{"publisher-payload", Must, "§4", "Whatever it publishes violates nothing that is demanded of a payload.", NeedPublisher}, playPayload},
	{Case{"publisher-zero-peers", Must, "§4", "Without any peer, it still describes its domain.", NeedPublisher}, playZeroPeers},
	{Case{"publisher-peer-named", Should, "§4", "A peer that advertises the feature is named.", NeedPublisher}, playNamed},
	{Case{"publisher-peer-gone", Should, "§4", "A peer that is not connected any more is not listed any more.", NeedPublisher}, playGone},
	{Case{"publisher-peer-without-feature", Must, "§4, §7", "A peer that answers without the feature is not named.",
		NeedPublisher}, playUnnamed(peer.Unaware)},
	{Case{"publisher-peer-form", Must, "§3, §7", "A form that names a node is no opt-in: only the feature is.",
		NeedPublisher}, playUnnamed(peer.FormOnly)},
	{Case{"publisher-peer-node", Must, "§7", "The presence of a node is no opt-in, as common users may create one.",
		NeedPublisher}, playUnnamed(peer.NodeOnly)},
	{Case{"publisher-peer-similar", Must, "§3, §7", "A feature that only looks like urn:xmpp:serverinfo:0 is no opt-in.",
		NeedPublisher}, playUnnamed(peer.Similar)},
	{Case{"publisher-peer-timeout", Must, "§7", "A peer that does not answer is not named.",
		NeedPublisher}, playUnnamed(peer.Silent)},
	{Case{"publisher-peer-error", Must, "§7", "A peer that answers with an error is not named, whatever else the error holds.",
		NeedPublisher}, playUnnamed(peer.Unreachable, peer.Refuses, peer.RefusesLoudly)},
	{Case{"publisher-peer-garbage", Must, "§7", "A peer whose answer is not one is not named.",
		NeedPublisher}, playUnnamed(peer.Empty, peer.Foreign, peer.Malformed)},
	{Case{"publisher-peer-forged", Must, "§7", "An answer in somebody else's name is no opt-in.",
		NeedPublisher}, playUnnamed(peer.Forged)},
	{Case{"publisher-peer-subdomain", Must, "§7", "A domain does not opt in for the domains below it.", NeedPublisher}, playSubdomain},
	{Case{"publisher-sibling", Must, "§7", "Another domain of the same server is a peer like all others: without the feature it is not named.",
		NeedPublisher}, playSibling},
	{Case{"publisher-peer-withdrawn", Must, "§7", "A peer that ceases to advertise the feature ceases to be named within the time that the publisher states.",
		NeedPublisher}, playWithdrawn(peer.Unaware)},
	{Case{"publisher-peer-vanished", Must, "§7", "A peer that ceases to answer ceases to be named within that time, too.",
		NeedPublisher}, playWithdrawn(peer.Silent)},
	{Case{"publisher-size", Should, "XEP-0060 §7.1.3", "With thousands of peers the payload is still small enough for every known service.",
		NeedPublisher}, playSize},
	{Case{"publisher-rate", Should, "§6", "How often it publishes is bounded, however often connections come and go.", NeedPublisher}, playRate},
}

func playItem(ctx context.Context, s *stage) outcome {
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return outcome{Fail, o.message}
	}
	return pass("")
}

func playNode(ctx context.Context, s *stage) outcome {
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	r, err := s.look(ctx)
	if err != nil {
		return skip("%v", err)
	}
	for _, one := range r.Results {
		switch one.ID {
		case "node-exists", "node-leaf", "node-open", "node-single-item", "node-persistent", "item-present", "item-id":
			if one.Status == Fail {
				return fail("%s: %s", one.ID, one.Message)
			}
		}
	}
	return pass("")
}

// everybody connects peers of all kinds.
func everybody(s *stage) {
	for i, b := range peer.Behaviours() {
		name := fmt.Sprintf("peer%d.lit", i)
		s.network.Set(name, b)
		for _, d := range []xep.Direction{xep.Incoming, xep.Outgoing, xep.Bidi}[:1+i%3] {
			s.opened(name, d)
		}
	}
	s.opened(friend, "")
}

func playPayload(ctx context.Context, s *stage) outcome {
	everybody(s)
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	s.pass(ctx, s.Settle)
	for _, p := range s.network.Publications() {
		if p.Payload == nil {
			continue
		}
		r, err := Payload(p.Payload, ownDomain)
		if err != nil {
			return skip("%v", err)
		}
		if failed := r.Failed(Must); len(failed) > 0 {
			return fail("%s: %s", failed[0].ID, failed[0].Message)
		}
	}
	return pass("")
}

func playZeroPeers(ctx context.Context, s *stage) outcome {
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	info := s.info()
	if info == nil {
		return skip("the payload can't be read")
	}
	if len(info.Domains) == 0 {
		return fail("the payload describes no domain")
	}
	return pass("")
}

func playNamed(ctx context.Context, s *stage) outcome {
	s.opened(friend, xep.Bidi)
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	if !s.until(ctx, s.Settle, func() bool { return names(s.info(), friend) }) {
		return fail("a peer that opts in was not named within %v", s.Settle)
	}
	return pass("")
}

func playGone(ctx context.Context, s *stage) outcome {
	closed := s.opened(friend, xep.Bidi)
	s.start(ctx)
	if !s.until(ctx, s.Settle, func() bool { return names(s.info(), friend) }) {
		return skip("a peer that opts in was not named within %v", s.Settle)
	}
	closed()
	if !s.until(ctx, s.Settle, func() bool { return !names(s.info(), friend) }) {
		return fail("the peer was still listed %v after its last connection", s.Settle)
	}
	return pass("")
}

// playUnnamed connects a peer for each behaviour, none of which is consent, beside one that consents.
func playUnnamed(all ...peer.Behaviour) func(context.Context, *stage) outcome {
	return func(ctx context.Context, s *stage) outcome {
		s.opened(friend, xep.Bidi)
		for i, b := range all {
			name := fmt.Sprintf("%d.%s", i, stranger)
			s.network.Set(name, b)
			s.opened(name, xep.Outgoing)
		}
		return unnamed(ctx, s, func(i int) string { return fmt.Sprintf("%d.%s", i, stranger) }, all)
	}
}

// unnamed runs the publisher and expects that it never names any of the peers.
func unnamed(ctx context.Context, s *stage, name func(i int) string, all []peer.Behaviour) outcome {
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	named := -1
	s.until(ctx, s.Settle, func() bool {
		named = slices.IndexFunc(all, func(b peer.Behaviour) bool { return s.everNamed(name(slices.Index(all, b))) })
		return named >= 0
	})
	if named >= 0 {
		return fail("a peer of the kind %s was named", all[named])
	}
	return pass("")
}

func playSubdomain(ctx context.Context, s *stage) outcome {
	name := "chat." + friend
	s.network.Set(name, peer.Unaware)
	s.opened(friend, xep.Bidi)
	s.opened(name, xep.Outgoing)
	return unnamed(ctx, s, func(int) string { return name }, []peer.Behaviour{peer.Unaware})
}

func playSibling(ctx context.Context, s *stage) outcome {
	s.opened(siblingName, xep.Bidi)
	return unnamed(ctx, s, func(int) string { return siblingName }, []peer.Behaviour{peer.Unaware})
}

func playWithdrawn(then peer.Behaviour) func(context.Context, *stage) outcome {
	return func(ctx context.Context, s *stage) outcome {
		s.opened(friend, xep.Bidi)
		s.start(ctx)
		if !s.until(ctx, s.Settle, func() bool { return names(s.info(), friend) }) {
			return skip("a peer that opts in was not named within %v", s.Settle)
		}
		s.network.Set(friend, then)
		if !s.until(ctx, s.Withdrawal, func() bool { return !names(s.info(), friend) }) {
			return fail("the peer was still named %v after that", s.Withdrawal)
		}
		s.pass(ctx, s.Settle)
		if names(s.info(), friend) {
			return fail("the peer was named again")
		}
		return pass("")
	}
}

// churns is how often connections come and go in the play about the rate: every 10 s of an hour.
const churns = 360

func playRate(ctx context.Context, s *stage) outcome {
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	before := len(s.network.Publications())
	closed := func() {}
	for i := range churns {
		if i%2 == 0 {
			closed = s.opened(friend, xep.Outgoing)
		} else {
			closed()
		}
		s.pass(ctx, s.Window/churns)
	}
	if n := len(s.network.Publications()) - before; n > s.Rate {
		return fail("%d publications in %v are more than %d", n, s.Window, s.Rate)
	}
	return pass("")
}

// crowd is how many peers there are in the play about the size: with all that may be said about each, they take more than
// [MaxPayload], and with their names alone less than half of it.
const crowd = 2500

func playSize(ctx context.Context, s *stage) outcome {
	name := func(i int) string { return fmt.Sprintf("peer%d.lit", i) }
	for i := range crowd {
		s.network.Set(name(i), peer.Advertises)
		for _, d := range []xep.Direction{xep.Incoming, xep.Outgoing} {
			s.env.Connections.Opened(ownDomain, name(i), d)
		}
	}
	s.tell()
	s.start(ctx)
	if o, ok := s.published(ctx); !ok {
		return o
	}
	s.until(ctx, s.Settle, func() bool { return names(s.info(), name(crowd-1)) })
	for _, p := range s.network.Publications() {
		if len(p.Payload) > MaxPayload {
			return fail("%d bytes for %d peers are more than the %d that ejabberd takes", len(p.Payload), crowd, MaxPayload)
		}
	}
	return pass("%d bytes for %d peers", len(s.network.Item(s.env.Node)), crowd)
}
