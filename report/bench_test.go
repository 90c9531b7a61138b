package report

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

func remotes(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("peer-%d.example.org", i)
	}
	return all
}

// Sixteen goroutines open and close streams; an operation is one of each.
func BenchmarkConnectionsOpenClose(b *testing.B) {
	c, all := new(Connections), remotes(4096)
	b.ReportAllocs()
	b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			c.Opened("shakespeare.lit", all[i%len(all)], xep.Bidi)()
		}
	})
}

// What the registry keeps for each of 100,000 streams, the function that closes it included, the name not.
func BenchmarkConnectionsMemory(b *testing.B) {
	const streams = 100_000
	all, closers := remotes(streams), make([]func(), streams)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var kept uint64
	for b.Loop() {
		c := new(Connections)
		before := heap()
		for i, name := range all {
			closers[i] = c.Opened("shakespeare.lit", name, xep.Bidi)
		}
		kept = heap() - before
		for _, closed := range closers {
			closed()
		}
		clear(closers)
	}
	b.ReportMetric(float64(kept)/streams, "B/stream")
	b.ReportMetric(0, "ns/op")
}

// From the live connections of 10,000 peers, two streams to each, half of them named, to the bytes of the payload.
func BenchmarkCompose(b *testing.B) {
	const peers = 10_000
	conns := new(Connections)
	now := time.Now()
	consent := &optin.Checker{Now: func() time.Time { return now }}
	for i, name := range remotes(peers) {
		conns.Opened("shakespeare.lit", name, xep.Incoming)
		conns.Opened("shakespeare.lit", name, xep.Outgoing)
		consent.Record(optin.Evidence{Domain: xep.MustName(name), Answered: true, Feature: i%2 == 0})
	}
	r := &Reporter{
		Session: nowhere{}, Domain: "shakespeare.lit", Service: jid.MustParse("pubsub.shakespeare.lit"), Source: conns, Consent: consent,
	}
	_, err := r.prepare()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		groups, err := r.connections(b.Context(), false)
		require.NoError(b, err)
		payload, err := r.redact(groups, now).Payload()
		require.NoError(b, err)
		b.SetBytes(int64(len(payload)))
	}
}

// nowhere is a session that must not be used.
type nowhere struct{ Session }
