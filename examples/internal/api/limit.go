package api

import (
	"net/netip"
	"sync"
	"time"
)

// maxLimited bounds the addresses that a limiter remembers.
const maxLimited = 1 << 16

// limiter lets each key do something a number of times at once, and once more after each period.
// Its state for a key is one time: when the key will have everything back (GCRA).
type limiter struct {
	burst int
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	full map[string]time.Time
}

// newLimiter returns a limiter, which limits nothing if burst is negative.
func newLimiter(burst int, every time.Duration, now func() time.Time) *limiter {
	return &limiter{burst: burst, every: every, now: now, full: make(map[string]time.Time)}
}

// take uses one turn of a key, or returns how long it has to wait for one.
func (l *limiter) take(key string) (wait time.Duration) {
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
func (l *limiter) make(now time.Time) {
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

// address is what counts as one client: an IPv4 address, or the /64 that an IPv6 client has all to itself.
func address(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
