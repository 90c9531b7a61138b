package roundtrip_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

func TestSite(t *testing.T) {
	for _, c := range []struct{ domain, site, name string }{
		{"example.org", "example.org", "example.org"},
		{"example.org.", "example.org", "example.org"},
		{"pubsub.example.org", "example.org", "pubsub.example.org"},
		{"a.b.c.evil.example", "evil.example", "c.evil.example"},
		{"a.evil.co.uk", "co.uk", "evil.co.uk"},
		{"localhost", "localhost", "localhost"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"[::1]", "[::1]", "[::1]"},
		{"..", "", ""},
		{"a..b", ".b", "a..b"},
	} {
		t.Run(c.domain, func(t *testing.T) {
			site, name := roundtrip.Site(c.domain)
			require.Equal(t, c.site, site)
			require.Equal(t, c.name, name)
		})
	}
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := roundtrip.NewLimiter(3, 2)
		other := jid.MustParse("other.example")
		r1, err := l.AcquireIQ(t.Context(), peer)
		require.NoError(t, err)
		r2, err := l.AcquireIQ(t.Context(), jid.MustParse("a@peer.example/b"))
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = l.AcquireIQ(ctx, peer)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the third request to a domain waits")
		r3, err := l.AcquireIQ(t.Context(), other)
		require.NoError(t, err, "another domain does not")
		require.Equal(t, 3, l.InFlight())
		_, err = l.AcquireIQ(ctx, other)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the fourth in all waits")

		got := make(chan func())
		go func() {
			r, _ := l.AcquireIQ(t.Context(), peer)
			got <- r
		}()
		synctest.Wait()
		r1()
		(<-got)()
		r2()
		r3()
		require.Zero(t, l.InFlight())
	})
}

// TestLimiterSharesSites shows that who makes up domains that never answer, each of them new, takes an eighth of all that may
// be in flight.
func TestLimiterSharesSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := roundtrip.NewLimiter(80, 2)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		for i := range 1000 {
			go func() {
				_, err := l.AcquireIQ(ctx, jid.MustParse(fmt.Sprintf("x%d.evil.example", i)))
				ended <- err
			}()
		}
		synctest.Wait()
		for range 10 {
			require.NoError(t, <-ended)
		}
		synctest.Wait()
		require.Equal(t, 10, l.InFlight())
		for i := range 70 {
			_, err := l.AcquireIQ(t.Context(), jid.MustParse(fmt.Sprintf("pubsub.honest%d.example", i)))
			require.NoError(t, err)
		}
		cancel()
		for range 990 {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.Equal(t, 80, l.InFlight())
	})
}
