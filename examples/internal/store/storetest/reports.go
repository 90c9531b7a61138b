package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// unchanged tells a report by the hash of its payload.
func unchanged(t *testing.T, b *bed) {
	b.save(named("a.test", at(60), "b.test"))
	other := named("a.test", at(90))
	other.Reported = at(30)
	b.save(other)
	got := b.load()["a.test"]
	require.Equal(t, at(30), got.Reported)
	require.Equal(t, at(90), got.Until)
	require.Equal(t, []graph.Peer{{Name: xep.MustName("b.test"), Directions: graph.Out}}, got.Report.Peers, "the same hash is the same report")
	other.Hash = [32]byte{9}
	b.save(other)
	require.Empty(t, b.load()["a.test"].Report.Peers)

	none := named("none.test", at(60), "b.test")
	none.Hash = [32]byte{}
	b.save(none)
	none.Report = &graph.Report{Domain: none.Domain, At: at(1)}
	b.save(none)
	require.Empty(t, b.load()["none.test"].Report.Peers, "no hash tells nothing")
}

// anyBytes are in what strangers say about themselves, and must not make a batch fail for ever.
func anyBytes(t *testing.T, b *bed) {
	rec := named("a.test", at(60))
	rec.Node.Node = "\x00 \xff \u0001"
	rec.Report.Software, rec.Report.Version = "\x00\xff", "\x80"
	rec.Failures = 1 << 40
	b.save(rec)
	require.Equal(t, rec, b.load()["a.test"])
}
