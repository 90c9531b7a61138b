package connect_test

import (
	"bufio"
	"context"
	"encoding/xml"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
)

// TestWriteTimeout shows that a server that does not read is given up, and that requests wait no longer than that.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				r := bufio.NewReaderSize(server, 16)
				if hear(r) {
					_, _ = io.WriteString(server, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>")
				}
				if hear(r) {
					_, _ = io.WriteString(server, "<handshake/>")
				}
			}()
			return client, nil
		}
		s, err := connect.Component(t.Context(), connect.Config{JID: jid.MustParse("crawler.me.test"), Secret: "s", Dial: stuck})
		require.NoError(t, err)
		begin := time.Now()
		var wg sync.WaitGroup
		payload := []byte("<a xmlns='u'>" + strings.Repeat("x", 100<<10) + "</a>")
		for range 30 {
			wg.Go(func() {
				_, err := s.ExchangeIQ(t.Context(), stanza.IQ{Type: stanza.GetIQ, To: peer}, payload)
				require.ErrorIs(t, err, connect.ErrDisconnected)
			})
		}
		wg.Wait()
		require.Equal(t, 30*time.Second, time.Since(begin))
		require.NoError(t, s.Close())
	})
}

// TestSlowServer shows that a server that reads slowly, as one does that limits its users, is no dead one.
func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() {
				r := bufio.NewReaderSize(server, 16)
				if hear(r) {
					_, _ = io.WriteString(server, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>")
				}
				if hear(r) {
					_, _ = io.WriteString(server, "<handshake/>")
				}
				for {
					time.Sleep(time.Second)
					if _, err := io.CopyN(io.Discard, r, 10_000); err != nil {
						return
					}
					_, _ = io.WriteString(server, " ")
				}
			}()
			return client, nil
		}
		s, err := connect.Component(t.Context(), connect.Config{JID: jid.MustParse("crawler.me.test"), Secret: "s", Dial: slow})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				body := xmlstream.Wrap(xmlstream.Token(xml.CharData(strings.Repeat("x", 100_000))), xml.StartElement{Name: xml.Name{Local: "body"}})
				require.NoError(t, s.Send(t.Context(), stanza.Message{To: peer, Type: stanza.NormalMessage}.Wrap(body)))
			})
		}
		wg.Wait()
		require.Eventually(t, func() bool { return s.Counters().BytesOut > 1_000_000 }, 5*time.Minute, time.Second)
		require.Zero(t, s.Counters().Losses)
		require.NoError(t, s.Close())
	})
}
