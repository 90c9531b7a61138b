// Package storetest tests adapters of package store against the contract that its documentation states.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Opener {
//			file := filepath.Join(t.TempDir(), "a.db")
//			return func(t *testing.T, now func() time.Time) store.Store { return open(t, file, now) } // closed by t.Cleanup
//		})
//	}
package storetest

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	crawltest "github.com/xmppgraph/xmppgraph/crawl/storetest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Opener opens a store with a clock. All stores that one opener opens hold the same data, as after a restart.
type Opener func(t *testing.T, now func() time.Time) store.Store

// Run runs the contract's tests. New returns an opener of a store that is empty at first.
func Run(t *testing.T, new func(t *testing.T) Opener) {
	t.Run("crawler", func(t *testing.T) {
		crawltest.Run(t, func(t *testing.T) crawltest.Opener {
			open := new(t)
			return func(t *testing.T) crawl.Store { return open(t, time.Now) }
		})
	})
	for name, test := range map[string]func(*testing.T, *bed){
		"reports/any bytes":                         anyBytes,
		"reports/unchanged":                         unchanged,
		"public/live":                               live,
		"public/standing":                           standing,
		"public/a verdict ends":                     verdictEnds,
		"public/no name without a verdict":          nobody,
		"history/nothing":                           nothing,
		"history/intervals":                         intervals,
		"history/a gap":                             gap,
		"history/restart":                           restart,
		"history/moments":                           moments,
		"history/a moment as a graph":               momentGraph,
		"history/states":                            states,
		"history/cost":                              quiet,
		"history/series":                            series,
		"history/an older snapshot":                 older,
		"history/names without a verdict":           unknown,
		"history/in pieces":                         inPieces,
		"history/a purge between pieces":            purgeBetweenPieces,
		"history/a sweep of half an observation":    sweepOfHalf,
		"sweep/consent withdrawn":                   withdrawn,
		"sweep/verdict lapsed":                      lapsed,
		"sweep/excluded":                            sweptExclusion,
		"sweep/age":                                 retention,
		"purge/everything":                          purge,
		"purge/who is not known":                    purgeUnknown,
		"purge/names that contain others":           purgeParts,
		"keeper/exclusions":                         exclusions,
		"keeper/documents":                          documents,
		"copier/a whole copy":                       copies,
		"visits/the last one":                       visits,
		"visits/of those that may not be named":     visitsOfOthers,
		"visits/go with the name":                   visitsGo,
		"visits/are bounded":                        visitsAreBounded,
		"general/ended contexts change nothing":     contexts,
		"general/a closed store":                    closed,
		"general/everything at once":                together,
		"general/a reader does not stop the writer": readerAndWriter,
	} {
		t.Run(name, func(t *testing.T) { test(t, newBed(t, new)) })
	}
}

// bed is a store with a clock that tests can set.
type bed struct {
	store.Store
	t    *testing.T
	open Opener
	// fresh returns an opener of another store, which is empty.
	fresh func(t *testing.T) Opener
	us    atomic.Int64
}

func newBed(t *testing.T, fresh func(t *testing.T) Opener) *bed {
	b := &bed{t: t, open: fresh(t), fresh: fresh}
	b.set(start)
	b.Store = b.open(t, b.now)
	return b
}

// start is a whole second, because snapshots know no less.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is some minutes after the start.
func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func (b *bed) now() time.Time      { return time.UnixMicro(b.us.Load()).UTC() }
func (b *bed) set(t time.Time)     { b.us.Store(t.UnixMicro()) }
func (b *bed) reopen() store.Store { return b.open(b.t, b.now) }

func (b *bed) another(t *testing.T) store.Store { return b.fresh(t)(t, b.now) }

func (b *bed) save(records ...crawl.Record) {
	b.t.Helper()
	require.NoError(b.t, b.Save(b.t.Context(), crawl.Batch{Records: records}))
}

func (b *bed) load() map[string]crawl.Record {
	b.t.Helper()
	all := make(map[string]crawl.Record)
	for rec, err := range b.Load(b.t.Context()) {
		require.NoError(b.t, err)
		all[rec.Domain.String()] = rec
	}
	return all
}

// named is a record of a domain that may be named until a time, and reports peers.
func named(domain string, until time.Time, peers ...string) crawl.Record {
	rec := unnamed(domain)
	rec.Advertised, rec.Until, rec.Reported, rec.Hash = true, until, start, [32]byte{1}
	rec.Node = xep.NodeURI{Service: jid.MustParse("pubsub." + domain), Node: xep.DefaultNode}
	rec.Report = &graph.Report{Domain: rec.Domain, At: start, Until: until, Unnamed: 2, Software: "Prosody"}
	for _, p := range peers {
		rec.Report.Peers = append(rec.Report.Peers, graph.Peer{Name: xep.MustName(p), Directions: graph.Out})
	}
	return rec
}

// unnamed is a record of a domain that may not be named.
func unnamed(domain string) crawl.Record {
	return crawl.Record{Domain: xep.MustName(domain), Added: start, Answered: start, Mentioned: start, Due: start}
}

// snapshot is a network at a time, in which domains report links: "a.test b.test c.test +7" says that a.test is linked to the others,
// and to seven more without names.
func snapshot(at time.Time, reports ...string) *graph.Snapshot {
	g := graph.New(graph.Options{Now: func() time.Time { return at }})
	for _, r := range reports {
		f := strings.Fields(r)
		rep := graph.Report{Domain: xep.MustName(f[0]), At: at, Until: at.Add(time.Hour)}
		for _, p := range f[1:] {
			if n, err := strconv.Atoi(p); err == nil {
				rep.Unnamed = n
				continue
			}
			rep.Peers = append(rep.Peers, graph.Peer{Name: xep.MustName(p), Until: at.Add(time.Hour)})
		}
		g.Apply(rep)
	}
	return g.Snapshot()
}

// observe sets the clock and observes.
func (b *bed) observe(minutes int, reports ...string) {
	b.t.Helper()
	b.set(at(minutes))
	require.NoError(b.t, b.Observe(b.t.Context(), snapshot(at(minutes), reports...)))
}

func names(all ...string) (out []xep.Name) {
	for _, s := range all {
		out = append(out, xep.MustName(s))
	}
	return out
}
