package peer

import (
	"slices"
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// node is a leaf node of the service.
type node struct {
	config map[string]string
	items  []item // oldest first
}

type item struct {
	id      string
	payload []byte
}

// The configuration of a new node, as with Prosody.
func defaults() map[string]string {
	return map[string]string{
		"pubsub#access_model": "open", "pubsub#max_items": "20", "pubsub#persist_items": "1", "pubsub#publish_model": "publishers",
	}
}

// pubsub answers a request to the service. The lock is held.
func (n *Network) pubsub(typ string, s *xmlscan.Scanner) answer {
	name, _ := s.Attr("node")
	switch {
	case s.Is(nsInfo, "query"):
		return n.serviceInfo(name)
	case s.Is(nsItems, "query"):
		return n.serviceItems(name)
	case !s.Is(nsPubSub, "pubsub") && !s.Is(nsOwner, "pubsub"):
		return failure("cancel", "service-unavailable")
	}
	depth := s.Depth()
	if !s.Child(depth) {
		return failure("modify", "bad-request")
	}
	name, _ = s.Attr("node")
	switch op := s.Local(); {
	case op == "create":
		return n.create(name, s, depth)
	case n.nodes[name] == nil:
		return failure("cancel", "item-not-found")
	case op == "configure" && typ == "get":
		return result("<pubsub xmlns='" + nsOwner + "'><configure node='" + escaped(name) + "'>" +
			string(n.nodes[name].form("http://jabber.org/protocol/pubsub#node_config", "form")) + "</configure></pubsub>")
	case op == "configure":
		n.nodes[name].configure(s, depth)
		return result("")
	case op == "publish":
		return n.publish(name, s)
	case op == "retract":
		return n.retract(name, s)
	case op == "items":
		return n.fetch(name, s)
	case op == "delete":
		delete(n.nodes, name)
		return result("")
	}
	return failure("cancel", "feature-not-implemented")
}

func escaped(s string) string { return string(xmlscan.AppendEscaped(nil, s)) }

func (n *Network) serviceInfo(name string) answer {
	if name == "" {
		return result(query("<identity category='pubsub' type='service' name='Prosody PubSub Service'/>" +
			"<feature var='" + nsPubSub + "'/>"))
	}
	d := n.nodes[name]
	if d == nil {
		return failure("cancel", "item-not-found")
	}
	return result("<query xmlns='" + nsInfo + "' node='" + escaped(name) + "'><identity category='pubsub' type='leaf'/>" +
		string(d.form("http://jabber.org/protocol/pubsub#meta-data", "result")) + "</query>")
}

func (n *Network) serviceItems(name string) answer {
	b := xmlscan.AppendAttr([]byte("<query"), "xmlns", nsItems)
	add := func(key, value string) {
		b = xmlscan.AppendAttr(append(b, "<item"...), "jid", n.service)
		b = append(xmlscan.AppendAttr(b, key, value), "/>"...)
	}
	if name == "" {
		b = append(b, '>')
		for _, name := range sorted(n.nodes) {
			add("node", name)
		}
		return result(string(b) + "</query>")
	}
	d := n.nodes[name]
	if d == nil {
		return failure("cancel", "item-not-found")
	}
	b = append(xmlscan.AppendAttr(b, "node", name), '>')
	for _, it := range d.items {
		add("name", it.id)
	}
	return result(string(b) + "</query>")
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// form writes the configuration.
func (d *node) form(formType, typ string) []byte {
	f := xep.Form{Type: typ, Fields: []xep.FormField{{Var: "FORM_TYPE", Type: "hidden", Values: []string{formType}}}}
	for _, field := range sorted(d.config) {
		f.Fields = append(f.Fields, xep.FormField{Var: field, Values: []string{d.config[field]}})
	}
	return f.AppendXML(nil)
}

// configure takes over a submitted form, on which the scanner is or which is below it.
func (d *node) configure(s *xmlscan.Scanner, depth int) {
	for s.Kind() != xmlscan.Start || !s.Is(xep.NSForm, "x") {
		if !s.Next() || s.Depth() < depth {
			return
		}
	}
	form, err := xep.DecodeForm(s)
	if err != nil {
		return
	}
	for _, f := range form.Fields {
		if strings.HasPrefix(f.Var, "pubsub#") && len(f.Values) > 0 {
			d.config[f.Var] = f.Values[0]
		}
	}
}

func (n *Network) create(name string, s *xmlscan.Scanner, depth int) answer {
	if n.nodes[name] != nil {
		return failure("cancel", "conflict")
	}
	d := &node{config: defaults()}
	n.nodes[strings.Clone(name)] = d
	d.configure(s, depth)
	return result("")
}

func (n *Network) publish(name string, s *xmlscan.Scanner) answer {
	d := n.nodes[name]
	if !s.Child(s.Depth()) || s.Local() != "item" {
		return failure("modify", "bad-request")
	}
	id, ok := s.Attr("id")
	if !ok || id == "" {
		id = "made-up"
	}
	id = strings.Clone(id)
	if !s.Child(s.Depth()) {
		return failure("modify", "bad-request")
	}
	payload, err := s.Element()
	if err != nil {
		return failure("modify", "bad-request")
	}
	payload = slices.Clone(payload)
	d.items = slices.DeleteFunc(d.items, func(i item) bool { return i.id == id })
	d.items = append(d.items, item{id, payload})
	if d.config["pubsub#max_items"] == "1" {
		d.items = d.items[len(d.items)-1:]
	}
	n.record(Publication{Node: strings.Clone(name), ID: id, Payload: payload})
	return result("")
}

func (n *Network) retract(name string, s *xmlscan.Scanner) answer {
	d := n.nodes[name]
	if !s.Child(s.Depth()) {
		return failure("modify", "bad-request")
	}
	id, _ := s.Attr("id")
	before := len(d.items)
	d.items = slices.DeleteFunc(d.items, func(i item) bool { return i.id == id })
	if len(d.items) == before {
		return failure("cancel", "item-not-found")
	}
	n.record(Publication{Node: strings.Clone(name), ID: strings.Clone(id)})
	return result("")
}

// fetch returns the items asked for, or the newest.
func (n *Network) fetch(name string, s *xmlscan.Scanner) answer {
	b := xmlscan.AppendAttr([]byte("<pubsub xmlns='"+nsPubSub+"'><items"), "node", name)
	b = append(b, '>')
	items := n.nodes[name].items
	var ids []string
	for depth := s.Depth(); s.Child(depth); {
		id, _ := s.Attr("id")
		ids = append(ids, id)
	}
	for i, it := range items {
		if slices.Contains(ids, it.id) || len(ids) == 0 && i == len(items)-1 {
			b = append(xmlscan.AppendAttr(append(b, "<item"...), "id", it.id), '>')
			b = append(append(b, it.payload...), "</item>"...)
		}
	}
	return result(string(b) + "</items></pubsub>")
}
