package limit

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	l := New(2, 10*time.Second, func() time.Time { return now })
	require.Zero(t, l.Take("a"))
	require.Zero(t, l.Take("a"))
	require.Equal(t, 10*time.Second, l.Take("a"))
	require.Zero(t, l.Take("b"))
	now = now.Add(4 * time.Second)
	require.Equal(t, 6*time.Second, l.Take("a"), "a refusal costs nothing")
	now = now.Add(6 * time.Second)
	require.Zero(t, l.Take("a"))
	require.NotZero(t, l.Take("a"))
	now = now.Add(time.Hour)
	require.Zero(t, l.Take("a"))
	require.Zero(t, l.Take("a"))
	require.NotZero(t, l.Take("a"), "time that was not used does not add up")
	require.Zero(t, New(-1, time.Hour, nil).Take("a"))
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	l := New(1, time.Second, func() time.Time { return now })
	for i := range maxLimited + 100 {
		require.Zero(t, l.Take(strconv.Itoa(i)))
	}
	require.LessOrEqual(t, len(l.full), maxLimited)
	now = now.Add(time.Minute)
	l.Take("one more")
	require.Len(t, l.full, 1, "those who have everything back need not be remembered")
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::", "2001:db8:0:0:ffff::2": "2001:db8::",
		"2001:db8:0:1::1": "2001:db8:0:1::", "fe80::1%eth0": "fe80::",
	} {
		require.Equal(t, want, Address(netip.MustParseAddr(in)).String())
	}
	require.Equal(t, netip.Addr{}, Address(netip.Addr{}))
}
