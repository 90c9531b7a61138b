package talk

import (
	"encoding/xml"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/version"
)

// Identity returns an option by which those who ask learn that this is a bot (XEP-0030) and which (XEP-0092).
// It leaves the answer to disco#info to optin.Handle, which asks all handlers what they have to say.
// A crawler's Handle says the same: take one of them.
func Identity(name string) mux.Option {
	return func(m *mux.ServeMux) {
		mux.IQ(stanza.GetIQ, xml.Name{Space: version.NS, Local: "query"}, identity(name))(m)
	}
}

type identity string

// HandleIQ answers with the software version.
func (h identity) HandleIQ(iq stanza.IQ, t xmlstream.TokenReadEncoder, _ *xml.StartElement) error {
	_, err := xmlstream.Copy(t, iq.Result(version.Query{Name: string(h)}.TokenReader()))
	return err
}

// ForIdentities implements info.IdentityIter.
func (h identity) ForIdentities(node string, f func(info.Identity) error) error {
	if node != "" {
		return nil
	}
	return f(info.Identity{Category: "client", Type: "bot", Name: string(h)})
}

// ForFeatures implements info.FeatureIter.
func (h identity) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(info.Feature{Var: version.NS})
}
