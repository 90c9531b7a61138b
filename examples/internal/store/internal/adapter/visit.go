package adapter

import (
	"encoding/json"
	"fmt"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxVisit bounds what is stored of a visit in bytes. A usual one has less than two thousand.
const maxVisit = 16 << 10

// AppendVisit appends how a visit went in the form in which it is stored.
func AppendVisit(b []byte, v store.Visit) ([]byte, error) {
	for {
		text, err := json.Marshal(v)
		if err != nil {
			return b, fmt.Errorf("store: visit of %q: %v", v.Domain, err)
		}
		if len(text) <= maxVisit || len(v.Steps) == 0 {
			return append(b, text...), nil
		}
		v.Steps = v.Steps[:len(v.Steps)-1]
	}
}

// ParseVisit is the inverse of [AppendVisit].
func ParseVisit(domain xep.Name, at int64, b []byte) (v store.Visit, err error) {
	if len(b) > maxVisit {
		return v, fmt.Errorf("store: stored visit of %q has %d bytes", domain, len(b))
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return store.Visit{}, fmt.Errorf("store: stored visit of %q: %v", domain, err)
	}
	v.Domain, v.At = domain, Time(at)
	return v, nil
}
