package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xmppgraph/xmppgraph/conformance"
)

func BenchmarkPayload(b *testing.B) {
	for _, peers := range []int{0, 800} {
		var s strings.Builder
		s.WriteString("<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation>")
		for i := range peers {
			fmt.Fprintf(&s, "<remote-domain name='peer%d.example'><connection type='incoming'/><connection type='outgoing'/></remote-domain>", i)
		}
		s.WriteString("</federation></domain></serverinfo>")
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			b.SetBytes(int64(s.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conformance.Payload([]byte(s.String()), "shakespeare.lit"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
