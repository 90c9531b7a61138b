// Package disco asks an entity what it is and what it hosts (XEP-0030), within bounds.
//
// It exists beside mellium's package of that name because answers come from strangers: those helpers panic on several
// shapes of answer, follow an endless list of pages, and hold the session up while they read.
package disco

import (
	"context"
	"fmt"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The namespaces of the queries (XEP-0030 §8).
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
)

// What an answer may hold at most.
// The most talkative server seen sends a quarter of any of them.
const (
	MaxBytes      = 256 << 10
	MaxIdentities = 64
	MaxFeatures   = 2048
	MaxForms      = 32
	MaxFields     = 256
	MaxValues     = 256
	// MaxItems is where [GetItems] stops reading; a service with thousands of rooms must not lose its pubsub host.
	MaxItems = 1000
)

// Info is what an entity says about itself.
// Its strings share memory with the answer: clone those that are kept for long.
type Info struct {
	// Node is the node that the answer is about, empty for the entity itself.
	Node string
	// Identities are the kinds of entity that it is, in document order.
	Identities []Identity
	// Features are the protocols that it speaks, in document order.
	Features []string
	// Forms are the extensions of the answer (XEP-0128), in document order.
	Forms []xep.Form
}

// Identity is one kind of entity.
type Identity struct {
	// Category and Type are registered values, such as "pubsub" and "service".
	Category, Type string
	// Name is for human readers, empty if it was not given.
	Name string
	// Lang is the language of the name.
	Lang string
}

// Item is an entity or a node that another entity lists.
type Item struct {
	// JID is the address as written: an address that cannot be used is no reason to lose the others.
	JID string
	// Node is empty for the entity itself.
	Node string
	// Name is for human readers, empty if it was not given.
	Name string
}

// Has reports whether the entity advertises a feature.
func (i *Info) Has(feature string) bool {
	for _, f := range i.Features {
		if f == feature {
			return true
		}
	}
	return false
}

// Identity reports whether the entity has an identity of the category and type.
func (i *Info) Identity(category, typ string) bool {
	for _, id := range i.Identities {
		if id.Category == category && id.Type == typ {
			return true
		}
	}
	return false
}

// GetInfo asks an entity, or one of its nodes, what it is.
// The errors are those of [roundtrip.Do].
func GetInfo(ctx context.Context, s roundtrip.Session, to jid.JID, node string) (*Info, error) {
	payload, err := ask(ctx, s, to, NSInfo, node)
	if err != nil {
		return nil, err
	}
	info, err := DecodeInfo(payload)
	if err != nil {
		return nil, fmt.Errorf("disco: info of %q: %w: %w", to, roundtrip.ErrMalformed, err)
	}
	return info, nil
}

// GetItems asks an entity, or one of its nodes, for the entities that it hosts.
// Only the first page is asked for, and no more than [MaxItems] are kept.
// The errors are those of [roundtrip.Do].
func GetItems(ctx context.Context, s roundtrip.Session, to jid.JID, node string) ([]Item, error) {
	payload, err := ask(ctx, s, to, NSItems, node)
	if err != nil {
		return nil, err
	}
	items, err := DecodeItems(payload)
	if err != nil {
		return nil, fmt.Errorf("disco: items of %q: %w: %w", to, roundtrip.ErrMalformed, err)
	}
	return items, nil
}

// ask performs the query and returns a scanner on its element.
func ask(ctx context.Context, s roundtrip.Session, to jid.JID, ns, node string) (*xmlscan.Scanner, error) {
	query := xmlscan.AppendAttr([]byte("<query"), "xmlns", ns)
	if node != "" {
		query = xmlscan.AppendAttr(query, "node", node)
	}
	query = append(query, "/>"...)
	reply, err := roundtrip.Do(ctx, s, roundtrip.Request{To: to, Payload: query, MaxBytes: MaxBytes})
	if err != nil {
		return nil, err
	}
	payload := reply.Payload()
	if payload == nil || !payload.Is(ns, "query") {
		return nil, fmt.Errorf("disco: %w: no query in the answer of %q", roundtrip.ErrMalformed, to)
	}
	return payload, nil
}
