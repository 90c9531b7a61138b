package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Why a fetch brought no server information although the service answered.
var (
	// ErrNoItem is a node that exists and holds no item with server information.
	ErrNoItem = errors.New("the node holds no server information")
	// ErrNotPersistent is a node that keeps no items, so that only its subscribers ever see one.
	// Older modules of Prosody create their node like this.
	ErrNotPersistent = errors.New("the node keeps no items: subscribe to it")
	// ErrPayload is an item whose payload is not what XEP-0485 §4 describes; it wraps what [xep.Unmarshal] said.
	ErrPayload = errors.New("malformed server information")
)

// Item is one item of a node, with its payload.
type Item struct {
	// ID is the item's id, [xep.ItemCurrent] from publishers that follow the XEP.
	ID string
	// Publisher is who the service says published it, empty where it does not say.
	Publisher string
	// Info is the payload.
	Info *xep.ServerInfo
	// Raw is the payload as it was written, made to stand alone.
	Raw []byte
}

// Fetch gets the current server information from a node.
//
// It asks for the item "current" and, from publishers that use another id, for the newest.
// Errors to branch on are [ErrNoItem], [ErrNotPersistent], [ErrPayload], and a [*Error] with what the service answered, for example item-not-found where there is no node.
func Fetch(ctx context.Context, s Session, service jid.JID, node string) (*Item, error) {
	it, err := fetchOnce(ctx, s, service, node, true)
	if !worthAsking(err) {
		return it, err
	}
	return fetchOnce(ctx, s, service, node, false)
}

// worthAsking tells whether the newest item may exist where the current one does not.
// Some services answer an unknown item id with item-not-found and others with an empty list.
func worthAsking(err error) bool {
	return errors.Is(err, ErrNoItem) || errors.Is(err, stanza.Error{Condition: stanza.ItemNotFound})
}

func fetchOnce(ctx context.Context, s Session, service jid.JID, node string, current bool) (*Item, error) {
	reply, err := roundtrip.Do(ctx, s, roundtrip.Request{
		Type:    stanza.GetIQ,
		To:      service,
		Payload: fetchPayload(node, current),
	})
	if err != nil {
		return nil, unkept(fetchError(service, node, err))
	}
	it, err := readItems(reply.Payload(), node)
	if err != nil {
		return nil, fmt.Errorf("fetch %q from %s: %w", node, service, err)
	}
	return it, nil
}

// unkept tells Prosody's way of saying that a node keeps no items: the missing feature is itself the condition.
func unkept(err error) error {
	if errors.Is(err, &Error{Condition: stanza.FeatureNotImplemented, PubSub: "persistent-items"}) {
		return fmt.Errorf("%w: %w", ErrNotPersistent, err)
	}
	return err
}

// fetchPayload asks for one item (XEP-0060 §6.5.7, §6.5.8).
func fetchPayload(node string, current bool) []byte {
	b := []byte(`<pubsub xmlns='` + nsPubSub + `'><items`)
	b = xmlscan.AppendAttr(b, "node", node)
	if current {
		return append(b, `><item id='`+xep.ItemCurrent+`'/></items></pubsub>`...)
	}
	return append(b, ` max_items='1'/></pubsub>`...)
}

// readItems reads the reply's items from a scanner on its <pubsub> element, nil if the result was empty.
func readItems(s *xmlscan.Scanner, node string) (*Item, error) {
	if s == nil {
		return nil, ErrNoItem
	}
	if !s.Is(nsPubSub, "pubsub") {
		return nil, fmt.Errorf("the answer is not pubsub but %q", s.Local())
	}
	var found *Item
	for d := s.Depth(); s.Child(d); {
		// ejabberd puts a result set (XEP-0059) before the items.
		if found != nil || !s.Is(nsPubSub, "items") {
			continue
		}
		if got, ok := s.Attr("node"); ok && got != node {
			return nil, fmt.Errorf("the answer is about node %q", got)
		}
		var err error
		if found, err = readItemList(s); err != nil {
			return nil, err
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, ErrNoItem
	}
	var err error
	if found.Info, err = xep.Unmarshal(found.Raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return found, nil
}

// readItemList picks the item to believe: the one called current, or else the first, as services send the newest first.
// Items with another payload, or none, are passed over.
func readItemList(s *xmlscan.Scanner) (*Item, error) {
	var best *Item
	for d := s.Depth(); s.Child(d); {
		if !s.Is(nsPubSub, "item") {
			continue
		}
		it, err := readItem(s)
		if err != nil {
			return nil, err
		}
		if it.Raw != nil && (best == nil || it.ID == xep.ItemCurrent && best.ID != xep.ItemCurrent) {
			best = it
		}
	}
	return best, s.Err()
}

func readItem(s *xmlscan.Scanner) (*Item, error) {
	id, _ := s.Attr("id")
	publisher, _ := s.Attr("publisher")
	// The scanner's strings hold on to the whole reply.
	it := &Item{ID: strings.Clone(id), Publisher: strings.Clone(publisher)}
	for d := s.Depth(); s.Child(d); {
		if it.Raw != nil || !s.Is(xep.NS, "serverinfo") {
			continue
		}
		var err error
		if it.Raw, err = s.Element(); err != nil {
			return nil, err
		}
	}
	return it, s.Err()
}
