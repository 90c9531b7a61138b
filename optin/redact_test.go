package optin_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

var local = xep.MustName("shakespeare.lit")

func TestRedact(t *testing.T) {
	montague, yorick := xep.MustName("montague.net"), xep.MustName("yorick.lit")
	verdict := func(n xep.Name) optin.Verdict {
		return optin.Decide(optin.Evidence{Domain: n, Answered: true, Feature: n != yorick}, optin.Policy{}, start)
	}
	red := optin.Redact(local, []optin.Peer{
		{Remote: yorick, Connections: []xep.Direction{xep.Bidi}},
		{Remote: montague, Connections: []xep.Direction{xep.Bidi, "yorick.lit"}},
		{Remote: denmark, Connections: []xep.Direction{xep.Outgoing}},
		{Remote: yorick},
		{Remote: denmark, Connections: []xep.Direction{xep.Incoming}},
		{},
		{Remote: local, Connections: []xep.Direction{xep.Bidi}},
	}, verdict, start, optin.CountExact)
	b, err := red.Payload()
	require.NoError(t, err)
	info, err := xep.Unmarshal(b)
	require.NoError(t, err)
	require.Equal(t, []xep.RemoteDomain{
		{Name: "denmark.lit", Connections: []xep.Connection{{Direction: xep.Incoming}, {Direction: xep.Outgoing}}},
		{Name: "montague.net", Connections: []xep.Connection{{Direction: xep.Bidi}}},
		{}, {},
	}, info.Domains[0].Federation.RemoteDomains)
	require.Equal(t, []xep.Name{denmark, montague}, red.Names())
	require.Equal(t, 2, red.Unnamed())
	require.Equal(t, start.Add(time.Hour), red.Until())

	b, err = red.WithoutConnections().Payload()
	require.NoError(t, err)
	require.NotContains(t, string(b), "<connection")

	late := optin.Redact(local, []optin.Peer{{Remote: denmark}}, verdict, start.Add(time.Hour), optin.CountExact)
	require.Empty(t, late.Names(), "a verdict that has lapsed names nobody")
	require.True(t, late.Until().IsZero())
}

func TestRedactTakesNoVerdictOfSomebodyElse(t *testing.T) {
	wrong := func(xep.Name) optin.Verdict { return everyone(denmark) }
	red := optin.Redact(local, []optin.Peer{{Remote: xep.MustName("yorick.lit")}}, wrong, start, optin.CountExact)
	require.Empty(t, red.Names())
	require.Equal(t, 1, red.Unnamed())
}

func TestCounts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		counts optin.Counts
		peers  int
		want   int
	}{
		{"exact", optin.CountExact, 17, 17},
		{"rounded", optin.CountRounded, 17, 10},
		{"rounded to nothing", optin.CountRounded, 9, 0},
		{"none", optin.CountNone, 17, 0},
		{"unknown policies count nobody", optin.Counts(9), 17, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			red := optin.Redact(local, make([]optin.Peer, tc.peers), everyone, start, tc.counts)
			require.Equal(t, tc.want, red.Unnamed())
			require.Len(t, red.ServerInfo().Domains[0].Federation.RemoteDomains, tc.want)
		})
	}
}

func TestJoinAndExtras(t *testing.T) {
	one := optin.Redact(local, []optin.Peer{{Remote: denmark}}, everyone, start, optin.CountExact).WithUsers(local, 7).WithUsers(denmark, 9)
	two := optin.Redact(xep.MustName("globe.lit"), []optin.Peer{{Remote: local}, {}}, everyone, start, optin.CountExact)
	red := optin.Join(one, two, one).WithSoftware(xep.Software{Name: "Globe", Version: "1"})
	info := red.ServerInfo()
	require.Len(t, info.Domains, 2)
	require.Equal(t, "globe.lit", info.Domains[0].Name)
	require.Equal(t, uint64(7), *info.Domains[1].ActiveUsers)
	require.Equal(t, "Globe", info.Software.Name)
	require.Equal(t, []xep.Name{denmark, local}, red.Names())

	info.Domains[0].Name = "changed.lit"
	require.Equal(t, "globe.lit", red.ServerInfo().Domains[0].Name, "what was handed out is a copy")
	for _, d := range red.ServerInfo().Validate() {
		require.NotEqual(t, xep.Must, d.Level, d)
	}
}

// The claim of this package: whatever connections, evidence, policy and clock there are, no published byte holds a name
// without a live verdict, and payloads that differ only in which unnamed peers are connected are the same.
func TestPrivacyProperty(t *testing.T) {
	const rounds = 2000
	rng := rand.New(rand.NewPCG(485, 1))
	for round := range rounds {
		// Names that contain each other would hide a leak or feign one, so each has a number of fixed width at its start.
		universe := make([]xep.Name, 1+rng.IntN(24))
		for i := range universe {
			universe[i] = xep.MustName(fmt.Sprintf("n%05dx.test", rng.IntN(100000)))
		}
		verdicts := make(map[xep.Name]optin.Verdict)
		var listed, excluded []xep.Name
		for _, n := range universe {
			if rng.IntN(6) == 0 {
				listed = append(listed, n)
			}
			if rng.IntN(6) == 0 {
				excluded = append(excluded, n)
			}
		}
		policy := optin.Policy{Excluded: optin.NewSet(excluded...).Has}
		if rng.IntN(2) == 0 {
			policy.Listed = optin.NewSet(listed...).Has
		}
		for _, n := range universe {
			ev := optin.Evidence{Domain: n, Answered: rng.IntN(3) > 0, Feature: rng.IntN(2) > 0}
			at := start.Add(time.Duration(rng.IntN(240)-120) * time.Minute)
			verdicts[n] = optin.Decide(ev, policy, at)
		}
		verdict := func(n xep.Name) optin.Verdict { return verdicts[n] }
		counts := optin.Counts(rng.IntN(3))
		peers := randomPeers(rng, universe)
		red := optin.Redact(local, peers, verdict, start, counts)
		b, err := red.Payload()
		require.NoError(t, err)
		for _, n := range universe {
			may := verdicts[n].Named(start)
			if strings.Contains(string(b), n.String()) {
				require.True(t, may, "round %d: %s is named under %s", round, n, verdicts[n])
			}
		}

		// Exchange each unnamed peer for another unnamed one, and shuffle.
		swapped := make(map[xep.Name]xep.Name)
		other := make([]optin.Peer, len(peers))
		for i, p := range peers {
			other[i] = p
			if !p.Remote.IsZero() && !verdicts[p.Remote].Named(start) {
				if swapped[p.Remote].IsZero() {
					swapped[p.Remote] = xep.MustName(fmt.Sprintf("other%d.test", len(swapped)))
				}
				other[i].Remote = swapped[p.Remote]
				other[i].Connections = randomDirections(rng)
			}
		}
		rng.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		b2, err := optin.Redact(local, other, verdict, start, counts).Payload()
		require.NoError(t, err)
		require.Equal(t, string(b), string(b2), "round %d", round)
	}
}

func randomPeers(rng *rand.Rand, universe []xep.Name) []optin.Peer {
	peers := make([]optin.Peer, rng.IntN(40))
	for i := range peers {
		if rng.IntN(10) > 0 {
			peers[i].Remote = universe[rng.IntN(len(universe))]
		}
		peers[i].Connections = randomDirections(rng)
	}
	return peers
}

func randomDirections(rng *rand.Rand) []xep.Direction {
	var out []xep.Direction
	for range rng.IntN(4) {
		out = append(out, []xep.Direction{xep.Incoming, xep.Outgoing, xep.Bidi, "both", ""}[rng.IntN(5)])
	}
	return out
}

func BenchmarkRedact(b *testing.B) {
	peers := make([]optin.Peer, 10_000)
	verdicts := make(map[xep.Name]optin.Verdict, len(peers))
	for i := range peers {
		n := xep.MustName(fmt.Sprintf("peer-%d.example.org", i))
		peers[i] = optin.Peer{Remote: n, Connections: []xep.Direction{xep.Incoming, xep.Outgoing}}
		verdicts[n] = optin.Decide(optin.Evidence{Domain: n, Answered: true, Feature: i%2 == 0}, optin.Policy{}, start)
	}
	verdict := func(n xep.Name) optin.Verdict { return verdicts[n] }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := optin.Redact(local, peers, verdict, start, optin.CountExact).Payload(); err != nil {
			b.Fatal(err)
		}
	}
}
