package optin

import (
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/xmppgraph/xmppgraph/xep"
)

// maxListBytes bounds a list of domains.
const maxListBytes = 1 << 20

// Set is a set of domains that can be replaced while it is in use, for the functions of a [Policy].
//
// The zero value is empty. It is safe for concurrent use.
type Set struct {
	names atomic.Pointer[map[xep.Name]struct{}]
}

// NewSet returns a set of names.
func NewSet(names ...xep.Name) *Set {
	s := new(Set)
	s.Replace(names)
	return s
}

// Has reports whether the set holds a name.
func (s *Set) Has(name xep.Name) bool {
	m := s.names.Load()
	if m == nil {
		return false
	}
	_, ok := (*m)[name]
	return ok
}

// Len returns how many names the set holds.
func (s *Set) Len() int {
	if m := s.names.Load(); m != nil {
		return len(*m)
	}
	return 0
}

// Replace makes names the whole content of the set.
func (s *Set) Replace(names []xep.Name) {
	m := make(map[xep.Name]struct{}, len(names))
	for _, n := range names {
		if !n.IsZero() {
			m[n] = struct{}{}
		}
	}
	s.names.Store(&m)
}

// ParseList reads a JSON array of domain names, the form in which lists of public providers come.
//
// At most 1 MiB is accepted. Names that are none are left out and counted, because one of them is no reason to lose the rest.
func ParseList(b []byte) (names []xep.Name, skipped int, err error) {
	if len(b) > maxListBytes {
		return nil, 0, fmt.Errorf("optin: list of domains is larger than %d bytes", maxListBytes)
	}
	var raw []string
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, 0, fmt.Errorf("optin: list of domains is no JSON array of strings: %v", err)
	}
	names = make([]xep.Name, 0, len(raw))
	for _, s := range raw {
		n, err := xep.ParseName(s)
		if err != nil {
			skipped++
			continue
		}
		names = append(names, n)
	}
	return names, skipped, nil
}
