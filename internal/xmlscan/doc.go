// Package xmlscan reads the subset of XML that XMPP permits (RFC 6120 §11), straight from bytes.
//
// [Scanner] turns one whole element into tokens with resolved namespaces.
// [Framer] cuts a stream into top level elements without ever holding more than one of them.
// Both bound what a hostile sender can make them spend, and both refuse rather than repair.
//
// It exists because encoding/xml costs about ten times as much per byte, and because a reply that never touches a shared
// decoder cannot harm anyone but its own waiter.
// Whatever Scanner accepts, encoding/xml accepts with the same tokens; the reverse does not hold: comments, processing
// instructions, document types, duplicate attributes, unbound prefixes and names outside ASCII are refused here.
package xmlscan
