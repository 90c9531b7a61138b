package peer

import "fmt"

// Behaviour is how a domain answers when it is asked whether it opts in.
type Behaviour uint8

// The behaviours. Only the first is consent.
const (
	// Unaware answers without the feature. It is the zero value.
	Unaware Behaviour = iota
	// Advertises answers with the feature.
	Advertises
	// FormOnly answers with a form that names a node, and without the feature, as some stock servers always do.
	FormOnly
	// NodeOnly answers without the feature, and its pubsub service holds a node "serverinfo" with an item, as any of its users
	// could make.
	NodeOnly
	// Similar answers with features that look like the one that counts.
	Similar
	// Silent never answers.
	Silent
	// Unreachable is a domain that the network can't reach.
	Unreachable
	// Refuses answers with an error.
	Refuses
	// RefusesLoudly answers with an error that holds an answer with the feature, too.
	RefusesLoudly
	// Empty answers with a result that holds nothing.
	Empty
	// Foreign answers with a result that holds the feature in an element of another protocol.
	Foreign
	// Malformed answers with something that is not XML, after a feature.
	// On the wire, where servers pass on nothing of the kind, it is text that spells a feature.
	Malformed
	// Forged answers with the feature, under the name of another domain.
	Forged
)

var behaviours = [...]string{"Unaware", "Advertises", "FormOnly", "NodeOnly", "Similar", "Silent", "Unreachable", "Refuses",
	"RefusesLoudly", "Empty", "Foreign", "Malformed", "Forged"}

// Behaviours returns all behaviours.
func Behaviours() []Behaviour {
	all := make([]Behaviour, len(behaviours))
	for i := range all {
		all[i] = Behaviour(i)
	}
	return all
}

// Consents reports whether a domain that behaves like this may be named.
func (b Behaviour) Consents() bool { return b == Advertises }

// String returns the name of the constant.
func (b Behaviour) String() string {
	if int(b) < len(behaviours) {
		return behaviours[b]
	}
	return fmt.Sprintf("Behaviour(%d)", uint8(b))
}

const (
	nsInfo   = "http://jabber.org/protocol/disco#info"
	nsItems  = "http://jabber.org/protocol/disco#items"
	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsOwner  = "http://jabber.org/protocol/pubsub#owner"
	nsStanza = "urn:ietf:params:xml:ns:xmpp-stanzas"

	identity = "<identity category='server' type='im' name='peer'/><feature var='http://jabber.org/protocol/disco#info'/>"
	feature  = "<feature var='urn:xmpp:serverinfo:0'/>"
	similar  = "<feature var='urn:xmpp:serverinfo:1'/><feature var='urn:xmpp:serverinfo'/><feature var='urn:xmpp:serverinfo:0+notify'/>"
)

// answer is what a domain says: children of the iq, or all of it.
type answer struct {
	typ   string // result or error
	inner string
	from  string // in place of the domain's own name
	raw   string // the whole reply where there is no wire, in place of the others
}

func result(inner string) answer { return answer{typ: "result", inner: inner} }

func failure(typ, condition string) answer {
	return answer{typ: "error", inner: "<error type='" + typ + "'><" + condition + " xmlns='" + nsStanza + "'/></error>"}
}

func query(inner string) string { return "<query xmlns='" + nsInfo + "'>" + inner + "</query>" }

// info answers disco#info of a domain, and false if it never does.
func (b Behaviour) info(domain string) (answer, bool) {
	switch b {
	case Advertises:
		return result(query(identity + feature)), true
	case FormOnly:
		return result(query(identity + "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>" +
			"<value>http://jabber.org/network/serverinfo</value></field><field var='serverinfo-pubsub-node'>" +
			"<value>xmpp:pubsub." + domain + "?;node=serverinfo</value></field></x>")), true
	case Similar:
		return result(query(identity + similar)), true
	case Silent:
		return answer{}, false
	case Unreachable:
		return failure("cancel", "remote-server-not-found"), true
	case Refuses:
		return failure("cancel", "service-unavailable"), true
	case RefusesLoudly:
		a := failure("cancel", "service-unavailable")
		a.inner = query(identity+feature) + a.inner
		return a, true
	case Empty:
		return result(""), true
	case Foreign:
		return result("<query xmlns='jabber:iq:version'>" + feature + "</query>"), true
	case Malformed:
		a := result("&lt;feature var='urn:xmpp:serverinfo:0'/&gt;")
		a.raw = "<iq type='result' from='" + domain + "'><query xmlns='" + nsInfo + "'>" + feature + "</iq>"
		return a, true
	case Forged:
		return answer{typ: "result", from: "evil.example", inner: query(identity + feature)}, true
	}
	return result(query(identity)), true
}
