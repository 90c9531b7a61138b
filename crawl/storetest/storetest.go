// Package storetest tests implementations of [crawl.Store] against the contract that its documentation states.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Opener {
//			file := filepath.Join(t.TempDir(), "crawl.db")
//			return func(t *testing.T) crawl.Store { return open(t, file) } // closed by t.Cleanup
//		})
//	}
package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Opener opens a store. All stores that one opener opens hold the same data, as after a restart.
type Opener func(t *testing.T) crawl.Store

// Run runs the contract's tests. New returns an opener of a store that is empty at first.
func Run(t *testing.T, new func(t *testing.T) Opener) {
	tests := map[string]func(*testing.T, Opener){
		"an empty store":              empty,
		"everything comes back":       roundTrip,
		"a record replaces another":   replace,
		"a report stays until told":   reports,
		"gone is removed first":       gone,
		"nothing of a batch is taken": aliasing,
		"ended contexts":              contexts,
		"a loop that breaks":          breaking,
		"many records":                many,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, new(t)) })
	}
}

// at is a time as records have it; a store may lose what is below a microsecond.
func at(minutes int) time.Time {
	return time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// full is a record that has everything.
func full(domain string) crawl.Record {
	name := xep.MustName(domain)
	users := uint64(math.MaxUint32 + 1)
	return crawl.Record{
		Domain: name, Due: at(30), Added: at(1), Answered: at(2), Mentioned: at(3), Failures: 4, GivenUp: true,
		Advertised: true, Until: at(60), Default: true, Subscribed: true,
		Node:     xep.NodeURI{Service: jid.MustParse("pubsub." + domain), Node: "serverinfo/a&b?;<'\"> ü"},
		Reported: at(4), Hash: [32]byte{1, 31: 255},
		Report: &graph.Report{
			Domain: name, At: at(4), Until: at(60), Unnamed: 7, Software: "Prosody <'\">", Version: "0.12 ü", Users: &users,
			Peers: []graph.Peer{
				{Name: xep.MustName("peer.example"), Until: at(50), Directions: graph.In | graph.Bidi},
				{Name: xep.MustName("bücher.example")},
			},
		},
	}
}

func load(t *testing.T, s crawl.Store) (all []crawl.Record) {
	t.Helper()
	for rec, err := range s.Load(t.Context()) {
		require.NoError(t, err)
		all = append(all, rec)
	}
	slices.SortFunc(all, func(a, b crawl.Record) int { return a.Domain.Compare(b.Domain) })
	return all
}

func save(t *testing.T, s crawl.Store, records ...crawl.Record) {
	t.Helper()
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: records}))
}

// equal compares records, and times as moments whatever their location.
func equal(t *testing.T, want, got []crawl.Record) {
	t.Helper()
	require.Equal(t, lines(want), lines(got))
}

func lines(all []crawl.Record) (out []string) {
	for _, r := range all {
		var b strings.Builder
		moment := func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return t.UTC().Format(time.RFC3339Nano)
		}
		for _, t := range []time.Time{r.Due, r.Added, r.Answered, r.Mentioned, r.Until, r.Reported} {
			b.WriteString(" " + moment(t))
		}
		fmt.Fprintf(&b, " %d %t %t %t %t %q %x", r.Failures, r.GivenUp, r.Advertised, r.Default, r.Subscribed, r.Node.Service.String()+" "+r.Node.Node, r.Hash)
		if p := r.Report; p != nil {
			users := "unknown"
			if p.Users != nil {
				users = fmt.Sprint(*p.Users)
			}
			fmt.Fprintf(&b, "\n%s %s %s %d %q %q %s", p.Domain, moment(p.At), moment(p.Until), p.Unnamed, p.Software, p.Version, users)
			for _, peer := range p.Peers {
				fmt.Fprintf(&b, "\n%s %s %s", peer.Name, moment(peer.Until), peer.Directions)
			}
		}
		out = append(out, r.Domain.String()+b.String())
	}
	return out
}

func empty(t *testing.T, open Opener) {
	require.Empty(t, load(t, open(t)))
	require.NoError(t, open(t).Save(t.Context(), crawl.Batch{}))
	require.NoError(t, open(t).Save(t.Context(), crawl.Batch{Gone: []xep.Name{xep.MustName("nobody.example")}}))
	require.Empty(t, load(t, open(t)))
}

func roundTrip(t *testing.T, open Opener) {
	bare := crawl.Record{Domain: xep.MustName("bare.example"), Due: at(0), Added: at(0)}
	plain := full("plain.example")
	plain.Report = &graph.Report{Domain: plain.Domain, At: at(4)}
	want := []crawl.Record{bare, full("full.example"), plain}
	s := open(t)
	save(t, s, want...)
	equal(t, want, load(t, s))
	equal(t, want, load(t, open(t)))
}

func replace(t *testing.T, open Opener) {
	s := open(t)
	save(t, s, full("a.example"), full("b.example"))
	other := crawl.Record{Domain: xep.MustName("a.example"), Due: at(90), Added: at(1), Failures: 1}
	save(t, s, other)
	equal(t, []crawl.Record{other, full("b.example")}, load(t, open(t)))
}

func reports(t *testing.T, open Opener) {
	s := open(t)
	save(t, s, full("a.example"))
	again := full("a.example")
	again.Reported, again.Report = at(34), nil
	save(t, s, again)
	want := full("a.example")
	want.Reported = at(34)
	equal(t, []crawl.Record{want}, load(t, s))

	none := again
	none.Reported, none.Hash = time.Time{}, [32]byte{}
	save(t, s, none)
	equal(t, []crawl.Record{none}, load(t, open(t)))

	// The dropped report must not come back.
	save(t, s, again)
	equal(t, []crawl.Record{again}, load(t, open(t)))
}

func gone(t *testing.T, open Opener) {
	s := open(t)
	save(t, s, full("a.example"), full("b.example"))
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Gone: []xep.Name{xep.MustName("a.example"), xep.MustName("nobody.example")}}))
	equal(t, []crawl.Record{full("b.example")}, load(t, open(t)))

	// Who returns begins anew, without the report of before.
	back := full("a.example")
	back.Report = nil
	save(t, s, back)
	equal(t, []crawl.Record{back, full("b.example")}, load(t, open(t)))
}

func aliasing(t *testing.T, open Opener) {
	s := open(t)
	mine := full("a.example")
	save(t, s, mine)
	mine.Report.Unnamed, mine.Report.Peers[0].Directions, *mine.Report.Users = 99, 0, 99
	got := load(t, s)
	equal(t, []crawl.Record{full("a.example")}, got)
	got[0].Report.Peers[0].Directions = 0
	equal(t, []crawl.Record{full("a.example")}, load(t, s))
}

func contexts(t *testing.T, open Opener) {
	s := open(t)
	save(t, s, full("a.example"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, s.Save(ended, crawl.Batch{Records: []crawl.Record{full("b.example")}, Gone: []xep.Name{xep.MustName("a.example")}}))
	equal(t, []crawl.Record{full("a.example")}, load(t, s))
	failed := false
	for _, err := range s.Load(ended) {
		require.False(t, failed, "nothing follows an error")
		failed = err != nil
	}
	require.True(t, failed)
}

func breaking(t *testing.T, open Opener) {
	s := open(t)
	save(t, s, full("a.example"), full("b.example"))
	for range s.Load(t.Context()) {
		break
	}
	// Whatever the loop held on to is free again.
	save(t, s, full("c.example"))
	require.Len(t, load(t, s), 3)
}

func many(t *testing.T, open Opener) {
	const n = 2500
	s := open(t)
	var all []crawl.Record
	for i := range n {
		all = append(all, full(fmt.Sprintf("d%04d.example", i)))
	}
	save(t, s, all...)
	all[17].Failures = 17
	save(t, s, all[17])
	equal(t, all, load(t, open(t)))
}
