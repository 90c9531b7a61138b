package xep

import (
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/require"
)

func addPayloads(f *testing.F) {
	for _, v := range loadVectors(f, "payload") {
		f.Add(v.input)
	}
}

// fuzzLimits are small, so that the corpus reaches them, and large enough for what the canonical form adds.
var fuzzLimits = Limits{Bytes: 1 << 16, Depth: 16, Domains: 20, RemoteDomains: 50, Connections: 50, Extensions: 10, ExtensionBytes: 4096}

func FuzzUnmarshal(f *testing.F) {
	addPayloads(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := fuzzLimits.Unmarshal(b)
		if err != nil {
			require.Nil(t, info)
			return
		}
		requireBounded(t, info)
		requireRules(t, info)
	})
}

func FuzzUnmarshalXML(f *testing.F) {
	addPayloads(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var info ServerInfo
		if err := xml.Unmarshal(b, &info); err != nil {
			require.Zero(t, info)
			return
		}
		requireRules(t, &info)
		if direct, err := Unmarshal(b); err == nil {
			require.Equal(t, reduce(direct), reduce(&info))
		}
	})
}

// requireBounded checks that nothing exceeds fuzzLimits.
func requireBounded(t *testing.T, info *ServerInfo) {
	t.Helper()
	remotes, connections, extensions, size := 0, 0, len(info.Extensions), 0
	for _, e := range info.Extensions {
		size += len(e.XML)
	}
	for _, d := range info.Domains {
		extensions += len(d.Extensions)
		for _, e := range d.Extensions {
			size += len(e.XML)
		}
		if d.Federation == nil {
			continue
		}
		remotes += len(d.Federation.RemoteDomains)
		for _, r := range d.Federation.RemoteDomains {
			connections += len(r.Connections)
		}
	}
	require.LessOrEqual(t, len(info.Domains), fuzzLimits.Domains)
	require.LessOrEqual(t, remotes, fuzzLimits.RemoteDomains)
	require.LessOrEqual(t, connections, fuzzLimits.Connections)
	require.LessOrEqual(t, extensions, fuzzLimits.Extensions)
	require.LessOrEqual(t, size, fuzzLimits.ExtensionBytes)
	require.LessOrEqual(t, len(info.Ignored), 3*maxIgnored)
}

// requireRules checks what holds for every payload that decodes.
func requireRules(t *testing.T, info *ServerInfo) {
	t.Helper()
	publishable := true
	for _, d := range info.Validate()[:len(info.Validate())-len(info.Ignored)] {
		publishable = publishable && d.Level != Must
	}
	b, err := Marshal(info)
	require.Equal(t, publishable, err == nil, "%v", err)
	if err == nil {
		requireRoundTrip(t, info, b)
		requireTokens(t, info)
	}
	canonical := info.Canonical()
	require.Equal(t, canonical, canonical.Canonical())
	b, err = Marshal(canonical)
	if len(canonical.Domains) == 0 {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	requireRoundTrip(t, canonical, b)
	requireTokens(t, canonical)
}
