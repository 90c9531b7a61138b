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

func TestNetworkIsRepeatable(t *testing.T) {
	require.Equal(t, testserver.Network(7, 300), testserver.Network(7, 300))
	require.NotEqual(t, testserver.Network(7, 300), testserver.Network(8, 300))
}

func TestNetworkOfAnySize(t *testing.T) {
	for _, size := range []int{-1, 0, 1, 2, 3, 5, 20, 1000, 5000} {
		f := testserver.Network(1, size)
		require.Len(t, f.Domains, max(size, 0))
		names := make(map[string]bool)
		for _, m := range f.Domains {
			require.False(t, names[m.Name], m.Name)
			names[m.Name] = true
		}
		for _, c := range f.Claims {
			if !names[c.From] || !names[c.To] || c.From == c.To {
				t.Fatal("no such link can be", c)
			}
		}
		if size >= 20 {
			require.Greater(t, len(f.Reachable(f.Domains[0].Name)), size*8/10, "one seed leads to nearly all")
		}
	}
}

func TestReachable(t *testing.T) {
	f := &testserver.Federation{Domains: []testserver.Member{
		{Name: "a.example", Profile: testserver.Standard, Peers: []testserver.Peer{{Name: "b.example"}, {Name: "c.example"}}},
		{Name: "b.example", Profile: testserver.ProsodyOld, Peers: []testserver.Peer{{Name: "d.example"}}},
		{Name: "c.example", Profile: testserver.Tigase},
		{Name: "d.example", Profile: testserver.Tigase},
	}}
	require.Equal(t, []string{"a.example", "b.example", "c.example"}, f.Reachable("a.example"))
	require.Equal(t, []string{"d.example"}, f.Reachable("d.example", "nosuch.example"))
}
