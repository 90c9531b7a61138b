package pubsub

import (
	"context"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// The operations of a [Subscriber] that an [Error] can name.
const (
	OpSubscribe   = "subscribe"
	OpUnsubscribe = "unsubscribe"
)

// The pubsub-specific conditions (XEP-0060 §12) to which a [Subscriber] reacts.
const (
	CondPendingSubscription   = "pending-subscription"
	CondConfigurationRequired = "configuration-required"
	CondNotSubscribed         = "not-subscribed"
	CondSubIDRequired         = "subid-required"
	CondInvalidSubID          = "invalid-subid"
	CondTooManySubscriptions  = "too-many-subscriptions"
	CondClosedNode            = "closed-node"
)

// maxListed bounds how many subscriptions of our own to one node are looked at.
const maxListed = 16

const (
	openAccess = `the owner of node %[4]q has to set pubsub#access_model to open`
	noNode     = `node %[4]q does not exist: its publisher has to make it`
	tooMany    = `%[2]s has too many subscriptions there: end those that nobody needs`
)

// subscriptionAdvices come before those of a publisher.
var subscriptionAdvices = []advice{
	{OpSubscribe, "", CondPendingSubscription, openAccess + `, or approve %[2]s`, openAccess + `, or approve %[2]s`},
	{OpSubscribe, "", CondClosedNode, openAccess, openAccess},
	{OpSubscribe, "", CondTooManySubscriptions, tooMany, tooMany + `, or raise mod_pubsub's max_subscriptions_node`},
	{OpSubscribe, "", CondConfigurationRequired, openAccess, openAccess},
	{OpSubscribe, stanza.NotAuthorized, "", openAccess, openAccess},
	{OpSubscribe, stanza.Forbidden, "", openAccess, openAccess},
	{OpSubscribe, stanza.NotAllowed, "", openAccess, openAccess + ` and pubsub#subscribe to 1`},
	{OpSubscribe, stanza.FeatureNotImplemented, "", openAccess, openAccess + ` and pubsub#subscribe to 1`},
	{OpSubscribe, stanza.ItemNotFound, "", noNode, noNode},
}

func adviseSubscriber(err error, self string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for _, a := range subscriptionAdvices {
		if same(a.op, e.Op) && same(a.cond, e.Condition) && same(a.pubsub, e.PubSub) {
			e.Remedy = a.text(e, UnknownBrand, self)
			return err
		}
	}
	return advise(err, UnknownBrand, self)
}

// localAddr returns the session's own address, zero if it does not know it.
func (s *Subscriber) localAddr() jid.JID {
	if a, ok := s.Session.(interface{ LocalAddr() jid.JID }); ok {
		return a.LocalAddr()
	}
	return jid.JID{}
}

// addr returns the address to be subscribed.
func (s *Subscriber) addr() (jid.JID, error) {
	addr := s.Addr
	if addr.Equal(jid.JID{}) {
		addr = s.localAddr().Bare()
	}
	if addr.Equal(jid.JID{}) {
		return addr, errors.New("pubsub: the session does not know its address: set Subscriber.Addr")
	}
	return addr, nil
}

// do performs one request and types its error.
func (s *Subscriber) do(ctx context.Context, op string, typ stanza.IQType, k target, payload []byte) (*roundtrip.Reply, error) {
	r := roundtrip.Request{Type: typ, To: k.service, Payload: payload, Timeout: s.Timeout}
	if local := s.localAddr(); local.Localpart() == "" && !local.Equal(k.addr) {
		// A component speaks for any address below it, and may subscribe only the one that asks.
		r.From = k.addr
	}
	reply, err := roundtrip.Do(ctx, s.Session, r)
	if err != nil {
		return nil, adviseSubscriber(wrap(op, k.service, k.node, err), k.addr.String())
	}
	return reply, nil
}

// target is whom to ask about what.
type target struct {
	service, addr jid.JID
	node          string
}

// appendTo appends the attributes that every request has.
func (k target) appendTo(dst []byte) []byte {
	return xmlscan.AppendAttr(xmlscan.AppendAttr(dst, "node", k.node), "jid", k.addr.String())
}

// subscribe asks for a subscription (XEP-0060 §6.1).
func (s *Subscriber) subscribe(ctx context.Context, k target) (grant, error) {
	b := k.appendTo([]byte(`<pubsub xmlns='` + nsPubSub + `'><subscribe`))
	reply, err := s.do(ctx, OpSubscribe, stanza.SetIQ, k, append(b, `/></pubsub>`...))
	if err != nil {
		return grant{}, err
	}
	g, err := readGranted(reply.Payload(), k.node)
	if err != nil {
		return grant{}, fmt.Errorf("%s %q on %s: %w", OpSubscribe, k.node, k.service, err)
	}
	return g, s.checkGrant(g, k)
}

// checkGrant turns a grant of something less than a subscription into an error.
// That some services answer like this and others with an error makes no difference to the caller.
func (s *Subscriber) checkGrant(g grant, k target) error {
	e := &Error{Op: OpSubscribe, Service: k.service, Node: k.node, Type: stanza.Auth, Condition: stanza.NotAuthorized}
	switch g.state {
	case SubscriptionActive:
		return nil
	case SubscriptionPending:
		e.PubSub, e.err = CondPendingSubscription, ErrPending
	case SubscriptionUnconfigured:
		e.Type, e.Condition, e.PubSub = stanza.Modify, stanza.NotAcceptable, CondConfigurationRequired
	case SubscriptionNone:
		e.Type, e.Condition = stanza.Cancel, stanza.NotAllowed
	}
	return adviseSubscriber(e, k.addr.String())
}

// readGranted reads the answer, in which a service may leave out all that the request said.
func readGranted(s *xmlscan.Scanner, node string) (grant, error) {
	g := grant{state: SubscriptionActive}
	if s == nil {
		return g, nil
	}
	if !s.Is(nsPubSub, "pubsub") {
		return g, badEvent(s, fmt.Sprintf("the answer is %.40q", s.Local()))
	}
	found := false
	for d := s.Depth(); s.Child(d); {
		if found || !s.Is(nsPubSub, "subscription") {
			continue
		}
		found = true
		var err error
		if g, err = readGrant(s); err != nil {
			return g, err
		}
		if g.node != "" && g.node != node {
			return g, badEvent(s, fmt.Sprintf("the answer is about node %.40q", g.node))
		}
	}
	if s.Err() != nil {
		return g, badEvent(s, "")
	}
	return g, nil
}

// unsubscribe asks for the end of a subscription (XEP-0060 §6.2).
func (s *Subscriber) unsubscribe(ctx context.Context, k target, id string) error {
	b := k.appendTo([]byte(`<pubsub xmlns='` + nsPubSub + `'><unsubscribe`))
	if id != "" {
		b = xmlscan.AppendAttr(b, "subid", id)
	}
	_, err := s.do(ctx, OpUnsubscribe, stanza.SetIQ, k, append(b, `/></pubsub>`...))
	return err
}

// listed returns the ids of our subscriptions to the node as the service lists them (XEP-0060 §5.6).
func (s *Subscriber) listed(ctx context.Context, k target) ([]string, error) {
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSub+`'><subscriptions`), "node", k.node)
	reply, err := s.do(ctx, OpUnsubscribe, stanza.GetIQ, k, append(b, `/></pubsub>`...))
	if err != nil {
		return nil, err
	}
	p := reply.Payload()
	if p == nil {
		return nil, nil
	}
	var ids []string
	for d := p.Depth(); p.Child(d); {
		if !p.Is(nsPubSub, "subscriptions") {
			continue
		}
		for d := p.Depth(); p.Child(d); {
			// ejabberd leaves the node out, as the request named it.
			if g, err := readGrant(p); err == nil && p.Is(nsPubSub, "subscription") && g.id != "" && len(ids) < maxListed &&
				(g.node == "" || g.node == k.node) && g.addr == k.addr.String() {
				ids = append(ids, g.id)
			}
		}
	}
	if p.Err() != nil {
		return nil, badEvent(p, "")
	}
	return ids, nil
}
