package api

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimiter(t *testing.T) {
	now := noon
	l := newLimiter(2, 10*time.Second, func() time.Time { return now })
	require.Zero(t, l.take("a"))
	require.Zero(t, l.take("a"))
	require.Equal(t, 10*time.Second, l.take("a"))
	require.Zero(t, l.take("b"))
	now = now.Add(4 * time.Second)
	require.Equal(t, 6*time.Second, l.take("a"), "a refusal costs nothing")
	now = now.Add(6 * time.Second)
	require.Zero(t, l.take("a"))
	require.NotZero(t, l.take("a"))
	now = now.Add(time.Hour)
	require.Zero(t, l.take("a"))
	require.Zero(t, l.take("a"))
	require.NotZero(t, l.take("a"), "time that was not used does not add up")
	require.Zero(t, newLimiter(-1, time.Hour, nil).take("a"))
}

func TestLimiterIsBounded(t *testing.T) {
	now := noon
	l := newLimiter(1, time.Second, func() time.Time { return now })
	for i := range maxLimited + 100 {
		require.Zero(t, l.take(strconv.Itoa(i)))
	}
	require.LessOrEqual(t, len(l.full), maxLimited)
	now = now.Add(time.Minute)
	l.take("one more")
	require.Len(t, l.full, 1, "those who have everything back need not be remembered")
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::", "2001:db8:0:0:ffff::2": "2001:db8::",
		"2001:db8:0:1::1": "2001:db8:0:1::", "fe80::1%eth0": "fe80::",
	} {
		require.Equal(t, want, address(netip.MustParseAddr(in)).String())
	}
	require.Equal(t, netip.Addr{}, address(netip.Addr{}))
}
