package testserver

import (
	"sort"
	"strings"
)

// Namespaces of the requests that simulated addresses answer.
const (
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
	nsPing       = "urn:xmpp:ping"
	nsVersion    = "jabber:iq:version"
	nsCommands   = "http://jabber.org/protocol/commands"
	nsPubSub     = "http://jabber.org/protocol/pubsub"
	nsOwner      = "http://jabber.org/protocol/pubsub#owner"
	nsData       = "jabber:x:data"
	nsRSM        = "http://jabber.org/protocol/rsm"
	formInfo     = "http://jabber.org/network/serverinfo"
	fieldNode    = "serverinfo-pubsub-node"
)

// The features of the servers as captured, without those of XEP-0485.
var (
	prosodyFeatures = []string{"urn:xmpp:time", "jabber:iq:time", "jabber:iq:register", "urn:xmpp:carbons:rules:0", "urn:xmpp:carbons:2",
		nsCommands, nsPing, "jabber:iq:last", "jabber:iq:roster", "jabber:iq:private", "urn:xmpp:blocking", nsDiscoInfo, nsDiscoItems,
		nsVersion, "vcard-temp", "msgoffline"}
	ejabberdFeatures = append(append([]string{nsCommands, nsDiscoInfo, nsDiscoItems}, pubsubFeatures(ejabberdPubSub)...),
		"http://jabber.org/protocol/stats", "iq", "jabber:iq:last", "jabber:iq:privacy", nsVersion, "presence", "urn:xmpp:blocking",
		"urn:xmpp:carbons:2", "urn:xmpp:carbons:rules:0", nsPing)
	otherFeatures = []string{nsDiscoInfo, nsDiscoItems, nsPing, nsVersion, "jabber:iq:last", "vcard-temp", "urn:xmpp:carbons:2"}

	prosodyPubSub = strings.Fields("create-nodes modify-affiliations publisher-affiliation subscribe config-node delete-items subscription-options " +
		"multi-items retract-items retrieve-default config-node-max persistent-items publish access-open meta-data item-ids retrieve-items " +
		"outcast-affiliation purge-nodes publish-options delete-nodes member-affiliation retrieve-subscriptions create-and-configure instant-nodes")
	ejabberdPubSub = strings.Fields("access-authorize access-open access-presence access-whitelist auto-create auto-subscribe collections config-node " +
		"config-node-max create-and-configure create-nodes delete-items delete-nodes filtered-notifications get-pending instant-nodes item-ids " +
		"last-published manage-subscriptions member-affiliation modify-affiliations multi-items outcast-affiliation persistent-items " +
		"presence-notifications presence-subscribe publish publish-only-affiliation publish-options publisher-affiliation purge-nodes " +
		"retract-items retrieve-affiliations retrieve-default retrieve-items retrieve-subscriptions shim subscribe subscription-notifications")
	ejabberdNode = strings.Fields("create-nodes auto-create access-authorize delete-nodes delete-items get-pending instant-nodes manage-subscriptions " +
		"modify-affiliations outcast-affiliation persistent-items multi-items publish publish-only-affiliation publish-options purge-nodes " +
		"retract-items retrieve-affiliations retrieve-items retrieve-subscriptions subscribe subscription-notifications")
)

// pubsubFeatures spells out the features of a PubSub service, with the bare namespace first.
func pubsubFeatures(short []string) []string {
	all := []string{nsPubSub}
	for _, f := range short {
		all = append(all, nsPubSub+"#"+f)
	}
	return all
}

// The parts of disco#info answers that never change, rendered once.
var (
	infoDomain = map[brand][]byte{
		brandProsody: features(identity("server", "im", "Prosody"), prosodyFeatures),
		brandEjabberd: features(append(identity("pubsub", "pep", ""), identity("server", "im", "ejabberd")...),
			ejabberdFeatures),
		brandOpenfire: features(append(identity("server", "im", "Openfire Server"), identity("pubsub", "pep", "")...), otherFeatures),
		brandTigase:   features(identity("server", "im", "Tigase ver. 8.4.0"), otherFeatures),
	}
	infoService = map[brand][]byte{
		brandProsody: features(identity("pubsub", "service", "Prosody PubSub Service"),
			append([]string{nsDiscoInfo, nsDiscoItems}, pubsubFeatures(prosodyPubSub)...)),
		brandEjabberd: features(identity("pubsub", "service", "Publish-Subscribe"),
			append([]string{nsDiscoInfo, nsDiscoItems, nsCommands, "vcard-temp"}, pubsubFeatures(ejabberdPubSub)...)),
		brandOpenfire: features(identity("pubsub", "service", "Publish-Subscribe service"),
			append([]string{nsDiscoInfo}, pubsubFeatures(prosodyPubSub)...)),
		brandTigase: features(identity("pubsub", "service", "PubSub acs-clustered"), pubsubFeatures(prosodyPubSub)),
	}
	infoNode = map[brand][]byte{
		brandProsody:  identity("pubsub", "leaf", ""),
		brandEjabberd: features(identity("pubsub", "leaf", ""), pubsubFeatures(ejabberdNode)),
		brandOpenfire: features(identity("pubsub", "leaf", ""), []string{nsPubSub}),
		brandTigase:   identity("pubsub", "leaf", ""),
	}
	emptyForm = []byte("<x type='result' xmlns='jabber:x:data'><field type='hidden' var='FORM_TYPE'><value>" + formInfo + "</value></field></x>")
)

func identity(category, typ, name string) []byte {
	b := appendAttr([]byte("<identity"), "category", category)
	b = appendAttr(b, "type", typ)
	if name != "" {
		b = appendAttr(b, "name", name)
	}
	return append(b, "/>"...)
}

func features(identities []byte, names []string) []byte {
	b := append([]byte(nil), identities...)
	for _, f := range names {
		b = append(appendAttr(append(b, "<feature"...), "var", f), "/>"...)
	}
	return b
}

// dispatch makes the answer to a request: a payload appended to b, or an error, and events for others.
// The caller holds the host's lock.
func (r *request) dispatch(b []byte) ([]byte, *stanzaError, []event) {
	p := r.payload
	switch {
	case r.user:
		return b, &stanzaError{typ: "cancel", condition: "service-unavailable"}, nil
	case p.is(nsDiscoInfo, "query"):
		b, e := r.info(b, p.attr("node"))
		return b, e, nil
	case p.is(nsDiscoItems, "query"):
		b, e := r.items(b, p.attr("node"))
		return b, e, nil
	case p.is(nsPing, "ping"):
		return b, nil, nil
	case p.is(nsVersion, "query"):
		name, version := r.host.brand().software()
		return append(b, "<query xmlns='jabber:iq:version'><name>"+name+"</name><version>"+version+"</version></query>"...), nil, nil
	case p.is(nsPubSub, "pubsub") && r.service:
		return r.pubsub(b)
	case p.is(nsOwner, "pubsub") && r.service:
		return r.owner(b)
	case p.is(nsCommands, "command") && !r.service:
		b, e := r.command(b)
		return b, e, nil
	}
	return b, &stanzaError{typ: "cancel", condition: "service-unavailable"}, nil
}

// info answers disco#info.
func (r *request) info(b []byte, node string) ([]byte, *stanzaError) {
	h := r.host
	b = appendQuery(b, nsDiscoInfo, node)
	switch {
	case r.service && h.Service() == "-":
		return b, &stanzaError{typ: "cancel", condition: "service-unavailable"}
	case r.service && node != "":
		n := h.service().nodes[node]
		if n == nil {
			return b, h.noNode()
		}
		b = append(b, infoNode[h.brand()]...)
		b = h.appendMetaData(b, n)
		if h.brand() == brandEjabberd {
			b = append(b, emptyForm...)
		}
	case r.service:
		b = append(b, infoService[h.brand()]...)
		if h.brand() == brandEjabberd {
			b = append(b, emptyForm...)
		}
	case node != "" && !(node == nodeOutgoing && h.brand() == brandEjabberd && h.isAdmin(r.from)):
		return b, &stanzaError{typ: "cancel", condition: "item-not-found"}
	case node == "":
		b = append(b, infoDomain[h.brand()]...)
		b = h.appendAdvert(b)
	}
	return append(b, "</query>"...), nil
}

func appendQuery(b []byte, ns, node string) []byte {
	b = append(b, "<query xmlns='"...)
	b = append(b, ns...)
	b = append(b, '\'')
	if node != "" {
		b = appendAttr(b, "node", node)
	}
	return append(b, '>')
}

// appendAdvert appends the feature and the forms of XEP-0485 §3 and XEP-0157 to a domain's disco#info.
func (h *Host) appendAdvert(b []byte) []byte {
	if h.spec.Advertise && !h.has(FormOnly) {
		b = append(b, "<feature var='"+nsServerInfo+"'/>"...)
	}
	// The newer publishers name the node while they run, consent or not; those without a publisher cannot.
	form := h.spec.Advertise && h.spec.Profile != Openfire && h.spec.Profile != Tigase && !h.has(NoForm) || h.has(FormOnly)
	contacts := len(h.spec.Contacts) > 0
	if contacts && (h.has(TwoForms) || !form) {
		b = h.appendForm(b, true, false)
		contacts = false
	} else if h.has(TwoForms) {
		b = append(b, emptyForm...)
	}
	switch {
	case form:
		b = h.appendForm(b, contacts, true)
	case h.brand() == brandEjabberd:
		b = append(b, emptyForm...)
	}
	return b
}

func (h *Host) appendForm(b []byte, contacts, node bool) []byte {
	b = append(b, "<x type='result' xmlns='jabber:x:data'><field type='hidden' var='FORM_TYPE'><value>"+formInfo+"</value></field>"...)
	if contacts {
		names := make([]string, 0, len(h.spec.Contacts))
		for name := range h.spec.Contacts {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			b = appendAttr(append(b, "<field type='list-multi'"...), "var", name)
			b = append(b, '>')
			for _, v := range h.spec.Contacts[name] {
				b = append(appendEscaped(append(b, "<value>"...), v), "</value>"...)
			}
			b = append(b, "</field>"...)
		}
	}
	if node {
		b = append(b, "<field var='"+fieldNode+"'"...)
		switch {
		case h.has(FormListMulti):
			b = append(b, " type='list-multi'"...)
		case !h.has(FormUntyped) && h.spec.Profile != Ejabberd:
			b = append(b, " type='text-single'"...)
		}
		b = append(b, "><value>xmpp:"...)
		b = appendEscaped(b, h.Service())
		b = append(b, "?;node="...)
		b = appendEscaped(b, h.Node())
		b = append(b, "</value></field>"...)
	}
	return append(b, "</x>"...)
}

// items answers disco#items.
func (r *request) items(b []byte, node string) ([]byte, *stanzaError) {
	h := r.host
	if r.service {
		return r.serviceItems(b, node)
	}
	if node != "" {
		return r.adminItems(b, node)
	}
	b = appendQuery(b, nsDiscoItems, "")
	for _, jid := range h.spec.Items {
		b = append(appendAttr(append(b, "<item"...), "jid", jid), "/>"...)
	}
	if h.Service() != "-" {
		b = append(appendAttr(append(b, "<item"...), "jid", h.Service()), "/>"...)
	}
	if h.brand() == brandEjabberd && h.isAdmin(r.from) {
		b = h.appendAdminTree(b)
	}
	return append(b, "</query>"...), nil
}

func (r *request) serviceItems(b []byte, node string) ([]byte, *stanzaError) {
	h := r.host
	ps := h.service()
	b = appendQuery(b, nsDiscoItems, node)
	if node == "" {
		for _, name := range ps.names() {
			b = appendAttr(append(b, "<item"...), "jid", h.Service())
			b = append(appendAttr(b, "node", name), "/>"...)
		}
		return append(b, "</query>"...), nil
	}
	n := ps.nodes[node]
	if n == nil {
		return b, h.noNode()
	}
	for i := range n.items {
		b = appendAttr(append(b, "<item"...), "jid", h.Service())
		b = append(appendAttr(b, "name", n.items[i].id), "/>"...)
	}
	return append(b, "</query>"...), nil
}
