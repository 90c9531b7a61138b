package crawl

import (
	"encoding/xml"
	"runtime/debug"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/form"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/version"

	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// modulePath is by whose name the build knows this library.
const modulePath = "github.com/xmppgraph/xmppgraph"

// Handle returns an option that receives the events of the nodes to which the crawler subscribes, as [pubsub.Handle] does,
// and that lets those who are asked find out who asks:
// an identity, the crawler's contact in the form of XEP-0157, and a software version (XEP-0092).
//
// A server delivers events to the bare address of a client only while that is available: send presence after each connection.
// Components need none.
//
// Handle answers the version itself and leaves the answer to disco#info to [github.com/xmppgraph/xmppgraph/optin.Handle],
// which asks all handlers what they have to say:
//
//	m := mux.New(component.NSAccept, c.Handle(), optin.Handle())
//
// The crawler's contact must be set before, and its session can be set after.
func (c *Crawler) Handle() mux.Option {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sub == nil {
		c.sub = new(pubsub.Subscriber)
	}
	sub := c.sub
	return func(m *mux.ServeMux) {
		pubsub.Handle(sub)(m)
		h := identity{contact: c.Contact}
		mux.IQ(stanza.GetIQ, xml.Name{Space: version.NS, Local: "query"}, h)(m)
	}
}

// identity is who the crawler says it is.
type identity struct{ contact string }

// HandleIQ answers with the software version.
func (h identity) HandleIQ(iq stanza.IQ, t xmlstream.TokenReadEncoder, _ *xml.StartElement) error {
	_, err := xmlstream.Copy(t, iq.Result(version.Query{Name: "xmppgraph crawler", Version: buildVersion()}.TokenReader()))
	return err
}

// ForIdentities implements info.IdentityIter.
func (h identity) ForIdentities(node string, f func(info.Identity) error) error {
	if node != "" {
		return nil
	}
	return f(info.Identity{Category: "client", Type: "bot", Name: "XMPP network crawler (XEP-0485)"})
}

// ForFeatures implements info.FeatureIter.
func (h identity) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(info.Feature{Var: version.NS})
}

// ForForms implements form.Iter with the contact addresses of XEP-0157.
func (h identity) ForForms(node string, f func(*form.Data) error) error {
	if node != "" || h.contact == "" {
		return nil
	}
	return f(form.New(
		form.Hidden("FORM_TYPE", form.Value(xep.FormType)),
		form.ListMulti("admin-addresses", form.Value(h.contact)),
		form.ListMulti("abuse-addresses", form.Value(h.contact)),
	))
}

// buildVersion is the version of this module in the program that it is part of.
func buildVersion() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(b.Deps, &b.Main) {
		if m.Path == modulePath && m.Version != "" {
			return m.Version
		}
	}
	return "unknown"
}
