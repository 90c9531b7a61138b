// Package limit bounds how often somebody may do something that costs others.
package limit

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// maxLimited bounds the addresses that a limiter remembers.
const maxLimited = 1 << 16

// Limiter lets each key do something a number of times at once, and once more after each period.
// Its state for a key is one time: when the key will have everything back (GCRA).
type Limiter struct {
	burst int
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	full map[string]time.Time
}

// New returns a limiter, which limits nothing if burst is negative.
func New(burst int, every time.Duration, now func() time.Time) *Limiter {
	return &Limiter{burst: burst, every: every, now: now, full: make(map[string]time.Time)}
}

// Take uses one turn of a key, or returns how long it has to wait for one.
func (l *Limiter) Take(key string) (wait time.Duration) {
	if l.burst < 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	full := l.full[key]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.every)
	if wait := full.Sub(now) - time.Duration(l.burst)*l.every; wait > 0 {
		return wait
	}
	l.make(now)
	l.full[key] = full
	return 0
}

// make makes room for one more key: by those that have everything back, or else by any.
func (l *Limiter) make(now time.Time) {
	if len(l.full) < maxLimited {
		return
	}
	for k, t := range l.full {
		if !t.After(now) {
			delete(l.full, k)
		}
	}
	for k := range l.full {
		if len(l.full) < maxLimited {
			return
		}
		delete(l.full, k)
	}
}

// Address is what counts as one client: an IPv4 address, or the /64 that an IPv6 client has all to itself.
func Address(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Remote is the other end of a request's connection.
func Remote(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(host)
	return a
}
