package report

import (
	"sync"
	"time"
)

// Stats are counters of a [Reporter] since it was made, and what it looks like now, for a metrics page.
// No name is among them.
type Stats struct {
	// Turns are looks at the connections, and SourceFailures those where they were not known.
	Turns, SourceFailures uint64
	// Publications are items that were published, and Withdrawals items that were retracted.
	Publications, Withdrawals uint64
	// Failures are attempts to publish or to withdraw that failed.
	Failures uint64
	// Losses are publications ahead of their time because somebody had lost consent.
	Losses uint64

	// Connections are the streams that were live at the last look.
	Connections int
	// Named and Unnamed are how many peers the last item names and counts, and Bytes is its size.
	Named, Unnamed, Bytes int
	// Looked and Published are when the connections were last looked at and the item was last published, zero if never.
	Looked, Published time.Time
}

// meter keeps the counters.
type meter struct {
	mu    sync.Mutex
	stats Stats
}

func (m *meter) note(f func(*Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.stats)
}

// Stats returns the counters. It may be called at any time.
func (r *Reporter) Stats() Stats {
	r.meter.mu.Lock()
	defer r.meter.mu.Unlock()
	return r.meter.stats
}
