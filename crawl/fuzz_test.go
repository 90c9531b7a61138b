package crawl

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/xep"
)

// Whatever a payload says, it speaks only for one domain, never of the crawler or of the domain itself, and names each peer once.
func FuzzBind(f *testing.F) {
	f.Add([]byte(`<serverinfo xmlns='urn:xmpp:serverinfo:0'/>`))
	f.Add([]byte(`<serverinfo xmlns='urn:xmpp:serverinfo:0'>` + block("a.test", "b.test", "", "B.test.", "a.test", "crawler.me.test", "_x", "no name") + `</serverinfo>`))
	f.Add([]byte(`<serverinfo xmlns='urn:xmpp:serverinfo:0'>` + block("a.test") + block("A.TEST", "c.test") + block("victim.test", "a.test") + `</serverinfo>`))
	domain, own := xep.MustName("a.test"), xep.MustName("crawler.me.test")
	self := func(n xep.Name) bool { return n == own }
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := xep.Unmarshal(b)
		if err != nil {
			return
		}
		got := bind(info, domain, self)
		remotes := 0
		for _, d := range info.Domains {
			if n, err := xep.ParseName(d.Name); err == nil && n == domain && d.Federation != nil {
				remotes += len(d.Federation.RemoteDomains)
			}
		}
		require.LessOrEqual(t, len(got.peers)+got.unnamed, remotes)
		seen := make(map[xep.Name]bool)
		for _, p := range got.peers {
			require.False(t, p.Name.IsZero() || p.Name == domain || p.Name == own || seen[p.Name])
			require.True(t, p.Until.IsZero())
			seen[p.Name] = true
		}
		for _, c := range got.claims {
			require.NotEqual(t, domain, c.Domain)
		}
		for _, n := range neighbours(got, domain, self) {
			require.True(t, n.Addressable() && n != domain && n != own)
		}
	})
}
