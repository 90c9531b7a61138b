package connect

import (
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

// How often the same thing is logged: a hostile domain must not fill the disk.
const (
	logBurst  = 10
	logWindow = time.Minute
)

// How much of a stranger's words is logged, in bytes.
const (
	maxLogged      = 256
	maxLoggedError = 2 << 10
)

// quietLog logs what strangers can make happen, each kind of it at a bounded rate of its own: noise of one kind must not
// hide another.
type quietLog struct {
	logger *slog.Logger

	mu    sync.Mutex
	kinds map[string]*budget
}

type budget struct {
	begin  time.Time
	logged int
	silent uint64
}

// drop logs a stanza that was not let through and names its sender as written.
func (q *quietLog) drop(reason, from string) {
	q.warn(reason, "stanza dropped", "reason", reason, "from", printable(from, maxLogged))
}

// warn logs something of the given kind, of which there must be few.
func (q *quietLog) warn(kind, message string, args ...any) {
	if silent, ok := q.spend(kind); ok {
		q.logger.Warn(message, append(args, "unlogged", silent)...)
	}
}

// spend reports whether one more of a kind may be logged now, and how many have not been.
func (q *quietLog) spend(kind string) (silent uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.kinds[kind]
	if b == nil {
		b = new(budget)
		if q.kinds == nil {
			q.kinds = make(map[string]*budget)
		}
		q.kinds[kind] = b
	}
	now := time.Now()
	if now.Sub(b.begin) >= logWindow {
		b.begin, b.logged = now, 0
	}
	if b.logged == logBurst {
		b.silent++
		return 0, false
	}
	b.logged++
	silent, b.silent = b.silent, 0
	return silent, true
}

// printable cuts a stranger's words short and replaces what a terminal or a viewer of logs might take for an order: line
// ends, control characters, marks that turn the direction of writing.
func printable(s string, max int) string {
	cut := len(s) > max
	if cut {
		s = s[:max]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if cut {
		s += "…"
	}
	return s
}
