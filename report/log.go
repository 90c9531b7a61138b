package report

import (
	"context"
	"log/slog"
	"time"
)

// complaint is something that may go wrong at every turn and should not fill the log at every turn.
type complaint struct {
	said string
	at   time.Time
}

// grumble logs an error when it is new or has changed, and then once for each heartbeat.
// What changes all the time, as a port number in its text does, is logged once for each interval.
// In between it is logged for those who debug.
func (u *run) grumble(c *complaint, level slog.Level, msg string, err error, args ...any) {
	now, text := u.now(), msg+": "+err.Error()
	quiet := or(u.Heartbeat, DefaultHeartbeat)
	if text != c.said {
		quiet = u.interval() / 2
	}
	if c.said != "" && now.Sub(c.at) < quiet {
		level = slog.LevelDebug
	} else {
		c.said, c.at = text, now
	}
	u.logger().Log(context.Background(), level, msg, append([]any{"err", err}, args...)...)
}

// relief ends a complaint.
func (u *run) relief(c *complaint, msg string) {
	if c.said != "" {
		*c = complaint{}
		u.logger().Info(msg)
	}
}
