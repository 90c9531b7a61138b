package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// DefaultMaxPayload is the largest payload in bytes that a [Publisher] sends unless told otherwise.
//
// ejabberd refuses a payload above 250,000 bytes, and both ejabberd and Prosody close a client's stream on a stanza above 256 KiB.
const DefaultMaxPayload = 240_000

// maxStrays bounds how many left-over items are removed at a time.
const maxStrays = 32

// Publisher keeps one item on one node.
//
// Session and Service are required. The fields must not be changed after the first call.
// All methods are safe for concurrent use, but the outcome of publishing and withdrawing at the same time is either's.
type Publisher struct {
	// Session carries the requests. Its address is who owns the node.
	Session Session
	// Service is the pubsub service.
	Service jid.JID
	// Node is the name of the node, [xep.DefaultNode] if empty.
	Node string
	// MaxPayload is the limit on the payload in bytes, [DefaultMaxPayload] if zero.
	MaxPayload int
	// Timeout bounds each request, 30 s if zero.
	Timeout time.Duration

	mu    sync.Mutex
	state *NodeReport
}

// NodeReport is what [Publisher.Ensure] found and did.
type NodeReport struct {
	// Service and Node are the coordinates.
	Service jid.JID
	Node    string
	// Brand is the kind of server that runs the service, as far as that can be told.
	Brand Brand
	// Created tells that the node did not exist before.
	Created bool
	// Owned tells whether this session may configure the node.
	Owned bool
	// Config is the configuration as read back at last, by field. Of a node that is not owned it is what the node tells everyone.
	Config map[string]string
	// Deviations are the fields that are not as they should be and could not be changed.
	Deviations []Deviation
	// Removed are the ids of items that a former publisher left behind, and that were removed.
	// They would have shown names for whose consent nobody looks any more.
	Removed []string

	options bool
}

func (p *Publisher) node() string {
	if p.Node == "" {
		return xep.DefaultNode
	}
	return p.Node
}

// URI returns the coordinates in the form in which a domain advertises them.
func (p *Publisher) URI() xep.NodeURI { return xep.NodeURI{Service: p.Service, Node: p.node()} }

// self returns this session's address without a resource, or a description if the session does not know it.
func (p *Publisher) self() string {
	if s, ok := p.Session.(interface{ LocalAddr() jid.JID }); ok {
		return s.LocalAddr().Bare().String()
	}
	return "the publisher's address"
}

// do performs one request and types its error.
func (p *Publisher) do(ctx context.Context, op string, typ stanza.IQType, payload []byte) (*roundtrip.Reply, error) {
	reply, err := roundtrip.Do(ctx, p.Session, roundtrip.Request{Type: typ, To: p.Service, Payload: payload, Timeout: p.Timeout})
	if err == nil {
		return reply, nil
	}
	brand := UnknownBrand
	if r := p.known(); r != nil {
		brand = r.Brand
	}
	return nil, advise(wrap(op, p.Service, p.node(), err), brand, p.self())
}

func (p *Publisher) known() *NodeReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *Publisher) learn(r *NodeReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = r
}

// Ensure makes sure that the node exists and is configured as XEP-0485 §5 asks: open access, one persistent item, and
// nobody else may publish.
//
// It creates and configures the node, or configures it if it exists and is owned by this session, and reads the result back.
// A node of somebody else is left as it is. What could not be set is in the report's deviations and no error.
// The errors are of type *[Error], with the remedy, or say why there was no answer.
//
// It must come before the first publication, because ejabberd would silently create the node with a wrong configuration:
// [Publisher.Publish] calls it if nobody has.
func (p *Publisher) Ensure(ctx context.Context) (*NodeReport, error) {
	r := &NodeReport{Service: p.Service, Node: p.node()}
	info, err := disco.GetInfo(ctx, p.Session, p.Service, "")
	if err != nil {
		return nil, advise(wrap(OpDiscover, p.Service, p.node(), err), UnknownBrand, p.self())
	}
	r.Brand = brandOf(info)
	r.options = info.Has(nsPubSub + "#publish-options")
	// From here on, errors know the brand. The publisher is not ready before the end, however.
	p.learn(&NodeReport{Brand: r.Brand})
	form, err := p.obtain(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.Owned {
		if form, err = p.correct(ctx, form); err != nil {
			return nil, err
		}
		r.Deviations = deviations(form, wanted, wantedIfKnown)
		if r.Removed, err = p.removeStrays(ctx); err != nil {
			return nil, err
		}
	} else {
		// Others are told only this much about a node.
		form = p.metaData(ctx)
		r.Deviations = deviations(form, wanted[:1], wanted[3:])
	}
	r.Config = flatten(form)
	p.learn(r)
	return r, nil
}

// obtain gets the configuration of the node, creating the node if there is none.
func (p *Publisher) obtain(ctx context.Context, r *NodeReport) (xep.Form, error) {
	form, err := p.getConfig(ctx)
	if err == nil {
		r.Owned = true
		return form, nil
	}
	if !errors.Is(err, &Error{}) || IsTemporary(err) {
		return xep.Form{}, err
	}
	// Services differ in what they tell strangers about a node that does not exist, so that only creating it settles the matter.
	switch err := p.createAnyhow(ctx); {
	case err == nil:
		r.Created, r.Owned = true, true
	case errors.Is(err, &Error{Condition: stanza.Conflict}):
		return xep.Form{}, nil
	default:
		return xep.Form{}, err
	}
	return p.getConfig(ctx)
}

// createAnyhow creates the node, and without a configuration if the service does not like ours.
func (p *Publisher) createAnyhow(ctx context.Context) error {
	err := p.create(ctx, true)
	var e *Error
	if errors.As(err, &e) {
		switch e.Condition {
		case stanza.BadRequest, stanza.NotAcceptable, stanza.FeatureNotImplemented, stanza.ResourceConstraint:
			return p.create(ctx, false)
		}
	}
	return err
}

// correct sets the fields that deviate, and returns the configuration as read back.
// A service that refuses them together may still take some of them one by one.
func (p *Publisher) correct(ctx context.Context, form xep.Form) (xep.Form, error) {
	var set []setting
	for _, d := range deviations(form, wanted, wantedIfKnown) {
		if len(form.Values(d.Field)) > 0 || hasField(form, d.Field) {
			set = append(set, setting{d.Field, d.Want})
		}
	}
	if len(set) == 0 {
		return form, nil
	}
	if err := p.setConfig(ctx, set); err != nil {
		if !errors.Is(err, &Error{}) || len(set) == 1 {
			return form, ignoreRefusal(err)
		}
		for _, s := range set {
			if err := ignoreRefusal(p.setConfig(ctx, []setting{s})); err != nil {
				return form, err
			}
		}
	}
	return p.getConfig(ctx)
}

// ignoreRefusal drops an answered error: the field stays among the deviations.
func ignoreRefusal(err error) error {
	if errors.Is(err, &Error{}) {
		return nil
	}
	return err
}

func hasField(f xep.Form, name string) bool {
	for _, field := range f.Fields {
		if field.Var == name {
			return true
		}
	}
	return false
}

// metaData is what the node tells everyone (XEP-0060 §5.4), nothing if it tells nothing.
func (p *Publisher) metaData(ctx context.Context) xep.Form {
	info, err := disco.GetInfo(ctx, p.Session, p.Service, p.node())
	if err != nil {
		return xep.Form{}
	}
	for _, f := range info.Forms {
		if f.FormType() == formMetaData {
			return f
		}
	}
	return xep.Form{}
}

func flatten(f xep.Form) map[string]string {
	m := make(map[string]string, len(f.Fields))
	for _, field := range f.Fields {
		if field.Var != "FORM_TYPE" && len(field.Values) > 0 {
			m[field.Var] = field.Values[0]
		}
	}
	return m
}

// removeStrays retracts every item but the current one.
// ejabberd keeps one item for each publisher, whatever the limit, and other services keep those from before the limit was set.
func (p *Publisher) removeStrays(ctx context.Context) ([]string, error) {
	items, err := disco.GetItems(ctx, p.Session, p.Service, p.node())
	if err != nil {
		var reply *roundtrip.Error
		if errors.As(err, &reply) {
			return nil, nil
		}
		return nil, err
	}
	var removed []string
	for _, it := range items {
		if it.Name == "" || it.Node != "" || it.Name == xep.ItemCurrent {
			continue
		}
		if len(removed) == maxStrays {
			break
		}
		if err := p.retract(ctx, it.Name); err != nil {
			if err := ignoreRefusal(err); err != nil {
				return removed, err
			}
			continue
		}
		removed = append(removed, it.Name)
	}
	return removed, nil
}

// Publish replaces the item (XEP-0060 §7.1). The payload is one serverinfo element.
//
// A payload above the limit is refused with an error that wraps [ErrTooBig], and the last item stays in place.
// A payload that is not well-formed is refused as well: half of the servers would close the stream.
// If the node is gone or was changed, it is ensured once more.
// The other errors are of type *[Error], with the remedy, or say why there was no answer.
func (p *Publisher) Publish(ctx context.Context, payload []byte) error {
	if len(payload) > p.maxPayload() {
		return &TooBigError{Size: len(payload), Limit: p.maxPayload()}
	}
	if err := checkPayload(payload); err != nil {
		return err
	}
	r := p.known()
	if r == nil || r.Node == "" {
		var err error
		if r, err = p.Ensure(ctx); err != nil {
			return err
		}
	}
	err := p.publish(ctx, payload, r)
	if !errors.Is(err, &Error{Condition: stanza.ItemNotFound}) && !errors.Is(err, &Error{PubSub: CondPreconditionNotMet}) {
		return err
	}
	if r, err = p.Ensure(ctx); err != nil {
		return err
	}
	return p.publish(ctx, payload, r)
}

// PublishInfo publishes a payload, and reports whether it had to leave out the connections because of the limit.
//
// If even that is too large the error wraps [ErrTooBig], and the last item stays in place.
func (p *Publisher) PublishInfo(ctx context.Context, info *xep.ServerInfo) (reduced bool, err error) {
	payload, err := xep.Marshal(info)
	if err != nil {
		return false, err
	}
	if len(payload) > p.maxPayload() {
		reduced = true
		if payload, err = xep.Marshal(withoutConnections(info)); err != nil {
			return true, err
		}
	}
	return reduced, p.Publish(ctx, payload)
}

func withoutConnections(info *xep.ServerInfo) *xep.ServerInfo {
	out := *info
	out.Domains = append([]xep.Domain(nil), info.Domains...)
	for i, d := range out.Domains {
		if d.Federation == nil {
			continue
		}
		remotes := make([]xep.RemoteDomain, len(d.Federation.RemoteDomains))
		for j, r := range d.Federation.RemoteDomains {
			remotes[j].Name = r.Name
		}
		out.Domains[i].Federation = &xep.Federation{RemoteDomains: remotes}
	}
	return &out
}

func (p *Publisher) maxPayload() int {
	if p.MaxPayload > 0 {
		return p.MaxPayload
	}
	return DefaultMaxPayload
}

// checkPayload makes sure that the payload is one element, the right one, and nothing else.
func checkPayload(b []byte) error {
	s := xmlscan.New(b, xmlscan.Limits{})
	if !s.Next() || s.Kind() != xmlscan.Start || !s.Is(xep.NS, "serverinfo") {
		return fmt.Errorf("publish: the payload is no serverinfo element: %w", errOr(s.Err()))
	}
	if err := s.Skip(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	for s.Next() {
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func errOr(err error) error {
	if err == nil {
		return ErrPayload
	}
	return err
}

func (p *Publisher) publish(ctx context.Context, payload []byte, r *NodeReport) error {
	b := make([]byte, 0, len(payload)+512)
	b = xmlscan.AppendAttr(append(b, `<pubsub xmlns='`+nsPubSub+`'><publish`...), "node", p.node())
	b = append(b, `><item id='`+xep.ItemCurrent+`'>`...)
	b = append(b, payload...)
	b = append(b, `</item></publish>`...)
	if r.Owned && r.options {
		b = appendForm(append(b, `<publish-options>`...), formPublishOptions, options)
		b = append(b, `</publish-options>`...)
	}
	_, err := p.do(ctx, OpPublish, stanza.SetIQ, append(b, `</pubsub>`...))
	return err
}

// Retract removes the item and tells the node's subscribers (XEP-0060 §7.2).
// That there is none is no error.
func (p *Publisher) Retract(ctx context.Context) error {
	err := p.retract(ctx, xep.ItemCurrent)
	if errors.Is(err, &Error{Condition: stanza.ItemNotFound}) {
		return nil
	}
	return err
}

func (p *Publisher) retract(ctx context.Context, id string) error {
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSub+`'><retract`), "node", p.node())
	b = xmlscan.AppendAttr(append(b, ` notify='true'><item`...), "id", id)
	_, err := p.do(ctx, OpRetract, stanza.SetIQ, append(b, `/></retract></pubsub>`...))
	return err
}

// Delete removes the node and all that is on it (XEP-0060 §8.4), which is for its owner only.
// That there is none is no error.
func (p *Publisher) Delete(ctx context.Context) error {
	p.learn(nil)
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSubOwner+`'><delete`), "node", p.node())
	_, err := p.do(ctx, OpDelete, stanza.SetIQ, append(b, `/></pubsub>`...))
	if errors.Is(err, &Error{Condition: stanza.ItemNotFound}) {
		return nil
	}
	return err
}
