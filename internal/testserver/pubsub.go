package testserver

import (
	"strconv"
	"strings"
)

// maxPayload is the size in bytes beyond which ejabberd refuses a payload.
const maxPayload = 250_000

func (h *Host) noNode() *stanzaError {
	e := &stanzaError{typ: "cancel", condition: "item-not-found"}
	if h.brand() == brandEjabberd {
		e.text = "Node not found"
	}
	return e
}

func forbidden(text string) *stanzaError {
	return &stanzaError{typ: "auth", condition: "forbidden", text: text}
}

// ejabberd reports whether the answering service has ejabberd's manners.
func (r *request) ejabberd() bool { return r.host.brand() == brandEjabberd }

// pubsub answers the requests of a user of the service (XEP-0060 §5 to §7).
func (r *request) pubsub(b []byte) ([]byte, *stanzaError, []event) {
	op := r.payload.first()
	get := func(b []byte, e *stanzaError) ([]byte, *stanzaError, []event) { return b, e, nil }
	switch name := op.local(); {
	case name == "items" && !r.set:
		return get(r.fetch(b, op))
	case name == "subscriptions" && !r.set:
		return get(r.subscriptions(b, op))
	case name == "affiliations" && !r.set && r.ejabberd():
		return get(r.affiliations(b))
	case name == "publish" && r.set:
		return r.publish(b, op)
	case name == "retract" && r.set:
		return r.retract(b, op)
	case name == "create" && r.set:
		return get(r.create(b, op))
	case name == "subscribe" && r.set:
		return r.subscribe(b, op)
	case name == "unsubscribe" && r.set:
		return get(r.unsubscribe(b, op))
	}
	return b, &stanzaError{typ: "cancel", condition: "service-unavailable"}, nil
}

// mayCreate reports whether the sender may create nodes: with Prosody the administrators of the service,
// with ejabberd any local user, and components only where that was configured.
func (r *request) mayCreate() bool {
	if r.host.isAdmin(r.from) {
		return true
	}
	return r.ejabberd() && strings.Contains(r.from, "@") && domainOf(r.from) == r.host.Name()
}

func (r *request) create(b []byte, op node) ([]byte, *stanzaError) {
	h, name := r.host, op.attr("node")
	if !r.mayCreate() {
		if r.ejabberd() {
			return b, forbidden("You're not allowed to create nodes")
		}
		return b, forbidden("")
	}
	ps := h.service()
	if ps.nodes[name] != nil {
		e := &stanzaError{typ: "cancel", condition: "conflict"}
		if r.ejabberd() {
			e.text = "Node already exists"
		}
		return b, e
	}
	instant := name == ""
	if instant {
		name = h.srv.token()
	}
	config, e := h.readConfig(r.payload.child("configure").child("x"))
	if e != nil {
		return b, e
	}
	ps.create(name, r.from).config = config
	if instant || r.ejabberd() {
		b = append(appendAttr(append(b, "<pubsub xmlns='"+nsPubSub+"'><create"...), "node", name), "/></pubsub>"...)
	}
	return b, nil
}

// readConfig reads a submitted configuration form.
func (h *Host) readConfig(x node) (map[string]string, *stanzaError) {
	config := make(map[string]string)
	for f := x.first(); f.ok(); f = f.next() {
		name := f.attr("var")
		if name == "FORM_TYPE" || name == "" {
			continue
		}
		value := f.child("value").text()
		known := false
		for _, c := range h.configFields() {
			if c.name == name {
				known = true
				if c.typ == "boolean" {
					value = boolean(value)
				}
			}
		}
		if h.brand() == brandEjabberd {
			if !known {
				return nil, badField("Unknown", name, "#node_config")
			}
			if size, err := strconv.Atoi(value); name == "pubsub#max_payload_size" && (err != nil || size > maxPayload) {
				return nil, badField("Bad value of", name, "#node_config")
			}
		}
		if max, err := strconv.Atoi(value); name == "pubsub#max_items" && h.brand() == brandProsody && err == nil && max > 256 {
			return nil, &stanzaError{typ: "modify", condition: "bad-request", text: "invalid or missing field"}
		}
		config[name] = value
	}
	return config, nil
}

// badField is how ejabberd refuses a field of a form.
func badField(what, name, form string) *stanzaError {
	return &stanzaError{typ: "wait", condition: "resource-constraint",
		text: what + " field '" + name + "' of type '" + nsPubSub + form + "'"}
}

func boolean(v string) string {
	switch v {
	case "true":
		return "1"
	case "false":
		return "0"
	}
	return v
}

// publish answers a publish request (XEP-0060 §7.1).
func (r *request) publish(b []byte, op node) ([]byte, *stanzaError, []event) {
	h, name := r.host, op.attr("node")
	ps := h.service()
	it := op.child("item")
	if e := r.checkItem(it); e != nil {
		return b, e, nil
	}
	options, e := r.publishOptions(r.payload.child("publish-options").child("x"))
	if e != nil {
		return b, e, nil
	}
	n := ps.nodes[name]
	switch {
	case n == nil && r.mayCreate() && (r.ejabberd() || h.spec.AutoCreate):
		n = ps.create(name, r.from)
		n.config = options
	case n == nil:
		return b, &stanzaError{typ: "cancel", condition: "item-not-found"}, nil
	case !r.mayPublish(n):
		return b, forbidden(""), nil
	default:
		if e := h.checkOptions(n, options); e != nil {
			return b, e, nil
		}
	}
	id := it.attr("id")
	if id == "" {
		id = h.srv.token()
	}
	if r.ejabberd() && !n.isOwner(r.from) {
		for _, old := range n.items {
			if old.id == id && bareOf(old.publisher) != bareOf(r.from) {
				return b, forbidden(""), nil
			}
		}
	}
	events := ps.store(n, item{id: id, publisher: bareOf(r.from), body: append([]byte(nil), it.inner()...)})
	b = appendAttr(append(b, "<pubsub xmlns='"+nsPubSub+"'><publish"...), "node", name)
	b = appendAttr(append(b, "><item"...), "id", id)
	return append(b, "/></publish></pubsub>"...), nil, events
}

// checkItem refuses an item that does not hold exactly one payload, or one that is too big for ejabberd.
func (r *request) checkItem(it node) *stanzaError {
	first := it.first()
	if first.ok() && !first.next().ok() {
		if r.ejabberd() && len(it.inner()) > maxPayload {
			return &stanzaError{typ: "modify", condition: "not-acceptable", app: "payload-too-big"}
		}
		return nil
	}
	e := &stanzaError{typ: "modify", condition: "bad-request", text: "invalid item"}
	if r.ejabberd() {
		e.text, e.app = "", "item-required"
		if first.ok() {
			e.app = "invalid-payload"
		}
	}
	return e
}

// publishOptions reads the preconditions of a publish request, of which ejabberd knows only some.
func (r *request) publishOptions(x node) (map[string]string, *stanzaError) {
	options := make(map[string]string)
	for f := x.first(); f.ok(); f = f.next() {
		name := f.attr("var")
		if name == "FORM_TYPE" || name == "" {
			continue
		}
		if r.ejabberd() && name != "pubsub#access_model" && name != "pubsub#persist_items" {
			return nil, badField("Unknown", name, "#publish-options")
		}
		value := f.child("value").text()
		if name != "pubsub#max_items" {
			value = boolean(value)
		}
		options[name] = value
	}
	return options, nil
}

func (h *Host) checkOptions(n *pubsubNode, options map[string]string) *stanzaError {
	for _, f := range h.configFields() {
		want, ok := options[f.name]
		if !ok || want == h.configValue(n, f) {
			continue
		}
		e := &stanzaError{typ: "cancel", condition: "conflict", app: "precondition-not-met"}
		if h.brand() != brandEjabberd {
			e.text = "Field does not match: " + strings.TrimPrefix(f.name, "pubsub#")
		}
		return e
	}
	return nil
}

func (r *request) mayPublish(n *pubsubNode) bool {
	switch n.affs[bareOf(r.from)] {
	case "owner", "publisher", "publish-only":
		return true
	case "outcast":
		return false
	}
	switch r.host.configOf(n, "pubsub#publish_model") {
	case "open":
		return true
	case "subscribers":
		return n.subscribed(r.from)
	}
	return false
}

// retract answers a request to delete an item (XEP-0060 §7.2).
func (r *request) retract(b []byte, op node) ([]byte, *stanzaError, []event) {
	h := r.host
	ps := h.service()
	n := ps.nodes[op.attr("node")]
	if n == nil {
		return b, h.noNode(), nil
	}
	if !r.mayPublish(n) {
		return b, forbidden(""), nil
	}
	id := op.child("item").attr("id")
	for i := range n.items {
		if n.items[i].id != id {
			continue
		}
		n.items = append(n.items[:i], n.items[i+1:]...)
		// Prosody tells the subscribers only if it is asked to, ejabberd always does.
		if r.ejabberd() || boolean(op.attr("notify")) == "1" {
			return b, nil, ps.notify(n, retractXML(id))
		}
		return b, nil, nil
	}
	return b, &stanzaError{typ: "cancel", condition: "item-not-found"}, nil
}

// access reports why the sender may not read a node, nil if it may.
func (r *request) access(n *pubsubNode) *stanzaError {
	switch n.affs[bareOf(r.from)] {
	case "owner", "publisher", "member":
		return nil
	case "outcast":
		return forbidden("")
	}
	model := r.host.configOf(n, "pubsub#access_model")
	if model == "open" || model == "authorize" && n.subscribed(r.from) {
		return nil
	}
	if r.ejabberd() {
		switch model {
		case "whitelist":
			return &stanzaError{typ: "cancel", condition: "not-allowed", app: "closed-node"}
		case "presence":
			return &stanzaError{typ: "auth", condition: "not-authorized", app: "presence-subscription-required"}
		case "roster":
			return &stanzaError{typ: "auth", condition: "not-authorized", app: "not-in-roster-group"}
		}
	}
	return forbidden("")
}

// fetch answers a request for items (XEP-0060 §6.5).
func (r *request) fetch(b []byte, op node) ([]byte, *stanzaError) {
	h := r.host
	n := h.service().nodes[op.attr("node")]
	if n == nil {
		return b, h.noNode()
	}
	if e := r.access(n); e != nil {
		return b, e
	}
	if h.configOf(n, "pubsub#persist_items") != "1" {
		e := &stanzaError{typ: "cancel", condition: "feature-not-implemented", app: "persistent-items"}
		if r.ejabberd() {
			e.app, e.feature = "unsupported", "persistent-items"
		}
		return b, e
	}
	items := selectItems(n.items, op)
	b = append(b, "<pubsub xmlns='"+nsPubSub+"'>"...)
	if op.hasAttr("max_items") && r.ejabberd() && len(items) > 0 {
		b = append(b, "<set xmlns='"+nsRSM+"'><count>"...)
		b = strconv.AppendInt(b, int64(len(n.items)), 10)
		b = append(b, "</count><first index='0'>"+items[0].stamp+"</first><last>"+items[len(items)-1].stamp+"</last></set>"...)
	}
	b = appendAttr(append(b, "<items"...), "node", n.name)
	b = append(b, '>')
	for i := range items {
		b = h.appendItemXML(b, &items[i], true)
	}
	return append(b, "</items></pubsub>"...), nil
}

// selectItems picks the items that a request names, or the latest of all.
func selectItems(all []item, op node) []item {
	if op.first().ok() {
		var some []item
		for want := op.first(); want.ok(); want = want.next() {
			for _, it := range all {
				if it.id == want.attr("id") {
					some = append(some, it)
				}
			}
		}
		return some
	}
	if limit, err := strconv.Atoi(op.attr("max_items")); err == nil && limit >= 0 && limit < len(all) {
		return all[len(all)-limit:]
	}
	return all
}
