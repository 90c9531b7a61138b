package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// submitAs asks for a domain's visit as a visitor from an address would through a proxy, and returns the status.
func submitAs(t *testing.T, url string, header ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"api/v1/submit", strings.NewReader(`{"domain":"nobody.invalid"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return resp.StatusCode
}

// exhaust submits until an address has no more submissions, and returns how many it had.
func exhaust(t *testing.T, url string, header ...string) (n int) {
	t.Helper()
	for submitAs(t, url, header...) != http.StatusTooManyRequests {
		n++
		require.Less(t, n, 100, "there is a limit")
	}
	return n
}

// In the running program each visitor behind a trusted proxy has limits of its own, and nobody gets others by what it says of itself.
func TestLimitsBehindAProxy(t *testing.T) {
	const who = "X-Forwarded-For"
	t.Run("a trusted proxy", func(t *testing.T) {
		url := start(t, "-demo", "-demo-size", "12", "-trusted-proxy", "127.0.0.1", "-trusted-proxy", "::1")
		require.GreaterOrEqual(t, exhaust(t, url, who, "192.0.2.1"), 5)
		require.NotEqual(t, http.StatusTooManyRequests, submitAs(t, url, who, "192.0.2.2"), "another visitor")
		require.Equal(t, http.StatusTooManyRequests, submitAs(t, url, who, "198.51.100.9, 192.0.2.1"), "what the visitor wrote before does not count")
		require.Equal(t, http.StatusTooManyRequests, submitAs(t, url, who, "192.0.2.1, 127.0.0.1"), "a second trusted proxy")
	})
	t.Run("nobody is trusted", func(t *testing.T) {
		url := start(t, "-demo", "-demo-size", "12")
		exhaust(t, url, who, "192.0.2.1")
		require.Equal(t, http.StatusTooManyRequests, submitAs(t, url, who, "192.0.2.2"))
		require.Equal(t, http.StatusTooManyRequests, submitAs(t, url, "Forwarded", "for=192.0.2.3"))
	})
}
