package pubsub

import (
	"fmt"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

const nsDelay = "urn:xmpp:delay"

// The bounds on what a [notice] keeps, beside that on the bytes of the message.
const (
	maxNodeName = 1024
	maxItemID   = 1024
	maxRetracts = 64
)

// notice is one notification as a service sent it (XEP-0060 §7.1.2 and §12), not yet held against the subscriptions.
type notice struct {
	node string
	kind EventKind
	// item is the item to believe among those of an ItemPublished notice.
	item *Item
	raw  []byte
	err  error
	// gone are the ids of the items retracted after the item was published, or without any.
	gone []string
	// sub is what a SubscriptionChanged notice says.
	sub   grant
	stamp time.Time
}

// grant is a subscription as the service describes it.
type grant struct {
	node, addr, id string
	state          SubscriptionState
}

// decodeNotice reads a message, which must hold exactly one notification.
// Text, foreign elements and the message's type, id and language are passed over.
func decodeNotice(message []byte) (*notice, error) {
	s := xmlscan.New(message, xmlscan.Limits{})
	if !s.Next() || s.Kind() != xmlscan.Start {
		return nil, badEvent(s, "no message")
	}
	var n *notice
	var stamp time.Time
	for d := s.Depth(); s.Child(d); {
		var err error
		switch {
		case s.Is(NSEvent, "event"), s.Is(nsPubSub, "pubsub"):
			if n != nil {
				return nil, badEvent(s, "two notifications")
			}
			n, err = readNotice(s)
		case s.Is(nsDelay, "delay") && stamp.IsZero():
			stamp = readStamp(s)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.Err() != nil || n == nil {
		return nil, badEvent(s, "no notification")
	}
	n.stamp = stamp
	return n, nil
}

// badEvent is the error of a message that is not what XEP-0060 describes.
func badEvent(s *xmlscan.Scanner, why string) error {
	if err := s.Err(); err != nil {
		return fmt.Errorf("event: %w: %w", roundtrip.ErrMalformed, err)
	}
	return fmt.Errorf("event: %w: %s", roundtrip.ErrMalformed, why)
}

// readStamp reads when a delayed notification was made, zero if that is not what XEP-0082 describes.
func readStamp(s *xmlscan.Scanner) time.Time {
	stamp, _ := s.Attr("stamp")
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// readNotice reads a scanner on the <event> element.
// Services that tell about a subscription's approval in a <pubsub> element, as old versions of XEP-0060 had it, may not use that for anything else.
func readNotice(s *xmlscan.Scanner) (*notice, error) {
	space := s.Space()
	var n *notice
	for d := s.Depth(); s.Child(d); {
		if s.Space() != space {
			continue
		}
		if n != nil {
			return nil, badEvent(s, "two changes in one notification")
		}
		var err error
		if n, err = readChange(s, space == nsPubSub); err != nil {
			return nil, err
		}
	}
	if s.Err() != nil || n == nil {
		return nil, badEvent(s, "no change")
	}
	return n, nil
}

// readChange reads the element that says what has changed.
func readChange(s *xmlscan.Scanner, old bool) (*notice, error) {
	name := s.Local()
	node, ok := s.Attr("node")
	if len(node) > maxNodeName || !ok || old && name != "subscription" {
		return nil, badEvent(s, "no node, or not one of ours")
	}
	n := &notice{node: strings.Clone(node)}
	switch name {
	case "items":
		if err := readChangedItems(s, n); err != nil {
			return nil, err
		}
		return n, nil
	case "purge":
		n.kind = NodePurged
	case "delete":
		n.kind = NodeDeleted
	case "configuration":
		n.kind = NodeConfigured
	case "subscription":
		n.kind = SubscriptionChanged
		var err error
		if n.sub, err = readGrant(s); err != nil {
			return nil, err
		}
	default:
		// Collections (XEP-0248) are among these.
		return nil, badEvent(s, fmt.Sprintf("unknown change %q", name))
	}
	if s.Skip() != nil {
		return nil, badEvent(s, "")
	}
	return n, nil
}

// readGrant reads the attributes of a <subscription> element.
func readGrant(s *xmlscan.Scanner) (grant, error) {
	node, _ := s.Attr("node")
	addr, _ := s.Attr("jid")
	id, _ := s.Attr("subid")
	word, ok := s.Attr("subscription")
	if !ok {
		// A result without it says that the request was granted.
		word = SubscriptionActive.String()
	}
	state, known := parseState(word)
	if !known || len(id) > maxItemID {
		return grant{}, badEvent(s, fmt.Sprintf("subscription is %.40q", word))
	}
	return grant{node: strings.Clone(node), addr: strings.Clone(addr), id: strings.Clone(id), state: state}, nil
}

// readChangedItems reads the items of a notification in their order.
// Of several items the one called current counts, or else the last, which is the newest.
func readChangedItems(s *xmlscan.Scanner, n *notice) error {
	n.kind = ItemRetracted
	any := false
	for d := s.Depth(); s.Child(d); {
		var err error
		switch {
		case s.Is(NSEvent, "item"):
			any = true
			err = readChangedItem(s, n)
		case s.Is(NSEvent, "retract"):
			any = true
			err = readRetract(s, n)
		}
		if err != nil {
			return err
		}
	}
	if s.Err() != nil {
		return badEvent(s, "")
	}
	if !any {
		// Of a node without items and payloads this is the whole notification (XEP-0060 §7.1.2.4).
		n.kind, n.item, n.err = ItemPublished, &Item{}, ErrNoPayload
	}
	return nil
}

func readChangedItem(s *xmlscan.Scanner, n *notice) error {
	id, err := itemID(s)
	if err != nil {
		return err
	}
	item := &Item{ID: id}
	if publisher, _ := s.Attr("publisher"); len(publisher) <= maxItemID {
		item.Publisher = strings.Clone(publisher)
	}
	raw, why, err := readPayload(s)
	if err != nil {
		return err
	}
	if n.item != nil && n.item.ID == xep.ItemCurrent && id != xep.ItemCurrent {
		return nil
	}
	n.kind, n.item, n.raw, n.err, n.gone = ItemPublished, item, raw, why, nil
	return nil
}

// readRetract notes that an item is gone; if it is the one just published, nothing is left of that.
func readRetract(s *xmlscan.Scanner, n *notice) error {
	id, err := itemID(s)
	if err != nil {
		return err
	}
	if n.item != nil && n.item.ID == id {
		n.kind, n.item, n.raw, n.err = ItemRetracted, nil, nil, nil
	}
	switch {
	case n.item != nil:
	case len(n.gone) < maxRetracts:
		n.gone = append(n.gone, id)
	case id == xep.ItemCurrent:
		n.gone[0] = id
	}
	if s.Skip() != nil {
		return badEvent(s, "")
	}
	return nil
}

func itemID(s *xmlscan.Scanner) (string, error) {
	id, _ := s.Attr("id")
	if len(id) > maxItemID {
		return "", badEvent(s, "item id too long")
	}
	return strings.Clone(id), nil
}

// readPayload returns the item's server information as bytes, or why there is none.
func readPayload(s *xmlscan.Scanner) (raw []byte, why, err error) {
	why = ErrNoPayload
	for d := s.Depth(); s.Child(d); {
		switch {
		case raw != nil:
		case s.Is(xep.NS, "serverinfo"):
			if raw, err = s.Element(); err != nil {
				return nil, nil, badEvent(s, "")
			}
			why = nil
		default:
			why = ErrNoItem
		}
	}
	if s.Err() != nil {
		return nil, nil, badEvent(s, "")
	}
	return raw, why, nil
}
