package optin

import (
	"encoding/xml"
	"strings"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/form"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Advert is what a domain answers to disco#info so that it may be named and its node found (XEP-0485 §3).
//
// A server with a service discovery of its own puts [Advert.Features] and [Advert.Form] into its answer.
// One that is built on mellium uses [Handle], and so does a component to which a server delegates the feature.
// An Advert must not be changed once it is in use.
type Advert struct {
	// Domain is the domain that opts in.
	Domain xep.Name
	// Node is where it publishes. The zero value leaves it to the default of XEP-0485 §3.
	Node xep.NodeURI
	// Contacts are the contact addresses of XEP-0157, such as "abuse-addresses", which belong in the same form.
	Contacts map[string][]string
}

// Features returns what goes among the features of the domain's disco#info.
func (a *Advert) Features() []string { return []string{xep.NS} }

// Form returns the one form of its FORM_TYPE for the domain's disco#info.
// A server that sends contact addresses as well has to put them into this form, not beside it (XEP-0485 §8).
func (a *Advert) Form() xep.Form { return xep.BuildForm(a.Node, a.Contacts) }

// Handle returns an option that answers disco#info for the adverts' domains.
//
// Three kinds of request are told apart:
//   - one to a domain that has an advert gets the feature and the form;
//   - one to any other address, such as a component's own, gets an answer without them: a component that publishes for a
//     domain has not opted in itself;
//   - one from a domain that has an advert, to a node of namespace delegation (XEP-0355 §7.2, both versions in use), gets
//     the feature and the form, which the server then adds to its own answer.
//
// What the other handlers of the multiplexer say of themselves is part of the answer, and fields of their forms of the
// same FORM_TYPE are merged into the one form.
// Don't combine it with mellium's disco.Handle: that handles the same requests and would panic as the second of its kind.
func Handle(adverts ...*Advert) mux.Option {
	return func(m *mux.ServeMux) {
		h := &infoHandler{mux: m, adverts: adverts}
		mux.IQ(stanza.GetIQ, xml.Name{Space: disco.NSInfo, Local: "query"}, h)(m)
	}
}

// infoHandler answers disco#info. It is read-only after it was made, so it may answer any number of requests at once.
type infoHandler struct {
	mux     *mux.ServeMux
	adverts []*Advert
}

// HandleIQ implements mux.IQHandler.
func (h *infoHandler) HandleIQ(iq stanza.IQ, t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	node := attr(start, "node")
	a, ok := h.answer(iq, node)
	if !ok {
		_, err := xmlstream.Copy(t, iq.Error(stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}))
		return err
	}
	_, err := xmlstream.Copy(t, iq.Result(a.tokens(node)))
	return err
}

func attr(start *xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// answer collects what to say, and reports whether the node exists.
func (h *infoHandler) answer(iq stanza.IQ, node string) (*answer, bool) {
	a := new(answer)
	if kind := delegated(node); kind != notDelegated {
		ad := h.advert(iq.From)
		if ad == nil {
			return nil, false
		}
		if kind == delegatedDomain {
			a.features = ad.Features()
			a.forms = []xep.Form{ad.Form()}
		}
		return a, true
	}
	a.collect(h.mux, node)
	if node != "" {
		return a, len(a.identities)+len(a.features)+len(a.forms) > 0
	}
	a.addFeature(disco.NSInfo)
	ad := h.advert(iq.To)
	if ad == nil && iq.To.Equal(jid.JID{}) && len(h.adverts) == 1 {
		ad = h.adverts[0]
	}
	if ad != nil {
		a.advertise(ad)
	}
	if len(a.identities) == 0 {
		a.identities = []info.Identity{defaultIdentity(ad)}
	}
	return a, true
}

func defaultIdentity(ad *Advert) info.Identity {
	if ad != nil {
		return info.Identity{Category: "server", Type: "im"}
	}
	return info.Identity{Category: "component", Type: "generic"}
}

// advert finds the advert of an address, which must be a bare domain.
func (h *infoHandler) advert(j jid.JID) *Advert {
	if j.Localpart() != "" || j.Resourcepart() != "" {
		return nil
	}
	name, err := xep.NameOf(j)
	if err != nil {
		return nil
	}
	for _, ad := range h.adverts {
		if ad.Domain == name {
			return ad
		}
	}
	return nil
}

type delegation int

const (
	notDelegated delegation = iota
	delegatedDomain
	delegatedBare
)

// delegated recognises the nodes by which a server asks what to add to its own answers, and to those of its users' bare
// addresses (XEP-0355 §7.2).
// The number in the namespace differs between servers and changes nothing here.
func delegated(node string) delegation {
	rest, ok := strings.CutPrefix(node, "urn:xmpp:delegation:")
	if !ok {
		return notDelegated
	}
	digits := strings.TrimLeft(rest, "0123456789")
	if len(digits) == len(rest) {
		return notDelegated
	}
	switch digits {
	case "::" + xep.NS:
		return delegatedDomain
	case ":bare:" + xep.NS:
		return delegatedBare
	}
	return notDelegated
}

// answer is the content of a disco#info result.
type answer struct {
	identities []info.Identity
	features   []string
	forms      []xep.Form
}

// collect asks the handlers of a multiplexer. Their callbacks return no errors, so neither does the iteration.
func (a *answer) collect(m *mux.ServeMux, node string) {
	_ = m.ForIdentities(node, func(i info.Identity) error {
		for _, have := range a.identities {
			if have.Category == i.Category && have.Type == i.Type && have.Lang == i.Lang {
				return nil
			}
		}
		a.identities = append(a.identities, i)
		return nil
	})
	_ = m.ForFeatures(node, func(f info.Feature) error {
		a.addFeature(f.Var)
		return nil
	})
	_ = m.ForForms(node, func(d *form.Data) error {
		a.addForm(convert(d))
		return nil
	})
}

func (a *answer) addFeature(f string) {
	for _, have := range a.features {
		if have == f {
			return
		}
	}
	a.features = append(a.features, f)
}

// addForm keeps one form of each FORM_TYPE, as XEP-0128 §2 demands.
func (a *answer) addForm(f xep.Form) {
	typ := f.FormType()
	for i, have := range a.forms {
		if typ != "" && have.FormType() == typ {
			a.forms[i] = merge(have, f)
			return
		}
	}
	a.forms = append(a.forms, f)
}

// advertise adds the feature and the form, whose fields win over what other handlers put into theirs.
func (a *answer) advertise(ad *Advert) {
	for _, f := range ad.Features() {
		a.addFeature(f)
	}
	mine := ad.Form()
	for i, have := range a.forms {
		if have.FormType() == xep.FormType {
			a.forms[i] = merge(mine, have)
			return
		}
	}
	a.forms = append(a.forms, mine)
}

// merge adds the fields of other that f lacks.
func merge(f, other xep.Form) xep.Form {
	out := xep.Form{Type: f.Type, Fields: append([]xep.FormField(nil), f.Fields...)}
	for _, field := range other.Fields {
		if !hasField(f, field.Var) {
			out.Fields = append(out.Fields, field)
		}
	}
	return out
}

func hasField(f xep.Form, name string) bool {
	for _, field := range f.Fields {
		if field.Var == name {
			return true
		}
	}
	return false
}

// convert turns a form of mellium's into a form of type result, which is the only type that belongs into the answer.
func convert(d *form.Data) xep.Form {
	out := xep.Form{Type: "result"}
	d.ForFields(func(f form.FieldData) {
		out.Fields = append(out.Fields, xep.FormField{Var: f.Var, Type: string(f.Type), Values: f.Raw})
	})
	return out
}

// tokens returns the query element. Everything is in memory, so it can't fail midway and leave half a stanza on the wire.
func (a *answer) tokens(node string) xml.TokenReader {
	children := make([]xml.TokenReader, 0, len(a.identities)+len(a.features)+len(a.forms))
	for _, i := range a.identities {
		children = append(children, i.TokenReader())
	}
	for _, f := range a.features {
		children = append(children, info.Feature{Var: f}.TokenReader())
	}
	for _, f := range a.forms {
		children = append(children, f.TokenReader())
	}
	start := xml.StartElement{Name: xml.Name{Space: disco.NSInfo, Local: "query"}}
	if node != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "node"}, Value: node}}
	}
	return xmlstream.Wrap(xmlstream.MultiReader(children...), start)
}
