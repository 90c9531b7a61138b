package testserver

import "sort"

// subscribe answers a subscription request (XEP-0060 §6.1).
func (r *request) subscribe(b []byte, op node) ([]byte, *stanzaError, []event) {
	h, jid := r.host, op.attr("jid")
	if jid != r.from && jid != bareOf(r.from) {
		if r.ejabberd() {
			return b, &stanzaError{typ: "modify", condition: "bad-request", app: "invalid-jid"}, nil
		}
		return b, forbidden(""), nil
	}
	ps := h.service()
	n := ps.nodes[op.attr("node")]
	if n == nil {
		return b, h.noNode(), nil
	}
	if e := r.access(n); e != nil && h.configOf(n, "pubsub#access_model") != "authorize" {
		return b, e, nil
	}
	s := subscription{jid: jid, id: h.srv.token()}
	known := false
	for _, old := range n.subs {
		if old.jid == jid {
			s, known = old, true
		}
	}
	if !known {
		n.subs = append(n.subs, s)
	}
	var events []event
	// ejabberd sends the last item ahead of the reply, even to those that are subscribed already.
	if last := len(n.items) - 1; r.ejabberd() && last >= 0 && h.configOf(n, "pubsub#send_last_published_item") != "never" {
		inner := string(appendAttr([]byte("<items"), "node", n.name)) + ">" + string(h.appendItemXML(nil, &n.items[last], false)) + "</items>"
		events = append(events, event{to: jid, stanza: ps.message(jid, inner, n.items[last].stamp), before: true})
	}
	b = append(b, "<pubsub xmlns='"+nsPubSub+"'>"...)
	b = r.appendSubscription(b, n.name, s, "subscribed")
	return append(b, "</pubsub>"...), nil, events
}

func (r *request) appendSubscription(b []byte, node string, s subscription, state string) []byte {
	b = append(b, "<subscription"...)
	if node != "" {
		b = appendAttr(b, "node", node)
	}
	b = appendAttr(b, "jid", s.jid)
	b = appendAttr(b, "subscription", state)
	if r.ejabberd() {
		b = appendAttr(b, "subid", s.id)
	}
	return append(b, "/>"...)
}

// unsubscribe answers a request to end a subscription (XEP-0060 §6.2).
func (r *request) unsubscribe(b []byte, op node) ([]byte, *stanzaError) {
	h, jid := r.host, op.attr("jid")
	n := h.service().nodes[op.attr("node")]
	if n == nil {
		return b, h.noNode()
	}
	if bareOf(jid) != bareOf(r.from) {
		return b, forbidden("")
	}
	for i, s := range n.subs {
		if s.jid != jid {
			continue
		}
		n.subs = append(n.subs[:i], n.subs[i+1:]...)
		if r.ejabberd() {
			return b, nil
		}
		b = append(b, "<pubsub xmlns='"+nsPubSub+"'>"...)
		b = r.appendSubscription(b, n.name, s, "none")
		return append(b, "</pubsub>"...), nil
	}
	e := &stanzaError{typ: "modify", condition: "unexpected-request", app: "not-subscribed"}
	if r.ejabberd() {
		e.typ = "wait"
	}
	return b, e
}

// subscriptions answers a request for the sender's own subscriptions (XEP-0060 §5.6).
func (r *request) subscriptions(b []byte, op node) ([]byte, *stanzaError) {
	h, only := r.host, op.attr("node")
	ps := h.service()
	b = append(b, "<pubsub xmlns='"+nsPubSub+"'><subscriptions>"...)
	for _, name := range ps.names() {
		if only != "" && name != only {
			continue
		}
		for _, s := range ps.nodes[name].subs {
			if bareOf(s.jid) != bareOf(r.from) {
				continue
			}
			shown := name
			if r.ejabberd() && only != "" {
				shown = "" // left out where the request named the node
			}
			b = r.appendSubscription(b, shown, s, "subscribed")
		}
	}
	return append(b, "</subscriptions></pubsub>"...), nil
}

// affiliations answers a request for the sender's own affiliations (XEP-0060 §5.7), which Prosody does not know.
func (r *request) affiliations(b []byte) ([]byte, *stanzaError) {
	ps := r.host.service()
	b = append(b, "<pubsub xmlns='"+nsPubSub+"'><affiliations>"...)
	for _, name := range ps.names() {
		if a := ps.nodes[name].affs[bareOf(r.from)]; a != "" {
			b = appendAttr(append(b, "<affiliation"...), "affiliation", a)
			b = append(appendAttr(b, "node", name), "/>"...)
		}
	}
	return append(b, "</affiliations></pubsub>"...), nil
}

// owner answers the requests of a node's owner (XEP-0060 §8).
func (r *request) owner(b []byte) ([]byte, *stanzaError, []event) {
	h, op := r.host, r.payload.first()
	if op.local() == "default" && !r.set {
		b = append(b, "<pubsub xmlns='"+nsOwner+"'><default>"...)
		b = h.appendConfigForm(b, &pubsubNode{})
		return append(b, "</default></pubsub>"...), nil, nil
	}
	ps := h.service()
	n := ps.nodes[op.attr("node")]
	if n == nil {
		return b, h.noNode(), nil
	}
	// Prosody's administrators see an empty list of affiliations of nodes that are not theirs, but may configure them.
	if !n.isOwner(r.from) && (r.ejabberd() || !h.isAdmin(r.from)) {
		if r.ejabberd() {
			return b, forbidden("Owner privileges required"), nil
		}
		return b, forbidden(""), nil
	}
	switch op.local() {
	case "configure":
		b, e := r.configure(b, n, op)
		return b, e, nil
	case "affiliations":
		b, e := r.ownerAffiliations(b, n, op)
		return b, e, nil
	case "subscriptions":
		b, e := r.ownerSubscriptions(b, n, op)
		return b, e, nil
	case "purge":
		n.items = nil
		return b, nil, ps.events(n, string(appendAttr([]byte("<purge"), "node", n.name))+"/>")
	case "delete":
		return b, nil, ps.deleteNode(n.name)
	}
	return b, &stanzaError{typ: "cancel", condition: "feature-not-implemented"}, nil
}

func (r *request) configure(b []byte, n *pubsubNode, op node) ([]byte, *stanzaError) {
	h := r.host
	if !r.set {
		b = appendAttr(append(b, "<pubsub xmlns='"+nsOwner+"'><configure"...), "node", n.name)
		b = h.appendConfigForm(append(b, '>'), n)
		return append(b, "</configure></pubsub>"...), nil
	}
	config, e := h.readConfig(op.child("x"))
	if e != nil {
		return b, e
	}
	for name, value := range config {
		n.config[name] = value
	}
	h.service().evict(n, bareOf(r.from))
	return b, nil
}

func (r *request) ownerAffiliations(b []byte, n *pubsubNode, op node) ([]byte, *stanzaError) {
	if r.set {
		for a := op.first(); a.ok(); a = a.next() {
			jid, what := bareOf(a.attr("jid")), a.attr("affiliation")
			if what == "none" {
				delete(n.affs, jid)
			} else {
				n.affs[jid] = what
			}
		}
		return b, nil
	}
	b = appendAttr(append(b, "<pubsub xmlns='"+nsOwner+"'><affiliations"...), "node", n.name)
	b = append(b, '>')
	jids := make([]string, 0, len(n.affs))
	for jid := range n.affs {
		jids = append(jids, jid)
	}
	sort.Strings(jids)
	for _, jid := range jids {
		b = appendAttr(append(b, "<affiliation"...), "jid", jid)
		b = append(appendAttr(b, "affiliation", n.affs[jid]), "/>"...)
	}
	return append(b, "</affiliations></pubsub>"...), nil
}

func (r *request) ownerSubscriptions(b []byte, n *pubsubNode, op node) ([]byte, *stanzaError) {
	if r.set {
		for s := op.first(); s.ok(); s = s.next() {
			for i := range n.subs {
				if n.subs[i].jid == s.attr("jid") && s.attr("subscription") == "none" {
					n.subs = append(n.subs[:i], n.subs[i+1:]...)
					break
				}
			}
		}
		return b, nil
	}
	b = append(b, "<pubsub xmlns='"+nsOwner+"'><subscriptions"...)
	shown := n.name
	if r.ejabberd() {
		b = appendAttr(b, "node", n.name)
		shown = ""
	}
	b = append(b, '>')
	for _, s := range n.subs {
		b = r.appendSubscription(b, shown, s, "subscribed")
	}
	return append(b, "</subscriptions></pubsub>"...), nil
}
