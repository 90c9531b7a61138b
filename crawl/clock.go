package crawl

import "time"

// Clock is time as the crawler sees it.
// A simulated one lets a test run a day of politeness in a moment.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// After returns a channel that delivers once d has passed, and a function that frees it early.
	After(d time.Duration) (c <-chan time.Time, stop func())
}

// systemClock is the clock that a nil Clock stands for.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
