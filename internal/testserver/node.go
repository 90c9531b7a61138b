package testserver

import (
	"sort"
	"strconv"
	"strings"
)

// pubsub is the PubSub service of a domain, made when it is first asked for. Its host's lock guards it.
type pubsub struct {
	h     *Host
	nodes map[string]*pubsubNode
}

// pubsubNode is a leaf node.
type pubsubNode struct {
	name   string
	config map[string]string // what differs from the brand's defaults
	affs   map[string]string // by bare address
	subs   []subscription
	items  []item // oldest first
}

type subscription struct{ jid, id string }

type item struct {
	id, publisher string
	stamp         string
	body          []byte
	report        *Report // rendered when asked for, in place of body
}

// service returns the domain's PubSub service. The caller holds the lock.
func (h *Host) service() *pubsub {
	if h.pub == nil {
		h.pub = &pubsub{h: h, nodes: make(map[string]*pubsubNode)}
		if h.spec.Profile.Publishes() && !h.unpub {
			h.pub.publishReport()
		}
	}
	return h.pub
}

// publishReport does what the domain's publisher does, and returns the events for the node's subscribers.
func (ps *pubsub) publishReport() []event {
	h := ps.h
	n := ps.nodes[h.Node()]
	if n == nil {
		n = ps.create(h.Node(), h.Name())
		n.config["pubsub#max_items"] = "1"
		if h.spec.Profile == ProsodyOld {
			n.config["pubsub#persist_items"] = "0"
		}
	}
	it := item{id: "current", publisher: h.Name(), report: &h.published}
	if h.spec.Profile == Openfire {
		it.id = h.srv.token() // the plugin leaves the id to the service
	}
	return ps.store(n, it)
}

// create makes a node with the brand's defaults.
func (ps *pubsub) create(name, owner string) *pubsubNode {
	n := &pubsubNode{name: name, config: make(map[string]string), affs: map[string]string{bareOf(owner): "owner"}}
	ps.nodes[name] = n
	return n
}

func (ps *pubsub) names() []string {
	names := make([]string, 0, len(ps.nodes))
	for name := range ps.nodes {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// appendPayload appends an item's payload.
func (h *Host) appendPayload(b []byte, it *item) []byte {
	if it.report != nil {
		return h.appendReport(b, it.report)
	}
	return append(b, it.body...)
}

// appendItemXML appends an <item/>. Prosody's own declares its namespace once more.
func (h *Host) appendItemXML(b []byte, it *item, redeclare bool) []byte {
	b = appendAttr(append(b, "<item"...), "id", it.id)
	if h.has(ExposePublisher) {
		b = appendAttr(b, "publisher", it.publisher)
	}
	if redeclare && h.brand() == brandProsody {
		b = append(b, " xmlns='"+nsPubSub+"'"...)
	}
	b = append(b, '>')
	b = h.appendPayload(b, it)
	return append(b, "</item>"...)
}

// store puts an item on a node, drops what exceeds max_items, and returns the events.
// Prosody counts all items of a node and drops silently; ejabberd counts those of one publisher and tells the subscribers.
func (ps *pubsub) store(n *pubsubNode, it item) []event {
	h := ps.h
	it.stamp = h.srv.stamp()
	if it.report != nil {
		frozen := *it.report
		it.report = &frozen
	}
	var b []byte
	if len(n.subs) > 0 {
		b = h.appendItemXML(nil, &it, false)
	}
	events := ps.notify(n, string(b))
	if h.configOf(n, "pubsub#persist_items") != "1" {
		return events
	}
	for i := range n.items {
		if n.items[i].id == it.id {
			n.items = append(n.items[:i], n.items[i+1:]...)
			break
		}
	}
	n.items = append(n.items, it)
	for _, id := range ps.evict(n, it.publisher) {
		if h.brand() == brandEjabberd {
			events = append(events, ps.notify(n, retractXML(id))...)
		}
	}
	return events
}

func retractXML(id string) string {
	return string(append(appendAttr([]byte("<retract"), "id", id), "/>"...))
}

// evict drops the oldest items beyond max_items and returns their ids.
func (ps *pubsub) evict(n *pubsubNode, publisher string) (gone []string) {
	limit, err := strconv.Atoi(ps.h.configOf(n, "pubsub#max_items"))
	if err != nil || limit < 1 {
		return nil // "max"
	}
	counts := func(it item) bool { return ps.h.brand() != brandEjabberd || it.publisher == publisher }
	total := 0
	for _, it := range n.items {
		if counts(it) {
			total++
		}
	}
	kept := n.items[:0]
	for _, it := range n.items {
		if total > limit && counts(it) {
			gone = append(gone, it.id)
			total--
			continue
		}
		kept = append(kept, it)
	}
	n.items = kept
	return gone
}

// notify makes the events that tell a node's subscribers of a change within <items/>.
func (ps *pubsub) notify(n *pubsubNode, inner string) []event {
	b := appendAttr([]byte("<items"), "node", n.name)
	return ps.events(n, string(b)+">"+inner+"</items>")
}

// events makes one message for each subscriber of a node.
func (ps *pubsub) events(n *pubsubNode, inner string) []event {
	var all []event
	for _, s := range n.subs {
		all = append(all, event{to: s.jid, stanza: ps.message(s.jid, inner, "")})
	}
	return all
}

// message renders an event notification. ejabberd's have no id.
func (ps *pubsub) message(to, inner, stamp string) []byte {
	h := ps.h
	b := []byte("<message")
	if h.brand() == brandEjabberd {
		b = append(b, " xml:lang='en'"...)
	} else {
		b = appendAttr(b, "id", h.srv.token())
	}
	b = appendAttr(b, "to", to)
	b = appendAttr(b, "from", h.Service())
	b = append(b, " type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>"...)
	b = append(b, inner...)
	b = append(b, "</event>"...)
	if stamp != "" {
		b = append(appendAttr(append(b, "<delay xmlns='urn:xmpp:delay'"...), "stamp", stamp), "/>"...)
	}
	return append(b, "</message>"...)
}

// deleteNode deletes a node; Prosody tells the subscribers, ejabberd does not unless it is configured to.
func (ps *pubsub) deleteNode(name string) []event {
	n := ps.nodes[name]
	if n == nil {
		return nil
	}
	delete(ps.nodes, name)
	if ps.h.configOf(n, "pubsub#notify_delete") != "1" {
		return nil
	}
	return ps.events(n, string(appendAttr([]byte("<delete"), "node", name))+"/>")
}

// configField is a field of the node configuration form.
type configField struct {
	name, typ, label, value string
	options                 string // separated by blanks
}

var (
	prosodyConfig = []configField{
		{"pubsub#title", "text-single", "Title", "", ""},
		{"pubsub#description", "text-single", "Description", "", ""},
		{"pubsub#type", "text-single", "The type of node data, usually specified by the namespace of the payload (if any)", "", ""},
		{"pubsub#max_items", "text-single", "Max # of items to persist", "20", ""},
		{"pubsub#persist_items", "boolean", "Persist items to storage", "1", ""},
		{"pubsub#access_model", "list-single", "Specify the subscriber model", "open", "authorize open presence roster whitelist"},
		{"pubsub#publish_model", "list-single", "Specify the publisher model", "publishers", "publishers subscribers open"},
		{"pubsub#send_last_published_item", "list-single", "", "never", "never on_sub on_sub_and_presence"},
		{"pubsub#deliver_notifications", "boolean", "Whether to deliver event notifications", "1", ""},
		{"pubsub#deliver_payloads", "boolean", "Whether to deliver payloads with event notifications", "1", ""},
		{"pubsub#notification_type", "list-single", "Specify the delivery style for notifications", "headline", "normal headline"},
		{"pubsub#notify_delete", "boolean", "Whether to notify subscribers when the node is deleted", "1", ""},
		{"pubsub#notify_retract", "boolean", "Whether to notify subscribers when items are removed from the node", "1", ""},
	}
	ejabberdConfig = []configField{
		{"pubsub#access_model", "list-single", "Specify the access model", "open", "authorize open presence roster whitelist"},
		{"pubsub#deliver_notifications", "boolean", "Deliver event notifications", "1", ""},
		{"pubsub#deliver_payloads", "boolean", "Deliver payloads with event notifications", "1", ""},
		{"pubsub#itemreply", "list-single", "Whether owners or publisher should receive replies to items", "none", "owner publisher none"},
		{"pubsub#max_items", "text-single", "Max # of items to persist, or `max` for no specific limit other than a server imposed maximum", "1000", ""},
		{"pubsub#max_payload_size", "text-single", "Max payload size in bytes", "250000", ""},
		{"pubsub#notification_type", "list-single", "Specify the event message type", "headline", "normal headline"},
		{"pubsub#notify_config", "boolean", "Notify subscribers when the node configuration changes", "0", ""},
		{"pubsub#notify_delete", "boolean", "Notify subscribers when the node is deleted", "0", ""},
		{"pubsub#notify_retract", "boolean", "Notify subscribers when items are removed from the node", "1", ""},
		{"pubsub#persist_items", "boolean", "Persist items to storage", "1", ""},
		{"pubsub#presence_based_delivery", "boolean", "Only deliver notifications to available users", "0", ""},
		{"pubsub#publish_model", "list-single", "Specify the publisher model", "publishers", "publishers subscribers open"},
		{"pubsub#purge_offline", "boolean", "Purge all items when the relevant publisher goes offline", "0", ""},
		{"pubsub#roster_groups_allowed", "list-multi", "Roster groups allowed to subscribe", "", ""},
		{"pubsub#send_last_published_item", "list-single", "When to send the last published item", "on_sub_and_presence",
			"never on_sub on_sub_and_presence"},
		{"pubsub#subscribe", "boolean", "Whether to allow subscriptions", "1", ""},
	}
)

func (h *Host) configFields() []configField {
	if h.brand() == brandEjabberd {
		return ejabberdConfig
	}
	return prosodyConfig
}

func (h *Host) configValue(n *pubsubNode, f configField) string {
	if v, ok := n.config[f.name]; ok {
		return v
	}
	return f.value
}

// configOf returns the value of one field of a node's configuration.
func (h *Host) configOf(n *pubsubNode, name string) string {
	for _, f := range h.configFields() {
		if f.name == name {
			return h.configValue(n, f)
		}
	}
	return ""
}

// appendConfigForm appends the configuration form of a node, of the defaults if it has none.
func (h *Host) appendConfigForm(b []byte, n *pubsubNode) []byte {
	b = append(b, "<x type='form' xmlns='jabber:x:data'><field type='hidden' var='FORM_TYPE'><value>"+nsPubSub+"#node_config</value></field>"...)
	for _, f := range h.configFields() {
		b = appendAttr(append(b, "<field"...), "type", f.typ)
		b = appendAttr(b, "var", f.name)
		if f.label != "" {
			b = appendAttr(b, "label", f.label)
		}
		b = append(b, '>')
		if f.name == "pubsub#max_items" && h.brand() == brandProsody {
			b = append(b, "<validate datatype='pubsub:integer-or-max' xmlns='http://jabber.org/protocol/xdata-validate'><range max='256' min='1'/></validate>"...)
		}
		if v := h.configValue(n, f); v != "" {
			b = append(appendEscaped(append(b, "<value>"...), v), "</value>"...)
		}
		for _, o := range strings.Fields(f.options) {
			b = append(b, "<option label='"+o+"'><value>"+o+"</value></option>"...)
		}
		b = append(b, "</field>"...)
	}
	return append(b, "</x>"...)
}

// appendMetaData appends the form of a node's disco#info.
func (h *Host) appendMetaData(b []byte, n *pubsubNode) []byte {
	b = append(b, "<x type='result' xmlns='jabber:x:data'><field type='hidden' var='FORM_TYPE'><value>"+nsPubSub+"#meta-data</value></field>"...)
	for _, name := range []string{"pubsub#title", "pubsub#description", "pubsub#type"} {
		b = appendField(b, "text-single", name, "", h.configOf(n, name))
	}
	if h.brand() != brandEjabberd {
		b = appendField(b, "text-single", "pubsub#access_model", "", h.configOf(n, "pubsub#access_model"))
		b = appendField(b, "text-single", "pubsub#publish_model", "", h.configOf(n, "pubsub#publish_model"))
		return append(b, "</x>"...)
	}
	b = appendField(b, "jid-multi", "pubsub#owner", "", n.affiliated("owner")...)
	b = appendField(b, "jid-multi", "pubsub#publisher", "", n.affiliated("publisher")...)
	for _, f := range h.configFields() {
		if f.name == "pubsub#access_model" || f.name == "pubsub#publish_model" {
			b = appendField(b, f.typ, f.name, f.options, h.configValue(n, f))
		}
	}
	b = appendField(b, "text-single", "pubsub#num_subscribers", "", strconv.Itoa(len(n.subs)))
	return append(b, "</x>"...)
}

// appendField appends a field of a form. Empty values are left out.
func appendField(b []byte, typ, name, options string, values ...string) []byte {
	b = appendAttr(append(b, "<field"...), "type", typ)
	b = append(appendAttr(b, "var", name), '>')
	for _, v := range values {
		if v != "" {
			b = append(appendEscaped(append(b, "<value>"...), v), "</value>"...)
		}
	}
	for _, o := range strings.Fields(options) {
		b = append(b, "<option label='"+o+"'><value>"+o+"</value></option>"...)
	}
	return append(b, "</field>"...)
}

// affiliated returns the addresses of an affiliation, sorted.
func (n *pubsubNode) affiliated(affiliation string) (all []string) {
	for jid, a := range n.affs {
		if a == affiliation {
			all = append(all, jid)
		}
	}
	sort.Strings(all)
	return all
}

func (n *pubsubNode) isOwner(addr string) bool { return n.affs[bareOf(addr)] == "owner" }

func (n *pubsubNode) subscribed(addr string) bool {
	for _, s := range n.subs {
		if bareOf(s.jid) == bareOf(addr) {
			return true
		}
	}
	return false
}
