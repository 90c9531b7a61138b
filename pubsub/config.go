package pubsub

import (
	"context"
	"fmt"

	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	formNodeConfig     = "http://jabber.org/protocol/pubsub#node_config"
	formPublishOptions = "http://jabber.org/protocol/pubsub#publish-options"
	formMetaData       = "http://jabber.org/protocol/pubsub#meta-data"
)

// setting is one field of a node's configuration (XEP-0060 §16.4.4).
type setting struct{ field, value string }

// wanted is how XEP-0485 §5 and common sense want the node: anyone may read it, the item survives a restart, there is one
// of them, and nobody else can put another one there.
// Services that are asked for more than this when a node is made refuse fields that they don't know.
var wanted = []setting{
	{"pubsub#access_model", "open"},
	{"pubsub#max_items", "1"},
	{"pubsub#persist_items", "1"},
	{"pubsub#publish_model", "publishers"},
}

// wantedIfKnown is set, too, where the form of an existing node has it, because subscribers depend on it.
var wantedIfKnown = []setting{
	{"pubsub#deliver_notifications", "1"},
	{"pubsub#deliver_payloads", "1"},
}

// options are what a publication insists on, so that an item never lands on a node that others can't read.
// Not max_items: ejabberd does not know it there, and refuses.
var options = []setting{
	{"pubsub#access_model", "open"},
	{"pubsub#persist_items", "1"},
}

// Deviation is a field of a node's configuration that is not what it should be.
type Deviation struct {
	// Field is the name of the field, for example "pubsub#max_items".
	Field string
	// Want and Got are its values; Got is empty if the service does not say.
	Want, Got string
}

// String describes the deviation in a line.
func (d Deviation) String() string {
	if d.Got == "" {
		return fmt.Sprintf("%s: want %s, and the service does not say", d.Field, d.Want)
	}
	return fmt.Sprintf("%s: want %s, got %q", d.Field, d.Want, d.Got)
}

// deviations compares a form with the settings. Fields of the second list count only where the form has them.
func deviations(form xep.Form, must, may []setting) []Deviation {
	var out []Deviation
	for i, s := range append(append([]setting(nil), must...), may...) {
		values := form.Values(s.field)
		got := ""
		if len(values) > 0 {
			got = values[0]
		}
		if got == "" && i >= len(must) || sameValue(s.value, got) {
			continue
		}
		out = append(out, Deviation{Field: s.field, Want: s.value, Got: got})
	}
	return out
}

// sameValue knows that booleans have two spellings (XEP-0004 §3.3).
func sameValue(want, got string) bool {
	return want == got || want == "1" && got == "true" || want == "0" && got == "false"
}

// appendForm writes a form of type submit.
func appendForm(dst []byte, formType string, settings []setting) []byte {
	f := xep.Form{Type: "submit", Fields: []xep.FormField{{Var: "FORM_TYPE", Type: "hidden", Values: []string{formType}}}}
	for _, s := range settings {
		f.Fields = append(f.Fields, xep.FormField{Var: s.field, Values: []string{s.value}})
	}
	return f.AppendXML(dst)
}

// getConfig asks for the configuration of the node, which only an owner gets (XEP-0060 §8.2).
func (p *Publisher) getConfig(ctx context.Context) (xep.Form, error) {
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSubOwner+`'><configure`), "node", p.node())
	reply, err := p.do(ctx, OpConfigure, stanza.GetIQ, append(b, `/></pubsub>`...))
	if err != nil {
		return xep.Form{}, err
	}
	form, err := readConfig(reply.Payload())
	if err != nil {
		return xep.Form{}, fmt.Errorf("%s %q on %s: %w: %w", OpConfigure, p.node(), p.Service, roundtrip.ErrMalformed, err)
	}
	return form, nil
}

// readConfig finds the form in the answer, whose elements around it are the same for every service.
func readConfig(s *xmlscan.Scanner) (xep.Form, error) {
	if s == nil {
		return xep.Form{}, fmt.Errorf("no configuration in the answer")
	}
	for s.Kind() == xmlscan.Start && !s.Is(xep.NSForm, "x") {
		if !s.Next() {
			break
		}
	}
	if s.Kind() != xmlscan.Start {
		return xep.Form{}, fmt.Errorf("no configuration in the answer")
	}
	return xep.DecodeForm(s)
}

// setConfig changes fields of the node's configuration (XEP-0060 §8.2).
func (p *Publisher) setConfig(ctx context.Context, settings []setting) error {
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSubOwner+`'><configure`), "node", p.node())
	b = appendForm(append(b, '>'), formNodeConfig, settings)
	_, err := p.do(ctx, OpConfigure, stanza.SetIQ, append(b, `</configure></pubsub>`...))
	return err
}

// create makes the node, configured if the service can do both at once (XEP-0060 §8.1).
func (p *Publisher) create(ctx context.Context, configured bool) error {
	b := xmlscan.AppendAttr([]byte(`<pubsub xmlns='`+nsPubSub+`'><create`), "node", p.node())
	b = append(b, `/>`...)
	if configured {
		b = appendForm(append(b, `<configure>`...), formNodeConfig, wanted)
		b = append(b, `</configure>`...)
	}
	_, err := p.do(ctx, OpCreate, stanza.SetIQ, append(b, `</pubsub>`...))
	return err
}
