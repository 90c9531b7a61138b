package xep

import (
	"cmp"
	"slices"
	"strings"
)

// both is what old Openfire sends for a connection that carries stanzas both ways.
const both Direction = "both"

// Canonical returns a copy in the form in which it can be published, sharing nothing but the bytes of extensions with the original.
//
//   - Names are in canonical form, and "both" is "bidi"; other unknown directions are left unsaid.
//   - A domain without a usable name is dropped; so is an extension that can't be written.
//   - A remote domain without a usable name becomes one that is only counted: without a name, without connections and after all
//     the others, so that it can't be told from the next one.
//   - Duplicates are merged: the first software and count of users win, connections and extensions add up.
//   - Remote domains are sorted by name.
//
// What it returns is accepted by [Marshal] unless it has no domain left, and survives the way out and in unchanged.
// It asks nobody for consent: names of remote domains are only for those to publish who know that they opted in (XEP-0485 §7).
func (si *ServerInfo) Canonical() *ServerInfo {
	out := &ServerInfo{
		Software:   si.Software.canonical(),
		Extensions: canonicalExtensions(si.Extensions, false),
	}
	index := make(map[Name]int)
	for i := range si.Domains {
		n, err := ParseName(si.Domains[i].Name)
		if err != nil {
			continue
		}
		at, again := index[n]
		if !again {
			at = len(out.Domains)
			index[n] = at
			out.Domains = append(out.Domains, Domain{Name: n.String()})
		}
		out.Domains[at].merge(&si.Domains[i])
	}
	for i := range out.Domains {
		out.Domains[i].Federation.canonicalize()
	}
	return out
}

// merge adds a copy of what another domain of the same name says.
func (d *Domain) merge(other *Domain) {
	if other.Federation != nil {
		if d.Federation == nil {
			d.Federation = new(Federation)
		}
		for _, r := range other.Federation.RemoteDomains {
			r.Connections = slices.Clone(r.Connections)
			d.Federation.RemoteDomains = append(d.Federation.RemoteDomains, r)
		}
	}
	if d.Software == nil {
		d.Software = other.Software.canonical()
	}
	if d.ActiveUsers == nil && other.ActiveUsers != nil {
		n := *other.ActiveUsers
		d.ActiveUsers = &n
	}
	d.Extensions = append(d.Extensions, canonicalExtensions(other.Extensions, true)...)
}

// canonicalize works in place, on what already is a copy.
func (f *Federation) canonicalize() {
	if f == nil {
		return
	}
	unnamed := 0
	index := make(map[Name]int, len(f.RemoteDomains))
	named := f.RemoteDomains[:0]
	for _, r := range f.RemoteDomains {
		n, err := ParseName(r.Name)
		if err != nil {
			unnamed++
			continue
		}
		connections := canonicalConnections(r.Connections)
		if at, again := index[n]; again {
			named[at].Connections = append(named[at].Connections, connections...)
			continue
		}
		index[n] = len(named)
		named = append(named, RemoteDomain{Name: n.String(), Connections: connections})
	}
	slices.SortFunc(named, func(a, b RemoteDomain) int { return cmp.Compare(a.Name, b.Name) })
	for range unnamed {
		named = append(named, RemoteDomain{})
	}
	if len(named) == 0 {
		named = nil
	}
	f.RemoteDomains = slices.Clip(named)
}

// canonicalConnections works in place and returns nil where there are none.
func canonicalConnections(connections []Connection) []Connection {
	if len(connections) == 0 {
		return nil
	}
	for i := range connections {
		switch c := &connections[i]; {
		case c.Direction == both:
			c.Direction = Bidi
		case !c.Direction.Valid():
			c.Direction = ""
		}
	}
	return connections
}

func (s *Software) canonical() *Software {
	if s == nil {
		return nil
	}
	return &Software{Name: cleanText(s.Name), Version: cleanText(s.Version), OS: cleanText(s.OS)}
}

// cleanText drops what XML can't carry.
func cleanText(s string) string {
	if validText(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !validText(string(r)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

func canonicalExtensions(extensions []Extension, inDomain bool) []Extension {
	var out []Extension
	for i := range extensions {
		if code, _ := extensions[i].check(inDomain); code == "" {
			out = append(out, extensions[i])
		}
	}
	return out
}
