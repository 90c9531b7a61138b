package pubsub

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/xep"
)

// SubscriptionState is how far a subscription got (XEP-0060 §4.2).
type SubscriptionState uint8

// The states of a subscription. Events count only in the state SubscriptionActive.
const (
	// SubscriptionNone is a subscription that was refused or has ended.
	SubscriptionNone SubscriptionState = iota
	// SubscriptionPending is one that awaits the approval of the node's owner.
	SubscriptionPending
	// SubscriptionUnconfigured is one for which the service wants options that this package does not set.
	SubscriptionUnconfigured
	// SubscriptionActive is one whose events come.
	SubscriptionActive
)

var subscriptionStates = [...]string{
	SubscriptionNone:         "none",
	SubscriptionPending:      "pending",
	SubscriptionUnconfigured: "unconfigured",
	SubscriptionActive:       "subscribed",
}

// String returns the state as it is written in XML: none, pending, unconfigured or subscribed.
func (s SubscriptionState) String() string {
	if int(s) < len(subscriptionStates) {
		return subscriptionStates[s]
	}
	return fmt.Sprintf("subscription(%d)", uint8(s))
}

// MarshalText writes what String returns.
func (s SubscriptionState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func parseState(word string) (SubscriptionState, bool) {
	i := slices.Index(subscriptionStates[:], word)
	return SubscriptionState(max(i, 0)), i >= 0
}

// Subscription is what a [Subscriber] knows about one of its subscriptions.
type Subscription struct {
	// Service and Node are the coordinates.
	Service jid.JID
	Node    string
	// Addr is the address that is subscribed.
	Addr jid.JID
	// ID is the service's name for the subscription, empty where it has none.
	ID string
	// State is how far the subscription got, and Since when it did.
	State SubscriptionState
	Since time.Time
	// Confirmed is when the service last granted it, zero if it never did.
	Confirmed time.Time
	// LastEvent is when the last event came that counted, zero if none did.
	LastEvent time.Time
	// Err is why the subscription could not be made or renewed at last, nil if it could.
	Err error
}

// EventCounters are what a [Subscriber] has counted since it was made.
type EventCounters struct {
	// Received is the number of notifications, all that follow included.
	Received uint64
	// Accepted is the number of those that counted.
	Accepted uint64
	// Delivered is the number of events read, and Superseded that of events replaced by a later one before they were.
	Delivered, Superseded uint64
	// Evicted is the number of items that were gone only because another had replaced them, which is no event.
	Evicted uint64
	// Overflows is the number of events that lost their payload because too much waits to be read.
	Overflows uint64

	// WrongService is the number of notifications from an address that has no subscribed node, whatever they were about.
	WrongService uint64
	// WrongNode is the number of those from a subscribed service about a node that is not.
	WrongNode uint64
	// NotLive is the number of those about a node whose subscription is refused, pending or over.
	NotLive uint64
	// TooLarge is the number of those beyond the limit on bytes or depth.
	TooLarge uint64
	// Malformed is the number of those that are not what XEP-0060 describes.
	Malformed uint64
	// Errors is the number of notifications of type error: somebody's own that came back.
	Errors uint64
	// Panics is the number of notifications whose handling was given up because of a fault in this package.
	Panics uint64
}

// address is a JID as a map key, with its domain in canonical form.
type address struct {
	local, domain, resource string
}

func addressOf(j jid.JID) address {
	a := address{local: j.Localpart(), domain: j.Domainpart(), resource: j.Resourcepart()}
	if n, err := xep.NameOf(j); err == nil {
		a.domain = n.String()
	}
	return a
}

// key identifies a node.
type key struct {
	address
	node string
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.domain, o.domain), cmp.Compare(k.local, o.local),
		cmp.Compare(k.resource, o.resource), cmp.Compare(k.node, o.node))
}

// lane separates the changes of one node that say nothing about each other.
// Within a lane the latest wins.
type lane int

const (
	laneItem lane = iota // what the node holds
	laneConfig
	laneState
	lanes
)

// held is what is known of the item on a node.
type held uint8

const (
	heldUnknown held = iota
	heldNothing
	heldItem
)

// subscription is one node's entry in the book. The subscriber's lock guards it.
type subscription struct {
	Subscription
	key key

	// asking tells that a request to subscribe is under way.
	// Services may send the last item before they answer: it is kept in early until the answer says whether it counts.
	asking   bool
	early    *pending
	approved bool // by an owner, while asking

	item   held
	itemID string

	waiting [lanes]*pending
	place   place
}

func (s *subscription) live() bool { return s.State == SubscriptionActive }

func (s *subscription) set(state SubscriptionState, at time.Time) {
	if s.State != state || s.Since.IsZero() {
		s.State, s.Since = state, at
	}
}
