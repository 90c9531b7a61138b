package storetest

import (
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// The network that benchmarks load: the real one had 112 named domains, of which 45 reported, with 33 named peers each on average.
const realNamed, realSeed = 112, 485

// Network yields what a crawler has stored of a network with that many reports, in batches of 500.
//
// It is as many networks of the real shape as it takes, whose links lead from one to any other: a report has as many peers as in
// the real network, a few have most of them, and for each domain that reports there are one and a half that don't.
// All may be named until the end of a verdict.
func Network(reports int, at, until time.Time) iter.Seq[crawl.Batch] {
	const size = 500
	one := testserver.Network(realSeed, realNamed)
	place := make(map[string]int, len(one.Domains))
	reporting := 0
	for i, m := range one.Domains {
		place[m.Name] = i
		if len(m.Peers) > 0 {
			reporting++
		}
	}
	copies := (reports + reporting - 1) / reporting
	rng := rand.New(rand.NewPCG(realSeed, uint64(reports)))
	name := func(i, n int) xep.Name {
		first, rest, _ := strings.Cut(one.Domains[i].Name, ".")
		return xep.MustName(first + strconv.Itoa(n) + "." + rest)
	}
	return func(yield func(crawl.Batch) bool) {
		var b crawl.Batch
		for n := range copies {
			for i, m := range one.Domains {
				rec := crawl.Record{
					Domain: name(i, n), Due: at, Added: at, Answered: at, Mentioned: at, Advertised: true, Until: until,
				}
				rec.Node = xep.NodeURI{Service: jid.MustParse("pubsub." + rec.Domain.String()), Node: xep.DefaultNode}
				if reports > 0 && len(m.Peers) > 0 {
					reports--
					rec.Reported, rec.Hash = at, [32]byte{1, byte(i), byte(n), byte(n >> 8)}
					rec.Report = &graph.Report{Domain: rec.Domain, At: at, Until: until, Unnamed: m.Unnamed, Software: "Prosody", Version: "13.0.2"}
					for _, p := range m.Peers {
						peer := graph.Peer{Name: name(place[p.Name], rng.IntN(copies)), Directions: graph.Directions(p.Directions)}
						rec.Report.Peers = append(rec.Report.Peers, peer)
					}
				}
				if b.Records = append(b.Records, rec); len(b.Records) == size {
					if !yield(b) {
						return
					}
					b.Records = nil
				}
			}
		}
		if len(b.Records) > 0 {
			yield(b)
		}
	}
}
