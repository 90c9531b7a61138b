package chat

import (
	"sync"
	"time"
)

// rate is how often somebody may ask: so many times at once, and then once per pause.
type rate struct {
	burst float64
	pause time.Duration
}

// A person gets ten answers a minute in the long run; a room, or all persons of one domain, thirty.
var (
	perPerson = rate{5, 6 * time.Second}
	perSite   = rate{15, 2 * time.Second}
)

// maxBuckets bounds the memory for those who ask.
const maxBuckets = 10_000

// limiter counts what was asked. Its zero value is ready.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	swept   time.Time
}

type bucket struct {
	left float64
	at   time.Time
	told bool // that it was too much
}

// admit reports whether a question may be answered; where it may not, it returns what to say instead, once.
func (l *limiter) admit(from Asker, now time.Time) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	site := l.bucket("site\x00"+from.Site, perSite, now)
	person := l.bucket("person\x00"+from.Place+"\x00"+from.Who, perPerson, now)
	if site == nil || person == nil {
		return "", false
	}
	for _, b := range []*bucket{person, site} {
		switch {
		case b.left >= 1:
		case b.told:
			return "", false
		default:
			b.told = true
			return slowly, false
		}
	}
	for _, b := range []*bucket{person, site} {
		b.left--
		b.told = false
	}
	return "", true
}

// bucket returns the bucket of a key as of now, nil if there is no room for another.
func (l *limiter) bucket(key string, r rate, now time.Time) *bucket {
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets && !l.sweep(now) {
			return nil
		}
		if l.buckets == nil {
			l.buckets = map[string]*bucket{}
		}
		b = &bucket{left: r.burst, at: now}
		l.buckets[key] = b
		return b
	}
	if now.After(b.at) {
		b.left = min(r.burst, b.left+float64(now.Sub(b.at))/float64(r.pause))
		b.at = now
	}
	return b
}

// sweep drops the buckets that must be full by now, and reports whether there is room again.
// It looks once a second at most, or else each of many strangers would cost a look at all.
func (l *limiter) sweep(now time.Time) bool {
	if now.Sub(l.swept).Abs() < time.Second {
		return false
	}
	l.swept = now
	for key, b := range l.buckets {
		if now.Sub(b.at) > time.Minute {
			delete(l.buckets, key)
		}
	}
	return len(l.buckets) < maxBuckets
}
