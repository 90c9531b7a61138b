package testserver

import (
	"strconv"
	"strings"
)

// nsServerInfo is the namespace of XEP-0485, spelled out: the peer must not follow a mistake of the library's.
const nsServerInfo = "urn:xmpp:serverinfo:0"

// appendReport appends the payload that the domain's publisher makes of a report. The caller holds the lock.
func (h *Host) appendReport(b []byte, r *Report) []byte {
	if r.Raw != "" {
		return append(b, r.Raw...)
	}
	if h.spec.Profile == Ejabberd && len(r.Peers) == 0 && r.Unnamed == 0 {
		return append(b, "<serverinfo xmlns='"+nsServerInfo+"'/>"...)
	}
	b = append(b, "<serverinfo xmlns='"+nsServerInfo+"'>"...)
	if h.has(SoftwareVersion) {
		b = h.appendSoftware(b)
	}
	if h.has(Extensions) {
		b = append(b, "<uptime xmlns='urn:example:ext' seconds='86400'><unit>s</unit></uptime>"...)
	}
	b = h.appendDomain(b, h.spec.Name, r)
	if h.has(SeveralDomains) {
		b = h.appendDomain(b, "vhost."+h.spec.Name, &Report{})
	}
	return append(b, "</serverinfo>"...)
}

func (h *Host) appendSoftware(b []byte) []byte {
	name, version := h.brand().software()
	b = append(b, "<query xmlns='jabber:iq:version'><name>"...)
	b = append(b, name...)
	b = append(b, "</name><version>"...)
	b = append(b, version...)
	return append(b, "</version></query>"...)
}

func (h *Host) appendDomain(b []byte, name string, r *Report) []byte {
	b = append(b, "<domain"...)
	b = appendAttr(b, "name", h.spell(name))
	b = append(b, '>')
	if r.Users > 0 {
		b = append(b, "<users xmlns='xmpp:prosody.im/protocol/serverinfo'><active>"...)
		b = strconv.AppendUint(b, r.Users, 10)
		b = append(b, "</active></users>"...)
	}
	if h.has(SoftwareVersion) {
		b = h.appendSoftware(b)
	}
	if h.has(Extensions) {
		b = append(b, "<x:note xmlns:x='urn:example:note' x:kind='y'>a &lt; b</x:note>"...)
	}
	b = append(b, "<federation>"...)
	for _, p := range r.Peers {
		b = h.appendPeer(b, p)
		if h.has(DuplicatePeers) {
			b = h.appendPeer(b, p)
		}
	}
	for range r.Unnamed {
		b = h.appendUnnamed(b)
	}
	return append(b, "</federation></domain>"...)
}

// spell writes a domain name the way the domain's quirks have it.
func (h *Host) spell(name string) string {
	if h.has(UpperCase) {
		name = strings.ToUpper(name)
	}
	if h.has(TrailingDots) {
		name += "."
	}
	return name
}

func (h *Host) appendPeer(b []byte, p Peer) []byte {
	b = append(b, "<remote-domain"...)
	b = appendAttr(b, "name", h.spell(p.Name))
	if h.has(Extensions) {
		b = append(b, "><tag xmlns='urn:example:tag'/>"...)
	} else if h.spec.Profile == Prosody || h.spec.Profile == ProsodyOld || p.Directions == 0 && h.spec.Profile != Ejabberd {
		return append(b, "/>"...)
	} else {
		b = append(b, '>')
	}
	b = h.appendConnections(b, p.Directions)
	return append(b, "</remote-domain>"...)
}

func (h *Host) appendConnections(b []byte, d Directions) []byte {
	switch h.spec.Profile {
	case Prosody, ProsodyOld:
		return b
	case Ejabberd:
		return append(b, "<connection type='incoming'/><connection type='outgoing'/>"...)
	case Openfire:
		if d == In || d == Out {
			return append(b, "<connection type='incoming'/>"...)
		}
		return append(b, "<connection type='both'/>"...)
	}
	if d&In != 0 {
		b = append(b, "<connection type='incoming'/>"...)
	}
	if d&Out != 0 {
		b = append(b, "<connection type='outgoing'/>"...)
	}
	if d&Bidi != 0 {
		b = append(b, "<connection type='bidi'/>"...)
	}
	return b
}

func (h *Host) appendUnnamed(b []byte) []byte {
	switch h.spec.Profile {
	case Ejabberd:
		return append(b, "<remote-domain name=''><connection type='incoming'/><connection type='outgoing'/></remote-domain>"...)
	case Openfire:
		return append(b, "<remote-domain><connection type='both'/></remote-domain>"...)
	}
	return append(b, "<remote-domain/>"...)
}

// Seen returns the directions that a reader of the profile's report sees for a peer: some publishers hide or change them.
func (p Profile) Seen(d Directions) Directions {
	switch p {
	case Prosody, ProsodyOld:
		return 0
	case Ejabberd:
		return In | Out
	case Openfire:
		if d == In || d == Out {
			return In
		}
		// "both" is no direction of the XEP's; it is the older name of bidi.
		return Bidi
	}
	return d
}
