package xep

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
)

var goodURIs = []struct {
	test, in, service, node string
	// out is the form that we write, where it is not the input.
	out string
}{
	{test: "plain", in: "xmpp:pubsub.example.org?;node=serverinfo", service: "pubsub.example.org", node: "serverinfo"},
	{test: "unescaped slash", in: "xmpp:pubsub.a.test?;node=serverinfo/a.test", service: "pubsub.a.test", node: "serverinfo/a.test", out: "xmpp:pubsub.a.test?;node=serverinfo%2Fa.test"},
	{test: "escaped slash", in: "xmpp:pubsub.a.test?;node=serverinfo%2Fa.test", service: "pubsub.a.test", node: "serverinfo/a.test"},
	{test: "query type", in: "xmpp:pubsub.a.test?pubsub;node=serverinfo", service: "pubsub.a.test", node: "serverinfo", out: "xmpp:pubsub.a.test?;node=serverinfo"},
	{test: "subscribe action", in: "xmpp:pubsub.a.test?pubsub;action=subscribe;node=serverinfo", service: "pubsub.a.test", node: "serverinfo", out: "xmpp:pubsub.a.test?;node=serverinfo"},
	{test: "retrieve action and item", in: "xmpp:pubsub.a.test?pubsub;action=retrieve;node=serverinfo;item=current", service: "pubsub.a.test", node: "serverinfo", out: "xmpp:pubsub.a.test?;node=serverinfo"},
	{test: "scheme and service in upper case", in: "XMPP:PubSub.A.test.?;node=ServerInfo", service: "pubsub.a.test", node: "ServerInfo", out: "xmpp:pubsub.a.test?;node=ServerInfo"},
	{test: "fragment", in: "xmpp:pubsub.a.test?;node=serverinfo#top", service: "pubsub.a.test", node: "serverinfo", out: "xmpp:pubsub.a.test?;node=serverinfo"},
	{test: "delimiters in the node", in: "xmpp:pubsub.a.test?;node=a%3Bb%3Dc%23d%3Fe%25f%26g%20h%2Bi", service: "pubsub.a.test", node: "a;b=c#d?e%f&g h+i"},
	{test: "delimiters that need no escape", in: "xmpp:pubsub.a.test?;node=a=b&c?d+e", service: "pubsub.a.test", node: "a=b&c?d+e", out: "xmpp:pubsub.a.test?;node=a%3Db%26c%3Fd%2Be"},
	{test: "lower case escapes", in: "xmpp:pubsub.a.test?;node=a%2fb", service: "pubsub.a.test", node: "a/b", out: "xmpp:pubsub.a.test?;node=a%2Fb"},
	{test: "namespace as node", in: "xmpp:pubsub.a.test?;node=urn%3Axmpp%3Aserverinfo%3A0", service: "pubsub.a.test", node: "urn:xmpp:serverinfo:0"},
	{test: "IRI", in: "xmpp:pubsub.bücher.example?;node=häm", service: "pubsub.bücher.example", node: "häm", out: "xmpp:pubsub.b%C3%BCcher.example?;node=h%C3%A4m"},
	{test: "percent-encoded IRI", in: "xmpp:pubsub.b%C3%BCcher.example?;node=h%C3%A4m", service: "pubsub.bücher.example", node: "häm"},
	{test: "A-label", in: "xmpp:pubsub.xn--bcher-kva.example?;node=x", service: "pubsub.bücher.example", node: "x", out: "xmpp:pubsub.b%C3%BCcher.example?;node=x"},
	{test: "account as a service", in: "xmpp:user@a.test?;node=serverinfo", service: "user@a.test", node: "serverinfo"},
	{test: "IPv6 service", in: "xmpp:%5B::1%5D?;node=serverinfo", service: "[::1]", node: "serverinfo", out: "xmpp:%5B%3A%3A1%5D?;node=serverinfo"},
	{test: "longest node", in: "xmpp:a.test?;node=" + strings.Repeat("n", 1023), service: "a.test", node: strings.Repeat("n", 1023)},
}

func TestParseNodeURI(t *testing.T) {
	for _, tt := range goodURIs {
		t.Run(tt.test, func(t *testing.T) {
			if tt.out == "" {
				tt.out = tt.in
			}
			u, err := ParseNodeURI(tt.in)
			require.NoError(t, err)
			want := NodeURI{Service: jid.MustParse(tt.service), Node: tt.node}
			require.Equal(t, want, u)
			require.True(t, want.Equal(u))
			require.False(t, u.IsZero())
			require.Equal(t, tt.out, u.String())
			back, err := ParseNodeURI(u.String())
			require.NoError(t, err)
			require.Equal(t, u, back)
		})
	}
}

func TestParseNodeURIRefuses(t *testing.T) {
	for _, tt := range []struct{ test, in, reason string }{
		{"nothing", "", "does not start with xmpp:"},
		{"no scheme", "pubsub.a.test?;node=serverinfo", "does not start with xmpp:"},
		{"other scheme", "https://a.test/?;node=serverinfo", "does not start with xmpp:"},
		{"authority", "xmpp://a.test/pubsub.a.test?;node=serverinfo", "names an account to use"},
		{"authority alone", "xmpp://pubsub.a.test?;node=serverinfo", "names an account to use"},
		{"no query", "xmpp:pubsub.a.test", "has no query"},
		{"query in the fragment", "xmpp:pubsub.a.test#?;node=serverinfo", "has no query"},
		{"empty query", "xmpp:pubsub.a.test?", "names no node"},
		{"no node", "xmpp:pubsub.a.test?pubsub;action=subscribe", "names no node"},
		{"empty node", "xmpp:pubsub.a.test?;node=", "names no node"},
		{"node without a value", "xmpp:pubsub.a.test?;node", "names no node"},
		{"two nodes", "xmpp:pubsub.a.test?;node=a;node=b", "more than one node"},
		{"an empty node and another", "xmpp:pubsub.a.test?;node=;node=b", "more than one node"},
		{"node as query type", "xmpp:pubsub.a.test?node=serverinfo", "lacks the semicolon"},
		{"other query type", "xmpp:room@muc.a.test?join", `"join" is not pubsub`},
		{"other query type with a node", "xmpp:a.test?disco;node=serverinfo", `"disco" is not pubsub`},
		{"query type in upper case", "xmpp:a.test?PubSub;node=serverinfo", `"PubSub" is not pubsub`},
		{"unsubscribe action", "xmpp:a.test?pubsub;action=unsubscribe;node=serverinfo", "does not read a node"},
		{"no service", "xmpp:?;node=serverinfo", "names no service"},
		{"bad service", "xmpp:a..test?;node=serverinfo", "empty label"},
		{"service that can't be addressed", "xmpp:pub_sub.a.test?;node=serverinfo", "not addressable"},
		{"service with a port", "xmpp:a.test:5222?;node=serverinfo", "a port is not part"},
		{"resource", "xmpp:user@a.test/x?;node=serverinfo", "has a resource"},
		{"escaped resource", "xmpp:user@a.test%2Fx?;node=serverinfo", "has a resource"},
		{"bad localpart", "xmpp:a%22b@a.test?;node=serverinfo", "not an address"},
		{"empty localpart", "xmpp:@a.test?;node=serverinfo", "not an address"},
		{"percent sign", "xmpp:a.test?;node=100%zz", "encodes nothing"},
		{"percent sign in the service", "xmpp:a%zz.test?;node=x", "encodes nothing"},
		{"percent sign at the end", "xmpp:a.test?;node=100%2", "ends within"},
		{"broken UTF-8", "xmpp:a.test?;node=%FF", "not UTF-8"},
		{"NUL", "xmpp:a.test?;node=a%00b", `holds the character '\x00'`},
		{"newline", "xmpp:a.test?;node=a\nb", `holds the character '\n'`},
		{"long node", "xmpp:a.test?;node=" + strings.Repeat("n", 1024), "longer than 1023"},
		{"very long", "xmpp:a.test?;node=" + strings.Repeat("n", 20000), "too long"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			u, err := ParseNodeURI(tt.in)
			require.ErrorContains(t, err, tt.reason)
			require.True(t, u.IsZero())
			var e *URIError
			require.ErrorAs(t, err, &e)
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestZeroNodeURI(t *testing.T) {
	require.Empty(t, NodeURI{}.String())
	require.True(t, NodeURI{}.IsZero())
	require.False(t, NodeURI{Service: jid.MustParse("a.test")}.IsZero())
}

func FuzzParseNodeURI(f *testing.F) {
	for _, tt := range goodURIs {
		f.Add(tt.in)
	}
	f.Add("xmpp:a%40b@c.test%2Fd?;node=e")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseNodeURI(s)
		if err != nil {
			require.True(t, u.IsZero())
			return
		}
		require.NotEmpty(t, u.Node)
		require.Empty(t, u.Service.Resourcepart())
		back, err := ParseNodeURI(u.String())
		require.NoError(t, err)
		require.True(t, u.Equal(back), "%v became %v", u, back)
		require.Equal(t, u.String(), back.String())
	})
}
