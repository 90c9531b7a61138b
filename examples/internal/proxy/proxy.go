// Package proxy finds out who a request comes from when it came through reverse proxies that the operator trusts.
//
// Everybody can write into the headers that say so. What counts is only what trusted proxies have added: the lists are read
// from the right, for as long as the address that has added an entry is trusted.
package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds the entries that are looked at, and maxHeader the bytes of all headers of a name.
const (
	maxHops   = 16
	maxHeader = 4 << 10
)

// Trust is the addresses of the proxies that are trusted. The zero value trusts nobody.
type Trust []netip.Prefix

// Parse reads addresses and prefixes, such as 127.0.0.1 and 2001:db8::/32.
// A prefix that holds all addresses is refused: everybody could pass for anybody.
func Parse(all ...string) (Trust, error) {
	var t Trust
	for _, s := range all {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			addr, e := netip.ParseAddr(s)
			if e != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a prefix such as 192.0.2.0/24", s)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Bits() == 0 {
			return nil, errors.New("a prefix that holds all addresses would let everybody pass for anybody")
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("write %q as an IPv4 prefix", s)
		}
		t = append(t, p.Masked())
	}
	return t, nil
}

// Has reports whether an address is trusted.
func (t Trust) Has(addr netip.Addr) bool {
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Client returns the address that a request comes from, given that of the connection.
//
// X-Forwarded-For and Forwarded (RFC 7239) are understood. A proxy sets one of them and may pass the other on as the client
// wrote it, so that they count only where they agree or one is missing. What can't be read ends the search.
func (t Trust) Client(peer netip.Addr, h http.Header) netip.Addr {
	peer = plain(peer)
	if !t.Has(peer) {
		return peer
	}
	old, new := h["X-Forwarded-For"], h["Forwarded"]
	switch {
	case len(old) == 0 && len(new) == 0:
		return peer
	case len(new) == 0:
		return t.walk(peer, old, lastPlain, parseHop)
	case len(old) == 0:
		return t.walk(peer, new, last, parseForwarded)
	}
	a, b := t.walk(peer, old, lastPlain, parseHop), t.walk(peer, new, last, parseForwarded)
	if a != b {
		return peer
	}
	return a
}

// walk follows the entries from the right.
func (t Trust) walk(peer netip.Addr, headers []string, cut func(string) (rest, entry string), parse func(string) (netip.Addr, bool)) netip.Addr {
	rest := strings.Join(headers, ",")
	if len(rest) > maxHeader {
		return peer
	}
	for range maxHops {
		var entry string
		rest, entry = cut(rest)
		addr, ok := parse(strings.Trim(entry, " \t"))
		if !ok {
			return peer
		}
		if peer = addr; !t.Has(peer) || rest == "" {
			return peer
		}
	}
	return peer
}

// lastPlain cuts the last entry of a list off.
func lastPlain(list string) (rest, entry string) {
	if at := strings.LastIndexByte(list, ','); at >= 0 {
		return list[:at], list[at+1:]
	}
	return "", list
}

// last cuts the last entry of a list off. Commas within quotes don't end one.
func last(list string) (rest, entry string) {
	quoted, at := false, -1
	for i := 0; i < len(list); i++ {
		switch {
		case quoted && list[i] == '\\':
			i++
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			at = i
		}
	}
	if at < 0 {
		return "", list
	}
	return list[:at], list[at+1:]
}

// parseForwarded reads the address of one element of Forwarded.
func parseForwarded(element string) (addr netip.Addr, ok bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, found := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !found || !strings.EqualFold(name, "for") {
			continue
		}
		if ok {
			return netip.Addr{}, false // twice
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if addr, ok = parseHop(value); !ok {
			return netip.Addr{}, false
		}
	}
	return addr, ok
}

// parseHop reads an address, with a port or without.
func parseHop(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return usable(addr)
	}
	if p, err := netip.ParseAddrPort(s); err == nil {
		return usable(p.Addr())
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			if addr, err := netip.ParseAddr(inner); err == nil && addr.Is6() {
				return usable(addr)
			}
		}
	}
	return netip.Addr{}, false
}

func usable(addr netip.Addr) (netip.Addr, bool) {
	addr = plain(addr)
	return addr, !addr.IsUnspecified()
}

// plain makes one address of the forms that it can have.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// Handler returns a handler that has the client's address in RemoteAddr.
func (t Trust) Handler(next http.Handler) http.Handler {
	if len(t) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			if client := t.Client(peer.Addr(), r.Header); client != plain(peer.Addr()) {
				// The port is not known.
				c := *r
				c.RemoteAddr = netip.AddrPortFrom(client, 0).String()
				r = &c
			}
		}
		next.ServeHTTP(w, r)
	})
}
