package pubsub

import (
	"slices"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/xep"
)

// apply holds a notice against the subscriptions and makes an event of it.
func (s *Subscriber) apply(from address, n *notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.book[key{from, n.node}]
	if sub == nil {
		s.counters.WrongNode++
		return
	}
	p := &pending{Event: Event{Kind: n.kind, Item: n.item, Err: n.err, At: s.now(), Stamp: n.stamp}, raw: n.raw}
	switch {
	case n.kind == SubscriptionChanged:
		s.change(sub, n.sub, p)
	case !sub.live():
		s.beforeGrant(sub, p)
	case n.kind == ItemPublished:
		s.publish(sub, p)
	case n.kind == ItemRetracted:
		s.retract(sub, n.gone, p)
	case n.kind == NodeConfigured:
		s.accept(sub, laneConfig, p)
	default:
		sub.item, sub.itemID = heldNothing, ""
		if n.kind == NodeDeleted {
			sub.set(SubscriptionNone, p.At)
		}
		s.accept(sub, laneItem, p)
	}
}

// accept counts an event and makes it wait to be read. The caller holds the lock.
func (s *Subscriber) accept(sub *subscription, l lane, p *pending) {
	s.counters.Accepted++
	sub.LastEvent = p.At
	s.put(sub, l, p)
}

// beforeGrant keeps the last item that comes before the answer to a request; nothing else counts before that.
func (s *Subscriber) beforeGrant(sub *subscription, p *pending) {
	if sub.asking && p.Kind == ItemPublished {
		s.dropEarly(sub)
		s.charge(p)
		sub.early = p
		return
	}
	if p.Kind != NodeConfigured {
		// The item may be gone again.
		s.dropEarly(sub)
	}
	s.counters.NotLive++
}

// dropEarly gives up what came before the answer.
func (s *Subscriber) dropEarly(sub *subscription) {
	if sub.early != nil {
		s.release(sub.early)
		s.counters.NotLive++
		sub.early = nil
	}
}

func (s *Subscriber) publish(sub *subscription, p *pending) {
	p.ID = p.Item.ID
	sub.item, sub.itemID = heldItem, p.ID
	s.accept(sub, laneItem, p)
}

// retract takes in that items are gone.
// ejabberd tells so of each item that another has replaced, after it told of the new one, which must not seem withdrawn by that.
func (s *Subscriber) retract(sub *subscription, gone []string, p *pending) {
	switch {
	case sub.item == heldItem && sub.itemID != "" && slices.Contains(gone, sub.itemID):
		p.ID = sub.itemID
	case sub.item == heldUnknown || sub.item == heldItem && sub.itemID == "":
		// To believe in a withdrawal that was none costs a fetch; the other mistake would keep showing what was withdrawn.
		p.ID = gone[len(gone)-1]
		if slices.Contains(gone, xep.ItemCurrent) {
			p.ID = xep.ItemCurrent
		}
	default:
		s.counters.Accepted++
		s.counters.Evicted++
		return
	}
	sub.item, sub.itemID = heldNothing, ""
	s.accept(sub, laneItem, p)
}

// change takes in what the service says about the subscription itself (XEP-0060 §8.6 and §12.13).
func (s *Subscriber) change(sub *subscription, g grant, p *pending) {
	other := g.id != "" && sub.ID != "" && g.id != sub.ID
	if addr, err := jid.Parse(g.addr); g.addr != "" && (err != nil || addressOf(addr) != addressOf(sub.Addr)) {
		other = true
	}
	switch {
	case other:
		s.counters.NotLive++
	case sub.asking && !sub.live():
		// This may be older than the answer, but an approval is what pending requests wait for.
		sub.approved = g.state == SubscriptionActive
		s.counters.Accepted++
	case g.state == sub.State:
		s.counters.Accepted++
	default:
		sub.set(g.state, p.At)
		if g.state == SubscriptionActive {
			sub.Confirmed, sub.Err = p.At, nil
			sub.item, sub.itemID = heldUnknown, ""
			if g.id != "" {
				sub.ID = g.id
			}
		}
		s.accept(sub, laneState, p)
	}
}
