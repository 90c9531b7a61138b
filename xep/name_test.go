package xep

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
)

var goodNames = []struct {
	test, in, ascii, unicode string
	unaddressable            bool
}{
	{test: "canonical", in: "shakespeare.lit", ascii: "shakespeare.lit"},
	{test: "single label", in: "localhost", ascii: "localhost"},
	{test: "upper case", in: "Shakespeare.LIT", ascii: "shakespeare.lit"},
	{test: "trailing dot", in: "shakespeare.lit.", ascii: "shakespeare.lit"},
	{test: "U-label", in: "bücher.example", ascii: "xn--bcher-kva.example", unicode: "bücher.example"},
	{test: "U-label in upper case", in: "BÜCHER.example", ascii: "xn--bcher-kva.example", unicode: "bücher.example"},
	{test: "decomposed U-label", in: "bu\u0308cher.example", ascii: "xn--bcher-kva.example", unicode: "bücher.example"},
	{test: "A-label", in: "xn--bcher-kva.example", ascii: "xn--bcher-kva.example", unicode: "bücher.example"},
	{test: "A-label in upper case", in: "XN--BCHER-KVA.example", ascii: "xn--bcher-kva.example", unicode: "bücher.example"},
	{test: "sharp s", in: "faß.example", ascii: "xn--fa-hia.example", unicode: "faß.example"},
	{test: "full-width letters", in: "ｓｈａｋｅ.lit", ascii: "shake.lit"},
	{test: "ideographic full stops", in: "例え。テスト。", ascii: "xn--r8jz45g.xn--zckzah", unicode: "例え.テスト"},
	{test: "emoji", in: "💩.la", ascii: "xn--ls8h.la", unicode: "💩.la"},
	{test: "right to left", in: "אב.example", ascii: "xn--4dbc.example", unicode: "אב.example"},
	{test: "against the bidi rule", in: "xn--0-0hcd.example", ascii: "xn--0-0hcd.example", unaddressable: true},
	{test: "underscore", in: "_xmpp.example", ascii: "_xmpp.example", unaddressable: true},
	{test: "three hyphens", in: "r3---sn.example", ascii: "r3---sn.example", unaddressable: true},
	{test: "hyphens at the edges", in: "-a-.example", ascii: "-a-.example", unaddressable: true},
	{test: "underscore beside a U-label", in: "_x.bücher.example", ascii: "_x.xn--bcher-kva.example", unicode: "_x.bücher.example", unaddressable: true},
	{test: "IPv4 address", in: "192.0.2.1", ascii: "192.0.2.1"},
	{test: "IPv6 address", in: "[2001:DB8:0::1]", ascii: "[2001:db8::1]"},
	{test: "digits in a label", in: "4.example", ascii: "4.example"},
	{test: "longest label", in: strings.Repeat("a", 63) + ".example", ascii: strings.Repeat("a", 63) + ".example"},
	{test: "longest name", in: strings.Repeat("a.", 126) + "b.", ascii: strings.Repeat("a.", 126) + "b"},
}

func TestParseName(t *testing.T) {
	for _, tt := range goodNames {
		t.Run(tt.test, func(t *testing.T) {
			if tt.unicode == "" {
				tt.unicode = tt.ascii
			}
			n, err := ParseName(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.ascii, n.String())
			require.Equal(t, tt.unicode, n.Unicode())
			require.False(t, n.IsZero())
			require.Equal(t, !tt.unaddressable, n.Addressable())
			require.Equal(t, n, MustName(n.String()), "not idempotent")
			require.Equal(t, n, MustName(n.Unicode()), "the U-label form names another domain")
			j, err := n.JID()
			if tt.unaddressable {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			back, err := NameOf(j)
			require.NoError(t, err)
			require.Equal(t, n, back)
		})
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, tt := range []struct{ test, in, reason string }{
		{"nothing", "", "is empty"},
		{"only a dot", ".", "has an empty label"},
		{"two trailing dots", "a.example..", "has an empty label"},
		{"leading dot", ".example", "has an empty label"},
		{"empty label", "a..example", "has an empty label"},
		{"empty label among U-labels", "ü..example", "has an empty label"},
		{"mapped to an empty label", "ü。.example", "has an empty label"},
		{"soft hyphen alone", "\u00ad.example", "has an empty label"},
		{"long label", strings.Repeat("a", 64) + ".example", "label longer than 63"},
		{"long U-label", strings.Repeat("ü", 60) + ".example", "label longer than 63"},
		{"long name", strings.Repeat("a.", 126) + "bc", "longer than 253"},
		{"very long", strings.Repeat("a", 1024), "longer than 1023"},
		{"port", "a.example:5222", "a port is not part"},
		{"port on an address", "192.0.2.1:80", "a port is not part"},
		{"port on an IPv6 address", "[::1]:80", "not an IPv6 address"},
		{"IPv6 address without brackets", "2001:db8::1", "needs brackets"},
		{"IPv6 address with a zone", "[fe80::1%eth0]", "not an IPv6 address"},
		{"IPv4 address in brackets", "[192.0.2.1]", "not an IPv6 address"},
		{"open bracket", "[", "not an IPv6 address"},
		{"short IPv4 address", "127.1", "not an IPv4 address"},
		{"octal IPv4 address", "192.0.2.01", "not an IPv4 address"},
		{"full address", "user@a.example", "more than a domain"},
		{"resource", "a.example/x", "more than a domain"},
		{"mapped to a slash", "℀.example", "more than a domain"},
		{"space", "a example", "holds ' '"},
		{"surrounding space", " a.example", "holds ' '"},
		{"newline", "a.example\n", `holds '\n'`},
		{"markup", "<b>", "holds '<'"},
		{"snowman's colon", "☃:5222", "a port is not part"},
		{"broken UTF-8", "a\xff.example", "not UTF-8"},
		{"broken A-label", "xn--zzzzzz--.example", "not an internationalized domain name"},
		{"empty A-label", "xn--.example", "empty label"},
		{"A-label of ASCII", "xn--abc-.example", "not an internationalized domain name"},
		{"A-label of capitals", "xn--BCHER-KVA-.example", "not an internationalized domain name"},
		{"control character", "a\x00b", `holds '\x00'`},
	} {
		t.Run(tt.test, func(t *testing.T) {
			n, err := ParseName(tt.in)
			require.ErrorContains(t, err, tt.reason)
			require.True(t, n.IsZero())
			var e *NameError
			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, len(err.Error()), 400)
			require.Panics(t, func() { MustName(tt.in) })
		})
	}
}

func TestNameIsIP(t *testing.T) {
	for in, want := range map[string]bool{"192.0.2.1": true, "[::1]": true, "a.example": false, "a1": false} {
		require.Equal(t, want, MustName(in).IsIP(), in)
	}
	require.False(t, Name{}.IsIP())
}

func TestZeroName(t *testing.T) {
	var n Name
	require.True(t, n.IsZero())
	require.False(t, n.Addressable())
	require.Empty(t, n.String())
	require.Empty(t, n.Unicode())
	_, err := n.JID()
	require.Error(t, err)
}

func TestNameCompare(t *testing.T) {
	a, b := MustName("a.example"), MustName("B.example")
	require.Negative(t, a.Compare(b))
	require.Positive(t, b.Compare(a))
	require.Zero(t, a.Compare(MustName("A.EXAMPLE.")))
}

func TestNameOfRefusesEmptyLabel(t *testing.T) {
	_, err := NameOf(jid.MustParse("a..b"))
	require.ErrorContains(t, err, "empty label")
}

func TestNameJSON(t *testing.T) {
	b, err := json.Marshal(map[Name]Name{MustName("Bücher.example"): MustName("A.example")})
	require.NoError(t, err)
	require.JSONEq(t, `{"xn--bcher-kva.example":"a.example"}`, string(b))
	var back map[Name]Name
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, MustName("a.example"), back[MustName("bücher.example")])
	var n Name
	require.NoError(t, n.UnmarshalText(nil))
	require.True(t, n.IsZero())
	require.Error(t, n.UnmarshalText([]byte("a b")))
}

func TestParseNameAllocatesNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = ParseName("shakespeare.lit")
		_ = MustName("a-b.example").Addressable()
	}))
}

// What is in canonical form at first sight must be so at second sight, too.
func TestCanonicalAtFirstSight(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want bool
	}{
		{"a.test", true}, {"a-b_c.d1.test", true}, {"1.2.3.test4", true}, {strings.Repeat("a", 63) + ".test", true},
		{"", false}, {"A.test", false}, {"a.test.", false}, {".test", false}, {"a..test", false}, {"xn--bcher-kva.example", false}, {"a--b.test", false},
		{"1.2.3.4", false}, {"a.4", false}, {"[::1]", false}, {"a:1", false}, {"bücher.example", false},
		{strings.Repeat("a", 64) + ".test", false}, {"a." + strings.Repeat("a", 64), false}, {strings.Repeat("a.", 126) + "aa", false},
	} {
		require.Equal(t, tt.want, canonical(tt.in), tt.in)
	}
}

func FuzzParseName(f *testing.F) {
	for _, tt := range goodNames {
		f.Add(tt.in)
	}
	f.Add("xn--zzzzzz--.example")
	f.Add("xn--a-ecp.ru")
	f.Add("℀.。[::1]")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if canonical(s) {
			require.False(t, needsIDNA(s))
			require.Empty(t, checkASCII(s))
			require.Equal(t, s, n.String())
		}
		if err != nil {
			require.True(t, n.IsZero())
			return
		}
		require.LessOrEqual(t, len(n.String()), maxName)
		require.Equal(t, strings.ToLower(n.String()), n.String())
		require.False(t, strings.HasSuffix(n.String(), "."))
		for _, form := range []string{n.String(), n.Unicode(), n.String() + "."} {
			if n.IsIP() && strings.HasSuffix(form, "].") {
				continue
			}
			back, err := ParseName(form)
			require.NoError(t, err)
			require.Equal(t, n, back)
		}
		j, err := n.JID()
		require.Equal(t, err == nil, n.Addressable())
		if err == nil {
			back, err := NameOf(j)
			require.NoError(t, err)
			require.Equal(t, n, back)
		}
	})
}

func BenchmarkParseName(b *testing.B) {
	for _, tt := range []struct{ name, in string }{
		{"canonical", "conference.shakespeare.lit"},
		{"upper case", "Conference.Shakespeare.lit"},
		{"A-label", "xn--bcher-kva.example"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseName(tt.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
