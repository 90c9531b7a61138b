package xep

// NS is the namespace of the payload and the feature by which a domain opts in to being named (XEP-0485 §3, §4).
const NS = "urn:xmpp:serverinfo:0"

const (
	// NSVersion is the namespace of [Software] (XEP-0092).
	NSVersion = "jabber:iq:version"
	// NSUsers is the namespace in which Prosody counts its active users.
	NSUsers = "xmpp:prosody.im/protocol/serverinfo"
)

// ServerInfo is the payload of the one item on a domain's serverinfo node (XEP-0485 §4).
//
// It holds what was on the wire: names and directions are verbatim, so that [ServerInfo.Validate] can report on them.
type ServerInfo struct {
	// Domains are the domains served by the publishing server, in document order.
	Domains []Domain
	// Software is the XEP-0092 version of the publishing server, nil if it was not given.
	Software *Software
	// Extensions are the other namespaced children, verbatim and in document order.
	Extensions []Extension
	// Ignored is what decoding left out because these types have no place for it, such as unknown attributes and stray text.
	// It is bounded, [ServerInfo.Validate] repeats it, and nothing writes it.
	Ignored []Deviation
}

// Domain is one domain that the publishing server serves.
type Domain struct {
	// Name is the domain as it was written; see [ParseName] for its canonical form.
	Name string
	// Federation is nil where the payload has no such element, which the prose of XEP-0485 §4 permits and its schema does not.
	Federation *Federation
	// Software is the XEP-0092 version given for this domain alone, nil if it was not given.
	Software *Software
	// ActiveUsers is Prosody's count of active users, nil if it was not given.
	ActiveUsers *uint64
	// Extensions are the other namespaced children, verbatim and in document order.
	Extensions []Extension
}

// Federation lists the remote domains that a domain is connected to.
type Federation struct {
	// RemoteDomains are the peers, named and unnamed, in the order of the payload.
	RemoteDomains []RemoteDomain
}

// RemoteDomain is one peer of a domain.
type RemoteDomain struct {
	// Name is the peer as it was written, empty for a peer that is only counted.
	Name string
	// Connections are the streams to the peer, which a publisher need not enumerate.
	Connections []Connection
}

// Connection is one stream between a domain and a peer.
type Connection struct {
	// Direction is what the wire said, empty where it said nothing.
	Direction Direction
}

// Direction is the way in which a connection was opened and carries stanzas (XEP-0485 §4).
type Direction string

// The directions that XEP-0485 §9 permits.
const (
	Incoming Direction = "incoming"
	Outgoing Direction = "outgoing"
	Bidi     Direction = "bidi"
)

// Software is the server software in the form of XEP-0092.
type Software struct {
	// Name and Version are what XEP-0092 demands, and OS is the operating system, which is better left out.
	Name, Version, OS string
}

// Extension is a child element in a foreign namespace.
type Extension struct {
	// Space and Local name the element.
	Space, Local string
	// XML is the element as it was written, made to stand alone: it declares every namespace prefix that it uses.
	XML []byte
}
