package optin

// CheckerStats is what a [Checker] did and remembers, for a metrics page. No name is in it.
type CheckerStats struct {
	// Asked is how many times a domain was asked since the checker was made.
	Asked uint64
	// Verdicts is how many domains have a live verdict, by reason.
	Verdicts map[Reason]int
}

// Stats returns the counters. It looks at every entry, so it is not for a tight loop.
func (c *Checker) Stats() CheckerStats {
	s := CheckerStats{Asked: c.asked.Load(), Verdicts: make(map[Reason]int)}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.now()
	for _, e := range c.entries {
		if e.verdict.live(at) {
			s.Verdicts[e.verdict.reason]++
		}
	}
	return s
}
