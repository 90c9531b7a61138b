package testserver

import (
	"strconv"
	"strings"
)

// The administrator's views of live s2s connections.
const (
	nodeS2SList  = "http://prosody.im/protocol/s2s#list"
	nodeOutgoing = "outgoing s2s"
)

// command answers an ad-hoc command (XEP-0050): Prosody's list of s2s connections.
func (r *request) command(b []byte) ([]byte, *stanzaError) {
	h, node := r.host, r.payload.attr("node")
	if h.brand() != brandProsody || node != nodeS2SList {
		e := &stanzaError{typ: "cancel", condition: "item-not-found"}
		if h.brand() == brandEjabberd {
			e.text = "No hook has processed this command"
		}
		return b, e
	}
	if !h.isAdmin(r.from) {
		const text = "You don't have permission to execute this command"
		return b, &stanzaError{typ: "auth", condition: "forbidden", text: text,
			after: "<command node='" + nodeS2SList + "' status='canceled' xmlns='" + nsCommands + "'><note type='error'>" +
				string(appendEscaped(nil, text)) + "</note></command>"}
	}
	b = append(b, "<command node='"+nodeS2SList+"' status='completed' xmlns='"+nsCommands+"'"...)
	b = appendAttr(b, "sessionid", h.srv.token())
	b = append(b, "><x type='result' xmlns='jabber:x:data'><title>List of S2S connections on this host</title>"+
		"<field var='FORM_TYPE' type='hidden'><value>"+nodeS2SList+"</value></field>"+
		"<field var='sessions' type='text-multi' label='Connections:'"...)
	if len(h.s2s) == 0 {
		b = append(b, "/>"...)
	} else {
		b = append(b, '>')
		for i, c := range h.s2s {
			b = append(c.appendLine(append(b, "<value>"...), i), "</value>"...)
		}
		b = append(b, "</field>"...)
	}
	in, out := 0, 0
	for _, c := range h.s2s {
		if c.Outgoing {
			out++
		} else {
			in++
		}
	}
	b = appendCount(b, "num_in", "#incoming connections:", in)
	b = appendCount(b, "num_out", "#outgoing connections:", out)
	return append(b, "</x></command>"...), nil
}

func appendCount(b []byte, name, label string, n int) []byte {
	b = appendAttr(append(b, "<field type='text-single'"...), "var", name)
	b = appendAttr(b, "label", label)
	b = append(b, "><value>"...)
	b = strconv.AppendInt(b, int64(n), 10)
	return append(b, "</value></field>"...)
}

// appendLine appends a connection as Prosody's list writes it, with the white space before it.
// A stream that claims a name without having proved it looks the same but for its flags.
func (c Connection) appendLine(b []byte, i int) []byte {
	arrow, kind := " <- ", "s2sin"
	if c.Outgoing {
		arrow, kind = " -> ", "s2sout"
	}
	line := arrow + c.Remote + " [" + kind + strconv.FormatInt(0x5581c0de0000+int64(i)*0x40, 16) + "] (" + strings.Join(c.flags(), ", ") + ")"
	return appendEscaped(b, line)
}

// flags are what Prosody tells about a connection: "authenticated" stands for a certificate that it could verify,
// so that a connection authenticated by dialback lacks it.
func (c Connection) flags() (flags []string) {
	if c.Pending {
		return nil
	}
	if !c.Dialback {
		flags = append(flags, "authenticated")
	}
	if !c.Dialback || c.Outgoing {
		flags = append(flags, "SASL")
	}
	if !c.Plain {
		flags = append(flags, "encrypted")
	}
	return flags
}

// adminItems answers disco#items on a node of the domain: the lists of ad-hoc commands and of ejabberd's outgoing connections.
func (r *request) adminItems(b []byte, node string) ([]byte, *stanzaError) {
	h := r.host
	if node == nsCommands {
		b = appendQuery(b, nsDiscoItems, node)
		if h.brand() == brandProsody && h.isAdmin(r.from) {
			b = h.appendItem(b, nodeS2SList, "List S2S connections")
		}
		return append(b, "</query>"...), nil
	}
	if h.brand() != brandEjabberd {
		return b, &stanzaError{typ: "cancel", condition: "item-not-found"}
	}
	remote, of := strings.CutPrefix(node, nodeOutgoing+"/")
	switch {
	case node != nodeOutgoing && !of:
		return b, &stanzaError{typ: "cancel", condition: "item-not-found", text: "No services available"}
	case !h.isAdmin(r.from):
		return b, &stanzaError{typ: "auth", condition: "forbidden", text: "Access denied by service policy"}
	}
	b = appendQuery(b, nsDiscoItems, node)
	seen := make(map[string]bool)
	for _, c := range h.s2s {
		// ejabberd lists outgoing connections only, and those that have failed a while longer.
		key := c.Remote
		if of {
			key = c.local(h)
		}
		if !c.Outgoing || seen[key] || of && c.Remote != remote {
			continue
		}
		seen[key] = true
		if of {
			b = h.appendItem(b, node+"/"+key, "From "+key)
		} else {
			b = h.appendItem(b, node+"/"+key, "To "+key)
		}
	}
	return append(b, "</query>"...), nil
}

func (c Connection) local(h *Host) string {
	if c.Local != "" {
		return c.Local
	}
	return h.Name()
}

func (h *Host) appendItem(b []byte, node, name string) []byte {
	b = appendAttr(append(b, "<item"...), "node", node)
	b = appendAttr(b, "name", name)
	return append(appendAttr(b, "jid", h.Name()), "/>"...)
}

// appendAdminTree appends what ejabberd adds to disco#items for its administrators.
func (h *Host) appendAdminTree(b []byte) []byte {
	for _, item := range [][2]string{{"config", "Configuration"}, {"user", "User Management"}, {"online users", "Online Users"},
		{"all users", "All Users"}, {nodeOutgoing, "Outgoing s2s Connections"}, {"running nodes", "Running Nodes"}, {"stopped nodes", "Stopped Nodes"}} {
		b = h.appendItem(b, item[0], item[1])
	}
	return b
}
