package testserver_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// degrees returns how many links each domain has, the most first.
func degrees(f *testserver.Federation) []int {
	n := make(map[string]int)
	for _, l := range f.Links() {
		n[l[0]]++
		n[l[1]]++
	}
	all := make([]int, 0, len(f.Domains))
	for _, m := range f.Domains {
		all = append(all, n[m.Name])
	}
	slices.SortFunc(all, func(a, b int) int { return cmp.Compare(b, a) })
	return all
}

func TestNetworkHasTheRealShape(t *testing.T) {
	// The figures are those of the public network in January 2025, where each named domain was seen once.
	for seed := range uint64(20) {
		f := testserver.Network(seed, 112)
		require.Len(t, f.Domains, 112)
		require.Len(t, f.Links(), 431+671)
		require.Equal(t, 5671, f.Unnamed())
		reporters := 0
		for _, m := range f.Domains {
			if m.Profile.Publishes() {
				reporters++
			} else {
				require.Empty(t, m.Peers)
				require.Zero(t, m.Unnamed)
			}
		}
		require.Equal(t, 45, reporters)
		d := degrees(f)
		require.InDelta(t, 86, d[0], 20, "hub")
		require.InDelta(t, 48, d[11], 12, "tenth part")
		require.InDelta(t, 25, d[33], 9, "third")
		require.InDelta(t, 16, d[56], 5, "half")
		require.InDelta(t, 6, d[84], 4, "three quarters")
	}
}
