package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors are files of the conformance suite, which state whether their payload conforms.
const vectors = "../../conformance/testdata/payload/*.txt"

// diagnose runs the program on a payload, and returns its exit status and what it prints.
func diagnose(t *testing.T, payload []byte, args ...string) (int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	status := run(context.Background(), append([]string{"-payload", "-"}, args...), world{stdin: bytes.NewReader(payload), stdout: &out, stderr: &errs})
	require.Empty(t, errs.String())
	return status, out.String()
}

// The exit status for a captured payload is the verdict of the suite, and each failure comes with what to change.
func TestPayloadVectors(t *testing.T) {
	files, err := filepath.Glob(vectors)
	require.NoError(t, err)
	require.Greater(t, len(files), 30)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			head, payload, ok := bytes.Cut(b, []byte("\n\n"))
			require.True(t, ok)
			want := exitSick
			if bytes.Contains(head, []byte("\nconforms: yes")) {
				want = exitHealthy
			}
			status, out := diagnose(t, payload, "-domain", "shakespeare.lit")
			require.Equal(t, want, status, out)
			require.Equal(t, strings.Count(string(head), "\nfail: "), strings.Count(out, "✖"), out)
			require.GreaterOrEqual(t, strings.Count(out, "→ "), strings.Count(out, "✖"), out)
		})
	}
}

// What is too large for any stanza is a mistake in the call, and what is too large for services is told.
func TestLargePayloads(t *testing.T) {
	peer := "<remote-domain name='a-rather-long-name-of-a-domain.example'><connection type='bidi'/></remote-domain>"
	payload := "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='me.example'><federation>" + strings.Repeat(peer, 3000) + "</federation></domain></serverinfo>"
	status, out := diagnose(t, []byte(payload), "-domain", "me.example")
	require.Equal(t, exitHealthy, status, out)
	require.Contains(t, out, "✖ SHOULD payload-size")
	require.Contains(t, out, "→ Leave out the connections of each peer, or publish fewer of them.")

	var errs bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), []string{"-payload", "-"}, world{
		stdin: strings.NewReader(strings.Repeat(" ", maxFile+1)), stdout: &bytes.Buffer{}, stderr: &errs,
	}))
	require.Contains(t, errs.String(), "holds more than")
}
