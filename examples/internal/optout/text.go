package optout

import (
	"encoding/xml"
	"strings"

	"mellium.im/xmlstream"

	"github.com/xmppgraph/xmppgraph/xep"
)

// What is said to whoever writes. A refusal is the same whether the sender is not listed, the domain does not answer or the
// domain is excluded already: who may not decide about a domain learns nothing about it.
const (
	helpText = `This is a crawler that draws the network of XMPP servers (XEP-0485). It understands:
    exclude example.org
        never ask or show this domain again
    include example.org
        take that back
Send it from a contact address of the domain (XEP-0157), or from the domain itself.
A domain that stops advertising urn:xmpp:serverinfo:0 vanishes from the page without a message.
The operator is %s.`
	excludedText = "%[1]s is excluded: it is no longer asked and no longer shown. To take that back, send: include %[1]s"
	includedText = "%[1]s is no longer excluded: it is shown again once it is found to advertise urn:xmpp:serverinfo:0."
	refusedText  = "Not done: %[1]s was not found among the contact addresses (XEP-0157) of %[2]s. " +
		"Send the same from an address that %[2]s lists there, or from %[2]s itself, or write to %[3]s."
	notIncludedText = "Not done: %[1]s was not excluded at the request of %[2]s. Write to %[3]s."
	noDatabaseText  = "Not done: this crawler keeps no list of exclusions. Write to %s, who does."
	failedText      = "Not done, because of a fault on this side. Try again later, or write to %s."
)

// The verbs that are understood.
const (
	verbExclude = "exclude"
	verbInclude = "include"
)

// maxText bounds a text in bytes that is looked at. No command is half as long.
const maxText = 4 << 10

// command is what a text asks for. Without a verb it is none, or one that is not understood.
type command struct {
	verb string
	name xep.Name
}

// parse understands a verb and a domain, and nothing else besides them: a text that merely mentions a command is none.
func parse(text string) command {
	words := strings.Fields(text)
	if len(words) != 2 {
		return command{}
	}
	verb := strings.ToLower(words[0])
	if verb != verbExclude && verb != verbInclude {
		return command{}
	}
	name, err := xep.ParseName(words[1])
	if err != nil || !name.Addressable() {
		return command{}
	}
	return command{verb, name}
}

// body is the content of a reply, in the thread of what it replies to.
func body(text, thread string) xml.TokenReader {
	element := func(name, text string) xml.TokenReader {
		return xmlstream.Wrap(xmlstream.Token(xml.CharData(text)), xml.StartElement{Name: xml.Name{Local: name}})
	}
	if thread == "" {
		return element("body", text)
	}
	return xmlstream.MultiReader(element("body", text), element("thread", thread))
}
