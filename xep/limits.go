package xep

import (
	"errors"
	"fmt"
)

var (
	// ErrLimit is matched by every [*LimitError], and wrapped by the errors for too many attributes and too deep nesting.
	ErrLimit = errors.New("xep: limit exceeded")
	// ErrSyntax is wrapped by the error for what is not well-formed XML, or uses more of XML than XMPP permits (RFC 6120 §11.1).
	ErrSyntax = errors.New("xep: malformed XML")
	// ErrNotServerInfo is wrapped by the error for an element that is not a payload at all.
	ErrNotServerInfo = errors.New("xep: not a serverinfo element")
)

// LimitError says which of the [Limits] a payload exceeds.
type LimitError struct {
	// What is counted, such as "remote domains".
	What string
	// Max is the greatest permitted number.
	Max int
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("xep: limit exceeded: more than %d %s", e.Max, e.What)
}

// Is makes [ErrLimit] match.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// The defaults of [Limits].
const (
	DefaultBytes          = 1 << 20
	DefaultDepth          = 32
	DefaultDomains        = 1000
	DefaultRemoteDomains  = 50_000
	DefaultConnections    = 100_000
	DefaultExtensions     = 100
	DefaultExtensionBytes = 64 << 10
)

// Limits bounds what a payload may make its reader spend.
//
// The zero value is the default; so is each field that is zero or negative.
// The counts are totals for the payload, not per domain.
type Limits struct {
	// Bytes is the greatest length of the payload, [DefaultBytes] by default.
	// [Decode] can't enforce it, as there the bytes have already been collected.
	Bytes int
	// Depth is the greatest number of elements open at once, [DefaultDepth] by default; here too the scanner of [Decode] has its own.
	Depth int
	// Domains is the greatest number of domains, [DefaultDomains] by default.
	Domains int
	// RemoteDomains is the greatest number of remote domains, [DefaultRemoteDomains] by default.
	RemoteDomains int
	// Connections is the greatest number of connections, [DefaultConnections] by default.
	Connections int
	// Extensions is the greatest number of extension elements, [DefaultExtensions] by default.
	Extensions int
	// ExtensionBytes is the greatest length of all extension elements together, [DefaultExtensionBytes] by default.
	ExtensionBytes int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.Bytes, DefaultBytes},
		{&l.Depth, DefaultDepth},
		{&l.Domains, DefaultDomains},
		{&l.RemoteDomains, DefaultRemoteDomains},
		{&l.Connections, DefaultConnections},
		{&l.Extensions, DefaultExtensions},
		{&l.ExtensionBytes, DefaultExtensionBytes},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}
