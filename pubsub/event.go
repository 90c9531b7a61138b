package pubsub

import (
	"errors"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/xep"
)

// NSEvent is the namespace of event notifications (XEP-0060 §16.1).
const NSEvent = nsPubSub + "#event"

// Why an event of a published item has no server information.
var (
	// ErrNoPayload is an event that only says that there is a new item, as from a node configured without payloads: fetch it.
	ErrNoPayload = errors.New("the event holds no payload: fetch the item")
	// ErrOverflow is an event whose payload was dropped because too much waits to be read: fetch the item.
	ErrOverflow = errors.New("too much waits to be read: fetch the item")
)

// EventKind says what an [Event] tells.
type EventKind uint8

// The kinds of event.
const (
	// ItemPublished is an item that is new or has replaced another (XEP-0060 §7.1.2).
	ItemPublished EventKind = iota + 1
	// ItemRetracted is the node's item, gone (XEP-0060 §7.2.2).
	// That an item is gone which another had replaced before is no event.
	ItemRetracted
	// NodePurged is a node that lost all of its items and still exists (XEP-0060 §8.5.2).
	NodePurged
	// NodeDeleted is a node that is gone, and the subscription with it (XEP-0060 §8.4.2).
	// No service tells when a node returns: [Subscriber.Subscribe] again in a while.
	NodeDeleted
	// NodeConfigured is a node whose configuration has changed (XEP-0060 §8.2.5).
	NodeConfigured
	// SubscriptionChanged is a subscription that an owner approved or ended, or that could or could not be renewed.
	SubscriptionChanged
)

var eventKinds = [...]string{
	ItemPublished:       "item published",
	ItemRetracted:       "item retracted",
	NodePurged:          "node purged",
	NodeDeleted:         "node deleted",
	NodeConfigured:      "node configured",
	SubscriptionChanged: "subscription changed",
}

// String returns the kind in words.
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventKinds) {
		return eventKinds[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// Event is what a service told about a node to which a [Subscriber] is subscribed.
//
// An item may name domains that have no verdict; see package optin.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// Service and Node are where, as they were given to [Subscriber.Subscribe].
	Service jid.JID
	Node    string
	// Item is the item of an ItemPublished event, nil in all others.
	// Its Info is nil if Err is not.
	Item *Item
	// ID is the id of the item published or retracted, empty where the service does not say.
	ID string
	// State is the state of the subscription after the event.
	State SubscriptionState
	// Err is why an item has no Info: it wraps [ErrNoPayload], [ErrOverflow], [ErrNoItem] for a payload of another kind, or
	// [ErrPayload].
	// In a SubscriptionChanged event it is why the subscription could not be renewed.
	Err error
	// At is when the event came.
	At time.Time
	// Stamp is when the service says that it happened (XEP-0203), zero unless it says so.
	// ejabberd does for the last item, which it sends to new subscribers.
	Stamp time.Time
	// Superseded is how many events this one has replaced since one of the node was last read.
	Superseded int
}

// pending is an event that waits to be read.
type pending struct {
	Event
	// raw is the payload, which is decoded only if anybody reads it.
	raw []byte
}

// event decodes the payload and returns the finished event.
func (p *pending) event() Event {
	e := p.Event
	if e.Item == nil || e.Err != nil {
		return e
	}
	item := *e.Item
	item.Raw = p.raw
	info, err := xep.Unmarshal(p.raw)
	if err != nil {
		e.Err = fmt.Errorf("%w: %w", ErrPayload, err)
	} else {
		item.Info = info
	}
	e.Item = &item
	return e
}
