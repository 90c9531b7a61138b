package connect

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// TestLostConnectionsAreForgotten shows that a session that is cut off again and again does not grow.
func TestLostConnectionsAreForgotten(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s, err := Component(t.Context(), Config{
		JID: jid.MustParse(testserver.Component), Secret: testserver.Secret, Server: srv.ComponentAddr(),
		MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	defer s.Close()
	up := make(chan weak.Pointer[link], 10)
	s.OnConnect(func(context.Context) {
		s.mu.Lock()
		defer s.mu.Unlock()
		up <- weak.Make(s.link)
	})
	var lost []weak.Pointer[link]
	for range 5 {
		lost = append(lost, <-up)
		srv.KillConnections()
	}
	<-up
	require.Eventually(t, func() bool {
		runtime.GC()
		for _, l := range lost {
			if l.Value() != nil {
				return false
			}
		}
		return true
	}, 20*time.Second, 10*time.Millisecond)
}

// TestUnaskedRepliesCostNothing shows that replies that nobody waits for are not even copied.
func TestUnaskedRepliesCostNothing(t *testing.T) {
	l := testLink(t, nsClient)
	head := "<iq type='result' id='x' from='evil.example'>"
	frame := xmlscan.Frame{Kind: xmlscan.Stanza, Data: []byte(head + strings.Repeat("<a/>", 250_000) + "</iq>"), Head: len(head)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		require.NoError(t, l.receive(frame))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	require.EqualValues(t, 10, l.s.counters.snapshot().Late)
}
