package optin

import (
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
	name    xep.Name
	streams tally
	until   time.Time
}

// tally counts the streams to a peer by direction.
// A list of them would be an allocation for each peer, and could hold a string that is no direction and might be a name.
type tally [len(directions)]int

// directions are those that the XEP knows, in the order in which they are published.
var directions = [...]xep.Direction{xep.Incoming, xep.Outgoing, xep.Bidi}

func (t *tally) add(all []xep.Direction) {
	for _, d := range all {
		if i := slices.Index(directions[:], d); i >= 0 {
			t[i]++
		}
	}
}

func (t *tally) len() int { return t[0] + t[1] + t[2] }

func (t *tally) append(dst []xep.Connection) []xep.Connection {
	for i, n := range t {
		for range n {
			dst = append(dst, xep.Connection{Direction: directions[i]})
		}
	}
	return dst
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
	// The place of each peer among the named ones, negative for those that are not named.
	places := make(map[xep.Name]int, len(peers))
	unnamed := 0
	for i := range peers {
		p := &peers[i]
		if p.Remote == local {
			continue
		}
		if p.Remote.IsZero() {
			unnamed++
			continue
		}
		place, ok := places[p.Remote]
		if !ok {
			if place = d.admit(p.Remote, verdict(p.Remote), at, len(peers)); place < 0 {
				unnamed++
			}
			places[p.Remote] = place
		}
		if place >= 0 {
			d.named[place].streams.add(p.Connections)
		}
	}
	slices.SortFunc(d.named, func(a, b namedPeer) int { return a.name.Compare(b.name) })
	d.unnamed = counts.of(unnamed)
	return Redacted{domains: []redactedDomain{d}}
}

// admit adds a peer to the named ones if the verdict is about it and names it, and returns its place, or a negative number.
func (d *redactedDomain) admit(peer xep.Name, v Verdict, at time.Time, most int) int {
	if v.domain != peer || !v.Named(at) {
		return -1
	}
	if d.named == nil {
		d.named = make([]namedPeer, 0, most)
	}
	d.named = append(d.named, namedPeer{name: peer, until: v.until})
	return len(d.named) - 1
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

// WithUsers returns a copy in which a domain publishes its number of active users, as Prosody's modules do.
func (r Redacted) WithUsers(domain xep.Name, n uint64) Redacted {
	i := slices.IndexFunc(r.domains, func(d redactedDomain) bool { return d.name == domain })
	if i < 0 {
		return r
	}
	r.domains = slices.Clone(r.domains)
	r.domains[i].users = &n
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
	remotes := make([]xep.RemoteDomain, len(d.named)+d.unnamed)
	streams := 0
	for i := range d.named {
		remotes[i].Name = d.named[i].name.String()
		streams += d.named[i].streams.len()
	}
	if !bare {
		// One array for all of them.
		all := make([]xep.Connection, 0, streams)
		for i := range d.named {
			start := len(all)
			if all = d.named[i].streams.append(all); len(all) > start {
				remotes[i].Connections = all[start:len(all):len(all)]
			}
		}
	}
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
	return r.ServerInfo().AppendXML(make([]byte, 0, r.size()))
}

// size estimates how many bytes the payload takes, so that they need not be moved while they grow.
func (r Redacted) size() int {
	const around, each, stream = 256, 32, 32
	n := around
	for _, d := range r.domains {
		n += around + each*(len(d.named)+d.unnamed)
		for i := range d.named {
			n += len(d.named[i].name.String())
			if !r.bare {
				n += each + stream*d.named[i].streams.len()
			}
		}
	}
	return n
}
