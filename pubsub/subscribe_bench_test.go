package pubsub

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// eventOf is an event whose payload names that many remote domains.
func eventOf(service string, remotes int) string {
	var b strings.Builder
	b.WriteString("<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='b.test'><federation>")
	for i := range remotes {
		fmt.Fprintf(&b, "<remote-domain name='r%d.example'><connection type='incoming'/><connection type='outgoing'/></remote-domain>", i)
	}
	b.WriteString("</federation></domain></serverinfo>")
	return strings.Replace(itemFrom(service, "current"), payload, b.String(), 1)
}

// BenchmarkHandleMessage measures what an event costs the session's handler, less the reading of XML.
// Unread is the handler alone, read adds what a consumer pays to decode the payload,
// and foreign is an event from a service without a subscription, which costs no more than the mux itself.
func BenchmarkHandleMessage(b *testing.B) {
	for _, remotes := range []int{1, 30, 800} {
		for _, how := range []string{"foreign", "unread", "read"} {
			b.Run(fmt.Sprintf("remotes=%d/%s", remotes, how), func(b *testing.B) {
				benchmarkEvents(b, remotes, how)
			})
		}
	}
}

func benchmarkEvents(b *testing.B, remotes int, how string) {
	s, _, m := newSubscriber()
	_, err := s.Subscribe(b.Context(), pubsubHost, theNode)
	require.NoError(b, err)
	service := "pubsub.b.test"
	if how == "foreign" {
		service = "pubsub.evil.test"
	}
	raw := eventOf(service, remotes)
	tokens := tokensOf(b, raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		replay(b, m, tokens)
		if how == "read" {
			if _, err := s.Next(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	c := s.Counters()
	require.Equal(b, how != "foreign", c.Accepted == c.Received)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// tokensOf reads a message once, so that encoding/xml is not what is measured.
func tokensOf(b *testing.B, raw string) (all []xml.Token) {
	r, err := roundtrip.Tokens([]byte(raw))
	require.NoError(b, err)
	for {
		tok, err := r.Token()
		if err == io.EOF {
			return all
		}
		require.NoError(b, err)
		all = append(all, tok)
	}
}

// replay hands a message over. Its attributes are copied, for that is by what a message is recognised.
func replay(b *testing.B, m *mux.ServeMux, tokens []xml.Token) {
	start := tokens[0].(xml.StartElement).Copy()
	start.Name.Space = stanza.NSClient
	rest := tokens[1:]
	err := m.HandleXMPP(struct {
		xml.TokenReader
		xmlstream.Encoder
	}{TokenReader: xmlstream.ReaderFunc(func() (xml.Token, error) {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		tok := rest[0]
		rest = rest[1:]
		return tok, nil
	})}, &start)
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSubscriptionMemory shows in B/op what an idle subscription holds.
func BenchmarkSubscriptionMemory(b *testing.B) {
	s, _, _ := newSubscriber()
	s.MaxSubscriptions = math.MaxInt
	b.ReportAllocs()
	for i := range b.N {
		service := host(i)
		k, t := key{addressOf(service), theNode}, target{service: service, addr: pubsubHost, node: theNode}
		if err := s.admit(k, t); err != nil {
			b.Fatal(err)
		}
	}
}
