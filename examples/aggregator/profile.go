package main

import (
	"encoding/xml"
	"net/url"
	"strings"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/form"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/xep"
)

// projectSource is where the source of this program is.
const projectSource = "https://github.com/xmppgraph/xmppgraph"

// nsVCard is that of XEP-0054, which clients show of an address that somebody looks at.
const nsVCard = "vcard-temp"

// profile is what the aggregator says of itself to those it asks, beside the crawler's contact and version:
// where its page and its policy are, and its source.
//
// XEP-0157 has no fields for the last two. XEP-0068 reserves names that begin with x- for what a registered form lacks.
type profile struct {
	contact, site, source string
}

// profile returns what the configuration says.
func (c *config) profile() profile {
	return profile{contact: c.contact, site: c.url, source: c.source}
}

// policy is the page that says what is kept of whom and how to leave, empty if the aggregator has no public address.
func (p profile) policy() string {
	if p.site == "" {
		return ""
	}
	return strings.TrimRight(p.site, "/") + "/about"
}

// handle returns an option that answers for a vCard and adds to the answer to disco#info.
func (p profile) handle() mux.Option {
	return mux.IQ(stanza.GetIQ, xml.Name{Space: nsVCard, Local: "vCard"}, p)
}

// HandleIQ implements mux.IQHandler.
func (p profile) HandleIQ(iq stanza.IQ, t xmlstream.TokenReadEncoder, _ *xml.StartElement) error {
	parts := []xml.TokenReader{text("FN", "XMPP network crawler (XEP-0485)")}
	if p.site != "" {
		parts = append(parts, text("URL", p.site))
	}
	parts = append(parts, text("DESC", p.description()))
	card := xmlstream.Wrap(xmlstream.MultiReader(parts...), xml.StartElement{Name: xml.Name{Space: nsVCard, Local: "vCard"}})
	_, err := xmlstream.Copy(t, iq.Result(card))
	return err
}

func (p profile) description() string {
	lines := []string{
		"Draws the network of XMPP servers from what they report about themselves. Only domains that opt in are named.",
		`To have a domain left out, write "exclude" and its name to this address, from one of the domain's contact addresses.`,
	}
	for _, l := range [][2]string{{"Policy: ", p.policy()}, {"Contact: ", p.contact}, {"Source: ", p.source}} {
		if l[1] != "" {
			lines = append(lines, l[0]+l[1])
		}
	}
	return strings.Join(lines, "\n")
}

// ForFeatures implements info.FeatureIter.
func (p profile) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(info.Feature{Var: nsVCard})
}

// ForForms implements form.Iter. The fields join those of the crawler's form of this type.
func (p profile) ForForms(node string, f func(*form.Data) error) error {
	if node != "" {
		return nil
	}
	fields := []form.Field{form.Hidden("FORM_TYPE", form.Value(xep.FormType))}
	for _, v := range []struct{ name, uri string }{
		{"security-addresses", p.contact}, {"support-addresses", p.contact},
		{"x-policy-uri", p.policy()}, {"x-source-uri", p.source}, {"x-site-uri", p.site},
	} {
		if v.uri != "" {
			fields = append(fields, form.ListMulti(v.name, form.Value(v.uri)))
		}
	}
	return f(form.New(fields...))
}

func text(name, s string) xml.TokenReader {
	return xmlstream.Wrap(xmlstream.Token(xml.CharData(s)), xml.StartElement{Name: xml.Name{Local: name}})
}

// checkURL wants an address that a browser can open.
func checkURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == ""
}
