package optin

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Peer is a remote domain to which a local domain is connected.
type Peer struct {
	// Remote is the remote domain. The zero Name is a peer whose name can't be read: it is counted and never named.
	Remote xep.Name
	// Connections are the directions of the streams to it, one for each.
	Connections []xep.Direction
}

// Counts says how the number of unnamed peers is published.
type Counts uint8

// The ways to publish that number.
const (
	// CountExact publishes one bare <remote-domain/> for each unnamed peer.
	CountExact Counts = iota
	// CountRounded publishes their number rounded down to a multiple of [RoundTo], so that no link is claimed that isn't there.
	CountRounded
	// CountNone publishes named peers only.
	CountNone
)

// RoundTo is the step of [CountRounded].
const RoundTo = 10

func (c Counts) of(n int) int {
	switch c {
	case CountExact:
		return n
	case CountRounded:
		return n - n%RoundTo
	}
	return 0
}

// Redacted is what may be published of a server's connections.
//
// It is made by [Redact] only, so that no name gets into it without a verdict.
// The zero value publishes nothing. A Redacted is immutable and safe for concurrent use.
type Redacted struct {
	domains  []redactedDomain
	software *xep.Software
	bare     bool
}

type redactedDomain struct {
	name    xep.Name
	named   []namedPeer
	unnamed int
	users   *uint64
}

type namedPeer struct {
	name        xep.Name
	connections []xep.Direction
	until       time.Time
}

// Redact reduces the connections of a local domain to what may be published of them at the given time (XEP-0485 §4, §7).
//
// A peer is named only if verdict returns a verdict of that very peer that names it at that time.
// All others become bare elements after the named ones, which are sorted by name: neither the order nor anything else
// tells one unnamed peer from another.
// Entries of the same peer are one; the local domain itself is left out. A zero local gives the zero value.
func Redact(local xep.Name, peers []Peer, verdict func(xep.Name) Verdict, at time.Time, counts Counts) Redacted {
	if local.IsZero() {
		return Redacted{}
	}
	d := redactedDomain{name: local}
	merged := make(map[xep.Name]int, len(peers))
	unnamed := 0
	for _, p := range peers {
		switch i, ok := merged[p.Remote]; {
		case p.Remote == local:
		case p.Remote.IsZero():
			unnamed++
		case !ok:
			v := verdict(p.Remote)
			if v.domain != p.Remote || !v.Named(at) {
				merged[p.Remote] = -1
				unnamed++
				continue
			}
			merged[p.Remote] = len(d.named)
			d.named = append(d.named, namedPeer{name: p.Remote, until: v.until, connections: known(nil, p.Connections)})
		case i >= 0:
			d.named[i].connections = known(d.named[i].connections, p.Connections)
		}
	}
	slices.SortFunc(d.named, func(a, b namedPeer) int { return a.name.Compare(b.name) })
	for _, p := range d.named {
		slices.SortFunc(p.connections, func(a, b xep.Direction) int { return cmp.Compare(rank(a), rank(b)) })
	}
	d.unnamed = counts.of(unnamed)
	return Redacted{domains: []redactedDomain{d}}
}

// known appends the directions that the XEP knows. Any other string is no direction, and might be a name.
func known(dst, src []xep.Direction) []xep.Direction {
	for _, d := range src {
		if rank(d) > 0 {
			dst = append(dst, d)
		}
	}
	return dst
}

func rank(d xep.Direction) int {
	switch d {
	case xep.Incoming:
		return 1
	case xep.Outgoing:
		return 2
	case xep.Bidi:
		return 3
	}
	return 0
}

// Join returns one value that publishes the domains of all, sorted by name (XEP-0485 §4).
// If a domain is in several of them the first wins. Software is that of the first that has any.
func Join(all ...Redacted) Redacted {
	var out Redacted
	for _, r := range all {
		if out.software == nil {
			out.software = r.software
		}
		out.bare = out.bare || r.bare
		for _, d := range r.domains {
			if !slices.ContainsFunc(out.domains, func(have redactedDomain) bool { return have.name == d.name }) {
				out.domains = append(out.domains, d)
			}
		}
	}
	slices.SortFunc(out.domains, func(a, b redactedDomain) int { return a.name.Compare(b.name) })
	return out
}

// WithSoftware returns a copy that publishes the server's software, too (XEP-0485 §4, XEP-0092).
func (r Redacted) WithSoftware(s xep.Software) Redacted {
	r.software = &s
	return r
}

// WithUsers returns a copy in which the first domain publishes its number of active users, as Prosody's modules do.
func (r Redacted) WithUsers(n uint64) Redacted {
	if len(r.domains) == 0 {
		return r
	}
	r.domains = slices.Clone(r.domains)
	r.domains[0].users = &n
	return r
}

// WithoutConnections returns a copy that publishes the peers but not the directions of the streams to them, for payloads
// that are too large otherwise.
func (r Redacted) WithoutConnections() Redacted {
	r.bare = true
	return r
}

// IsZero reports whether there is nothing to publish.
func (r Redacted) IsZero() bool { return len(r.domains) == 0 }

// Names returns the remote domains that are named, sorted and each once.
func (r Redacted) Names() []xep.Name {
	var names []xep.Name
	for _, d := range r.domains {
		for _, p := range d.named {
			names = append(names, p.name)
		}
	}
	slices.SortFunc(names, xep.Name.Compare)
	return slices.Compact(names)
}

// Unnamed returns how many unnamed peers are published.
func (r Redacted) Unnamed() int {
	n := 0
	for _, d := range r.domains {
		n += d.unnamed
	}
	return n
}

// Until returns when the first of the named domains loses its verdict, and the zero time if none is named.
// What was published must have been replaced by then.
func (r Redacted) Until() time.Time {
	var first time.Time
	for _, d := range r.domains {
		for _, p := range d.named {
			if first.IsZero() || p.until.Before(first) {
				first = p.until
			}
		}
	}
	return first
}

// ServerInfo returns the payload as a value of its own, nil if there is nothing to publish.
func (r Redacted) ServerInfo() *xep.ServerInfo {
	if r.IsZero() {
		return nil
	}
	info := &xep.ServerInfo{Domains: make([]xep.Domain, 0, len(r.domains))}
	if r.software != nil {
		s := *r.software
		info.Software = &s
	}
	for _, d := range r.domains {
		info.Domains = append(info.Domains, d.domain(r.bare))
	}
	return info
}

func (d redactedDomain) domain(bare bool) xep.Domain {
	remotes := make([]xep.RemoteDomain, 0, len(d.named)+d.unnamed)
	for _, p := range d.named {
		remote := xep.RemoteDomain{Name: p.name.String()}
		if !bare {
			for _, c := range p.connections {
				remote.Connections = append(remote.Connections, xep.Connection{Direction: c})
			}
		}
		remotes = append(remotes, remote)
	}
	remotes = append(remotes, make([]xep.RemoteDomain, d.unnamed)...)
	out := xep.Domain{Name: d.name.String(), Federation: &xep.Federation{RemoteDomains: remotes}}
	if d.users != nil {
		n := *d.users
		out.ActiveUsers = &n
	}
	return out
}

// ErrNothing is returned by [Redacted.Payload] for the zero value.
var ErrNothing = errors.New("optin: nothing to publish")

// Payload returns the element to publish.
func (r Redacted) Payload() ([]byte, error) {
	if r.IsZero() {
		return nil, ErrNothing
	}
	return xep.Marshal(r.ServerInfo())
}
