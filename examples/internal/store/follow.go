package store

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Followed is a database that tells other processes what its crawlers find.
//
// It is as private as a [crawl.Store]: reports come with the names of peers that may not be named, for a [graph.Graph] that shows none of them.
type Followed interface {
	// Changes calls f for what has changed since a mark, in any order, and returns the mark to go on from.
	// The zero Mark stands for the beginning: f is then called for each domain that may be named.
	// Changes may come twice. A mark that is older than [MaxAbsence] may miss that a domain went.
	Changes(ctx context.Context, since Mark, f func(Change) error) (Mark, error)
	// Listen calls f whenever something may have changed, and now and then without a reason, until ctx ends.
	// It connects again by itself, and calls f once it has.
	Listen(ctx context.Context, f func())
}

// MaxAbsence is how long a domain that went can be told of.
const MaxAbsence = 12 * time.Hour

// Mark is how far a process has followed. Only the database that it came from knows what it means.
type Mark string

// Change is how a domain stands now.
type Change struct {
	// ID stands for the domain for as long as the database has it.
	ID int64
	// Domain is its name, zero where the domain went.
	Domain xep.Name
	// Until is the end of its verdict, zero if it may not be named or is excluded.
	Until time.Time
	// Report is the report that stands, with no verdicts on peers, nil if there is none. It lasts until whoever is told of it returns.
	Report *graph.Report
}

// Fill takes all that stands in a database into an empty graph, but for domains that exclude tells of; nil means none.
func Fill(ctx context.Context, db Store, g *graph.Graph, exclude func(xep.Name) bool) error {
	defer CollectLess()()
	return db.Standing(ctx, func(c Change) error {
		if exclude != nil && exclude(c.Domain) {
			return nil
		}
		if c.Report != nil {
			// It has the verdict of its domain.
			g.Apply(*c.Report)
		} else {
			g.Consent(c.Domain, c.Until)
		}
		if exclude != nil && exclude(c.Domain) {
			// It has been excluded meanwhile, and whoever saw to that may have been here before.
			g.Forget(c.Domain)
		}
		return nil
	})
}

// fillPercent is that of debug.SetGCPercent while a graph is being filled, and costs a third more memory until it is.
const fillPercent = 200

// CollectLess has the garbage collector called half as often until the returned function is called, which belongs to the same goroutine:
// nearly all that a start reads stays, so that there is little to find. An operator who wants it more seldom still gets that.
func CollectLess() (end func()) {
	before := debug.SetGCPercent(fillPercent)
	if before < 0 || before > fillPercent {
		debug.SetGCPercent(before)
	}
	return func() { debug.SetGCPercent(before) }
}
