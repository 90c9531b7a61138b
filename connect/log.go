package connect

import (
	"log/slog"
	"sync"
	"time"
)

// How often a dropped stanza is logged: a hostile domain must not fill the disk.
const (
	logBurst  = 10
	logWindow = time.Minute
)

// dropLog logs what was dropped at a bounded rate.
type dropLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	begin  time.Time
	logged int
	silent uint64
}

// drop names the sender as written, and cut short.
func (d *dropLog) drop(reason, from string) {
	d.mu.Lock()
	now := time.Now()
	if now.Sub(d.begin) >= logWindow {
		d.begin, d.logged = now, 0
	}
	if d.logged == logBurst {
		d.silent++
		d.mu.Unlock()
		return
	}
	d.logged++
	silent := d.silent
	d.silent = 0
	d.mu.Unlock()
	d.logger.Warn("stanza dropped", "reason", reason, "from", clip(from), "unlogged", silent)
}

func clip(s string) string {
	const max = 256
	if len(s) > max {
		return s[:max] + "…"
	}
	return s
}
