package xep

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const nsAttr = "xmlns='" + NS + "'"

// payload wraps what stands in the federation of one domain.
func payload(federation string) string {
	return "<serverinfo " + nsAttr + "><domain name='a.test'><federation>" + federation + "</federation></domain></serverinfo>"
}

func TestLimits(t *testing.T) {
	extension := "<x xmlns='urn:example:1'>0123456789</x>"
	inDomain := func(s string) string {
		return "<serverinfo " + nsAttr + "><domain name='a.test'>" + s + "</domain></serverinfo>"
	}
	for _, tt := range []struct {
		name   string
		limits Limits
		in     string
		reason string
	}{
		{"bytes", Limits{Bytes: 50}, payload(""), "more than 50 bytes"},
		{"depth", Limits{Depth: 3}, payload("<remote-domain/>"), "more than 3"},
		{"domains", Limits{Domains: 2}, "<serverinfo " + nsAttr + ">" + strings.Repeat("<domain name='a.test'/>", 3) + "</serverinfo>", "more than 2 domains"},
		{"remote domains", Limits{RemoteDomains: 2}, payload(strings.Repeat("<remote-domain/>", 3)), "more than 2 remote domains"},
		{"connections", Limits{Connections: 2}, payload(strings.Repeat("<remote-domain><connection/></remote-domain>", 3)), "more than 2 connections"},
		{"extensions", Limits{Extensions: 2}, inDomain(strings.Repeat(extension, 3)), "more than 2 extension elements"},
		{"known extensions count", Limits{Extensions: 2}, inDomain(strings.Repeat("<query xmlns='jabber:iq:version'/>", 3)), "more than 2 extension elements"},
		{"extension bytes", Limits{ExtensionBytes: 100}, inDomain(strings.Repeat(extension, 3)), "more than 100 bytes of extension elements"},
		{"extension bytes in software", Limits{ExtensionBytes: 20}, inDomain("<query xmlns='jabber:iq:version'><name>0123456789</name><version>0123456789</version><os>x</os></query>"), "more than 20 bytes of extension elements"},
		{"one long text", Limits{ExtensionBytes: 5}, inDomain("<query xmlns='jabber:iq:version'><name>0123456789</name></query>"), "more than 5 bytes of text"},
		{"one long count", Limits{ExtensionBytes: 5}, inDomain("<users xmlns='" + NSUsers + "'><active>0123456789</active></users>"), "more than 5 bytes of text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info, err := tt.limits.Unmarshal([]byte(tt.in))
			require.ErrorIs(t, err, ErrLimit)
			require.ErrorContains(t, err, tt.reason)
			require.Nil(t, info)
			_, err = Unmarshal([]byte(tt.in))
			require.NoError(t, err)
		})
	}
}

func TestLimitErrorSaysWhich(t *testing.T) {
	_, err := Limits{Domains: 1}.Unmarshal([]byte("<serverinfo " + nsAttr + "><domain/><domain/></serverinfo>"))
	var e *LimitError
	require.ErrorAs(t, err, &e)
	require.Equal(t, LimitError{What: "domains", Max: 1}, *e)
}

func TestDefaultLimits(t *testing.T) {
	_, err := Unmarshal(bytes.Repeat([]byte(" "), DefaultBytes+1))
	require.ErrorIs(t, err, ErrLimit)
	require.Equal(t, Limits{}.withDefaults(), Limits{Bytes: -1, Domains: -5}.withDefaults())
}

// A payload that breaks off anywhere is refused, and leaves no half of a result.
func TestUnmarshalBrokenOff(t *testing.T) {
	whole := payload("<remote-domain name='b.test'><connection type='bidi'/></remote-domain>")
	whole = strings.Replace(whole, "</domain>", "<query xmlns='jabber:iq:version'><name>n</name></query><users xmlns='"+NSUsers+
		"'><active>1</active></users><x xmlns='urn:example:1'><y/></x><z/></domain>", 1)
	_, err := Unmarshal([]byte(whole))
	require.NoError(t, err)
	for i := range len(whole) {
		info, err := Unmarshal([]byte(whole[:i]))
		require.ErrorIs(t, err, ErrSyntax, whole[:i])
		require.Nil(t, info)
		var kept ServerInfo
		require.Error(t, xml.Unmarshal([]byte(whole[:i]), &kept))
		require.Zero(t, kept)
	}
}

func TestIgnoredIsBounded(t *testing.T) {
	info, err := Unmarshal([]byte(payload(strings.Repeat("<remote-domain x='y'/>", 1000) + strings.Repeat("<remote-domain name=''/>", 1000))))
	require.NoError(t, err)
	require.Len(t, info.Ignored, 2*maxIgnored, "noise hides no fault that counts")
	require.Equal(t, CodeRemoteName, info.Ignored[maxIgnored].Code)
	require.Len(t, info.Domains[0].Federation.RemoteDomains, 2000)
}

// Connections share their memory, so that appending to some must not reach the next.
func TestConnectionsDoNotOverlap(t *testing.T) {
	var in strings.Builder
	for i := range 300 {
		fmt.Fprintf(&in, "<remote-domain name='d%d.test'>%s</remote-domain>", i, strings.Repeat("<connection type='incoming'/>", i%7))
	}
	info, err := Unmarshal([]byte(payload(in.String())))
	require.NoError(t, err)
	remotes := info.Domains[0].Federation.RemoteDomains
	require.Len(t, remotes, 300)
	for i := range remotes {
		remotes[i].Connections = append(remotes[i].Connections, Connection{Direction: Bidi})
	}
	for i, r := range remotes {
		require.Len(t, r.Connections, i%7+1)
		for _, c := range r.Connections[:i%7] {
			require.Equal(t, Incoming, c.Direction)
		}
	}
}

// Names outlive the payload, and must not keep all of it in memory or change with the buffer it was in.
func TestUnmarshalCopies(t *testing.T) {
	b := []byte(payload("<remote-domain name='b.test'><connection type='sideways'/></remote-domain>"))
	info, err := Unmarshal(b)
	require.NoError(t, err)
	for i := range b {
		b[i] = 'x'
	}
	r := info.Domains[0].Federation.RemoteDomains[0]
	require.Equal(t, RemoteDomain{Name: "b.test", Connections: []Connection{{Direction: "sideways"}}}, r)
}

// However a payload of the greatest permitted length is made, decoding it takes a small multiple of that.
func TestUnmarshalMemoryIsBounded(t *testing.T) {
	fill := func(before, unit, after string) string {
		n := (DefaultBytes - len(before) - len(after)) / len(unit)
		return before + strings.Repeat(unit, n) + after
	}
	root := "<serverinfo " + nsAttr + ">"
	for _, tt := range []struct{ name, in string }{
		{"domains", fill(root, "<domain/>", "</serverinfo>")},
		{"remote domains", fill(root+"<domain><federation>", "<remote-domain/>", "</federation></domain></serverinfo>")},
		{"short names", fill(root+"<domain><federation>", "<remote-domain name='a'/>", "</federation></domain></serverinfo>")},
		{"connections", fill(root+"<domain><federation><remote-domain>", "<connection/>", "</remote-domain></federation></domain></serverinfo>")},
		{"odd directions", fill(root+"<domain><federation><remote-domain>", "<connection type='x'/>", "</remote-domain></federation></domain></serverinfo>")},
		{"unknown elements", fill(root, "<x/>", "</serverinfo>")},
		{"unknown elements below", fill(root+"<domain><federation>", "<x/>", "</federation></domain></serverinfo>")},
		{"unknown attributes", fill(root+"<domain><federation>", "<x a='' b='' c=''/>", "</federation></domain></serverinfo>")},
		{"text noise", fill(root, "x<domain/>", "</serverinfo>")},
		{"extensions", fill(root, "<x xmlns='a'/>", "</serverinfo>")},
		{"one extension", fill(root+"<x xmlns='a'>", "<y/>", "</x></serverinfo>")},
		{"one extension with a prefix", fill(root+"<p:x xmlns:p='a'>", "<y/>", "</p:x></serverinfo>")},
		{"inherited namespace", fill("<serverinfo "+nsAttr+" xmlns:p='"+strings.Repeat("u", DefaultBytes/2)+"'>", "<p:x/>", "</serverinfo>")},
		{"software", fill(root+"<query xmlns='jabber:iq:version'>", "<name>x</name>", "</query></serverinfo>")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.LessOrEqual(t, len(tt.in), DefaultBytes)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			info, err := Unmarshal([]byte(tt.in))
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*DefaultBytes))
			require.Equal(t, err == nil, info != nil)
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	remote := func(r RemoteDomain) []Domain {
		return []Domain{{Name: "a.test", Federation: &Federation{RemoteDomains: []RemoteDomain{r}}}}
	}
	extension := func(space, local, xml string) ServerInfo {
		return ServerInfo{Domains: []Domain{{Name: "a.test"}}, Extensions: []Extension{{Space: space, Local: local, XML: []byte(xml)}}}
	}
	for _, tt := range []struct {
		name string
		info ServerInfo
		code Code
	}{
		{"no domain", ServerInfo{}, CodeNoDomain},
		{"domain without name", ServerInfo{Domains: []Domain{{}}}, CodeDomainName},
		{"bad domain", ServerInfo{Domains: []Domain{{Name: "a b"}}}, CodeDomainName},
		{"bad remote domain", ServerInfo{Domains: remote(RemoteDomain{Name: "b.test:5269"})}, CodeRemoteName},
		{"unknown direction", ServerInfo{Domains: remote(RemoteDomain{Connections: []Connection{{"both"}}})}, CodeConnectionType},
		{"software that XML can't carry", ServerInfo{Domains: []Domain{{Name: "a.test"}}, Software: &Software{Name: "a\x00"}}, CodeCharacters},
		{"software that is not UTF-8", ServerInfo{Domains: []Domain{{Name: "a.test", Software: &Software{OS: "a\xff"}}}}, CodeCharacters},
		{"extension without namespace", extension("", "x", "<x/>"), CodeExtensionNamespace},
		{"extension in our namespace", extension(NS, "x", "<x xmlns='"+NS+"'/>"), CodeExtensionNamespace},
		{"extension that has a field", extension(NSVersion, "query", "<query xmlns='jabber:iq:version'/>"), CodeExtensionKnown},
		{"extension without XML", extension("urn:x", "x", ""), CodeExtensionXML},
		{"extension that is not XML", extension("urn:x", "x", "x"), CodeExtensionXML},
		{"extension of another name", extension("urn:x", "x", "<y xmlns='urn:x'/>"), CodeExtensionXML},
		{"extension of another namespace", extension("urn:x", "x", "<x xmlns='urn:y'/>"), CodeExtensionXML},
		{"extension without its declaration", extension("urn:x", "x", "<x/>"), CodeExtensionXML},
		{"two extensions in one", extension("urn:x", "x", "<x xmlns='urn:x'/><x xmlns='urn:x'/>"), CodeExtensionXML},
		{"extension with text behind", extension("urn:x", "x", "<x xmlns='urn:x'/>y"), CodeExtensionXML},
		{"extension that breaks out", extension("urn:x", "x", "<x xmlns='urn:x'/></serverinfo>"), CodeExtensionXML},
		{"extension that would change its meaning", extension("urn:x", "x", "<p:x xmlns:p='urn:x'><y/></p:x>"), CodeExtensionXML},
		{"unfinished extension", extension("urn:x", "x", "<x xmlns='urn:x'>"), CodeExtensionXML},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Marshal(&tt.info)
			require.Nil(t, b)
			var invalid *InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Len(t, invalid.Deviations, 1)
			d := invalid.Deviations[0]
			require.Equal(t, tt.code, d.Code)
			require.Equal(t, Must, d.Level)
			require.Contains(t, err.Error(), d.Path)
			require.Contains(t, tt.info.Validate(), d)

			dst, err := tt.info.AppendXML([]byte("before"))
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "before", string(dst))

			var out bytes.Buffer
			e := xml.NewEncoder(&out)
			n, err := tt.info.WriteXML(e)
			require.ErrorAs(t, err, &invalid)
			require.Zero(t, n)
			require.NoError(t, e.Flush())
			require.Empty(t, out.String())

			if b, err := Marshal(tt.info.Canonical()); len(tt.info.Canonical().Domains) > 0 {
				require.NoError(t, err)
				requireRoundTrip(t, tt.info.Canonical(), b)
			}
		})
	}
	_, err := Marshal(nil)
	require.Error(t, err)
}

func TestInvalidErrorIsShort(t *testing.T) {
	info := ServerInfo{Domains: make([]Domain, 1000)}
	_, err := Marshal(&info)
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Len(t, invalid.Deviations, 1000)
	require.Equal(t, "xep: the payload can't be published: MUST §4 domain[0]@name: is missing; MUST §4 domain[1]@name: is missing; "+
		"MUST §4 domain[2]@name: is missing; …", err.Error())
}

func TestDeviationString(t *testing.T) {
	info, err := Unmarshal([]byte(payload("<remote-domain/><remote-domain/><remote-domain/><remote-domain name='d.test'><connection type='both'/></remote-domain>")))
	require.NoError(t, err)
	found := info.Validate()
	require.Len(t, found, 1)
	require.Equal(t, `MUST §4 domain[0].federation.remote-domain[3].connection[0]@type: "both" is not one of incoming, outgoing, bidi`, found[0].String())
}

func TestCanonicalLeavesTheOriginalAlone(t *testing.T) {
	in := payload("<remote-domain name='c.test'><connection type='both'/></remote-domain><remote-domain name='B.test'/><remote-domain name='C.test'><connection/></remote-domain>")
	info, err := Unmarshal([]byte(in))
	require.NoError(t, err)
	before, err := Unmarshal([]byte(in))
	require.NoError(t, err)
	users := uint64(3)
	info.Domains[0].ActiveUsers, before.Domains[0].ActiveUsers = &users, &users
	c := info.Canonical()
	c.Domains[0].Federation.RemoteDomains[0].Name = "changed.test"
	*c.Domains[0].ActiveUsers = 4
	require.Equal(t, before, info)
	require.Equal(t, c.Canonical(), c.Canonical().Canonical())
}

func TestCanonicalCleansText(t *testing.T) {
	info := ServerInfo{Domains: []Domain{{Name: "a.test"}}, Software: &Software{Name: "a\x00b\xffc\uFFFE", Version: "1\n\t\r2"}}
	require.Equal(t, &Software{Name: "abc", Version: "1\n\t\r2"}, info.Canonical().Software)
	b, err := Marshal(info.Canonical())
	require.NoError(t, err)
	requireRoundTrip(t, info.Canonical(), b)
}
