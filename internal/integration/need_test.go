//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// outcome records what a test would have done.
type outcome struct {
	testing.TB
	skipped, failed bool
}

func (o *outcome) Helper()               {}
func (o *outcome) Skipf(string, ...any)  { o.skipped = true }
func (o *outcome) Fatalf(string, ...any) { o.failed = true }

func TestNeed(t *testing.T) {
	for name, tc := range map[string]struct {
		ci, command     string
		skipped, failed bool
	}{
		"installed":             {"", "go", false, false},
		"installed, in CI":      {"true", "go", false, false},
		"not installed":         {"", "no-such-command", true, false},
		"not installed, in CI":  {"true", "no-such-command", false, true},
		"CI switched off again": {"false", "no-such-command", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", tc.ci)
			o := &outcome{TB: t}
			Need(o, tc.command)
			require.Equal(t, tc.skipped, o.skipped)
			require.Equal(t, tc.failed, o.failed)
		})
	}
}
