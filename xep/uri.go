package xep

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"mellium.im/xmpp/jid"
)

const (
	// DefaultNode is the node on which the payload is published where no form says otherwise (XEP-0485 §3, §5).
	DefaultNode = "serverinfo"
	// ItemCurrent is the ID of the one item on the node (XEP-0485 §5, XEP-0060 §12.20).
	ItemCurrent = "current"
)

const (
	// maxURI bounds a URI in bytes, with room for the longest address and node with each byte percent-encoded.
	maxURI = 16 << 10
	// maxNode bounds a node name in bytes, as the resourcepart of an address that can name a node is bounded (XEP-0060 §4.6.1).
	maxNode = 1023
)

// NodeURI names a node on a pubsub service (XEP-0060 §12.22).
type NodeURI struct {
	// Service is the address of the pubsub service, without a resourcepart.
	Service jid.JID
	// Node is the name of the node on that service.
	Node string
}

// URIError says why a string is not the URI of a pubsub node.
type URIError struct {
	// URI is the refused string, cut to a length that is fit for a log line.
	URI string
	// Reason says what is wrong with it.
	Reason string
}

// Error implements error.
func (e *URIError) Error() string {
	return "xep: node URI " + strconv.Quote(e.URI) + ": " + e.Reason
}

// ParseNodeURI parses the URI of a pubsub node, such as "xmpp:pubsub.example.org?;node=serverinfo".
//
// It accepts the form that names a node (?;node=) and those that act on one (?pubsub;action=subscribe;node=), in URI or IRI
// notation; a slash in the node needs no escaping.
// Further parameters and a fragment are ignored, as they don't change which node is named.
//
// It refuses an authority ("xmpp://"), because whose account to use is never for the publisher to say (RFC 5122 §2.2),
// an address with a resourcepart, because no service lives at one, other query types, and a missing, empty or repeated node.
// The error is a [*URIError].
func ParseNodeURI(s string) (NodeURI, error) {
	uri, reason := parseNodeURI(s)
	if reason != "" {
		return NodeURI{}, &URIError{URI: shorten(s), Reason: reason}
	}
	return uri, nil
}

func parseNodeURI(s string) (NodeURI, string) {
	const scheme = "xmpp:"
	switch {
	case len(s) > maxURI:
		return NodeURI{}, "is too long"
	case len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme):
		return NodeURI{}, "does not start with xmpp:"
	case strings.HasPrefix(s[len(scheme):], "//"):
		return NodeURI{}, "names an account to use (xmpp://), which a node does not have"
	}
	rest, _, _ := strings.Cut(s[len(scheme):], "#")
	path, query, ok := strings.Cut(rest, "?")
	if !ok {
		return NodeURI{}, "has no query, so it names no node"
	}
	service, reason := parseService(path)
	if reason != "" {
		return NodeURI{}, reason
	}
	node, reason := parseNodeQuery(query)
	if reason != "" {
		return NodeURI{}, reason
	}
	return NodeURI{Service: service, Node: node}, ""
}

// parseService reads the address and gives its domain the canonical form, so that equal services are equal addresses.
func parseService(path string) (jid.JID, string) {
	s, reason := unescape(path)
	if reason != "" {
		return jid.JID{}, reason
	}
	if s == "" {
		return jid.JID{}, "names no service"
	}
	local, domain, resource, err := jid.SplitString(s)
	if err != nil {
		return jid.JID{}, "the service is not an address: " + err.Error()
	}
	if resource != "" {
		return jid.JID{}, "the service has a resource, but a service is a bare address"
	}
	name, err := ParseName(domain)
	if err != nil {
		return jid.JID{}, "the service is not an address: " + err.Error()
	}
	j, err := name.JID()
	if err == nil && local != "" {
		j, err = j.WithLocal(local)
	}
	if err != nil {
		return jid.JID{}, "the service is not an address: " + err.Error()
	}
	return j, ""
}

// parseNodeQuery reads what follows the question mark: a query type and key-value pairs, all set apart by semicolons (XEP-0147).
func parseNodeQuery(query string) (node, reason string) {
	kind, pairs, _ := strings.Cut(query, ";")
	switch {
	case kind == "" || kind == "pubsub":
	case strings.HasPrefix(kind, "node="):
		return "", "lacks the semicolon before node="
	default:
		return "", "the query type " + strconv.Quote(shorten(kind)) + " is not pubsub"
	}
	found := false
	for pair := range strings.SplitSeq(pairs, ";") {
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case key == "action" && value != "retrieve" && value != "subscribe":
			return "", "the action " + strconv.Quote(shorten(value)) + " does not read a node"
		case key == "node" && found:
			return "", "names more than one node"
		case key == "node":
			found = true
			if node, reason = unescape(value); reason != "" {
				return "", reason
			}
		}
	}
	return node, checkNode(node)
}

// checkNode refuses what can't be a node, or couldn't be written in the attribute that names one.
func checkNode(node string) string {
	switch {
	case node == "":
		return "names no node"
	case len(node) > maxNode:
		return "the node is longer than 1023 bytes"
	}
	return ""
}

// unescape undoes percent-encoding and refuses what is not text in the end.
func unescape(s string) (text, reason string) {
	if !strings.Contains(s, "%") {
		return s, checkText(s)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", "ends within a percent-encoding"
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", "has a percent sign that encodes nothing"
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), checkText(string(b))
}

// checkText accepts what XML can carry, except for control characters, which no node or address needs.
func checkText(s string) string {
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		if r < 0x20 || 0x7F <= r && r < 0xA0 || r == 0xFFFE || r == 0xFFFF {
			return "holds the character " + strconv.QuoteRune(r)
		}
	}
	return ""
}

// String returns the URI in the form of XEP-0060 §12.22 with everything escaped that RFC 5122 asks for, or nothing for the zero NodeURI.
func (u NodeURI) String() string {
	if u.IsZero() {
		return ""
	}
	b := append(make([]byte, 0, 96), "xmpp:"...)
	if local := u.Service.Localpart(); local != "" {
		b = append(escape(b, local), '@')
	}
	b = escape(b, u.Service.Domainpart())
	b = append(b, "?;node="...)
	return string(escape(b, u.Node))
}

// IsZero reports whether u names nothing.
func (u NodeURI) IsZero() bool {
	return u.Node == "" && u.Service.Equal(jid.JID{})
}

// Equal reports whether both name the same node.
func (u NodeURI) Equal(other NodeURI) bool {
	return u.Node == other.Node && u.Service.Equal(other.Service)
}

// escape percent-encodes every byte that is not unreserved in RFC 3986 §2.3.
func escape(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
