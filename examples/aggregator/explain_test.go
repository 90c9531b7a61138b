package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
)

func TestExplain(t *testing.T) {
	for name, tc := range map[string]struct {
		err       error
		want, not string
	}{
		"a file":     {fmt.Errorf("open: %w", store.ErrFile), "fuser", "psql"},
		"a server":   {fmt.Errorf("open: %w", store.ErrUnavailable), "psql", "fuser"},
		"no space":   {store.ErrFull, "Make space", "psql"},
		"newer":      {&store.VersionError{Database: 9, Program: 1}, "newer version", "psql"},
		"not ours":   {io.ErrUnexpectedEOF, "", "psql"},
		"both at it": {fmt.Errorf("%w: %w", store.ErrFile, io.EOF), "fuser", "psql"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			explain(&b, tc.err)
			require.Contains(t, b.String(), tc.want)
			require.NotContains(t, b.String(), tc.not)
		})
	}
}
