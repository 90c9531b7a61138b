package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Errors of every adapter, to be found by errors.Is.
var (
	// ErrNotFound says that there is no such thing, or nothing that may be shown: the two can't be told apart.
	ErrNotFound = errors.New("store: not found")
	// ErrFull says that there is no space left for the change. Reading goes on, and so does writing once there is space again.
	ErrFull = errors.New("store: no space left")
	// ErrUnavailable says that the database can't be reached at present, or is kept busy by somebody else.
	ErrUnavailable = errors.New("store: database unavailable")
	// ErrFile is the ErrUnavailable of a database that is a file: who may use it is a matter of this machine.
	ErrFile = fmt.Errorf("%w: its file can't be used", ErrUnavailable)
)

// VersionError says that a database was written by a newer version of the program, which this one would damage.
type VersionError struct {
	// Database and Program are the versions of the schema that the database has and that the program knows.
	Database, Program int
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("store: the database has schema version %d and this program knows those up to %d: use a newer program", e.Database, e.Program)
}

// Store is a database. Ask for the part that you need.
//
// Its methods may be called from any number of goroutines, and return early when their context ends.
type Store interface {
	crawl.Store
	Public
	Keeper
	Visits
	Copier
	// Standing calls f for each domain that may be named, in any order, to fill a graph with before anything else is known.
	// It stops at the first error, and returns it.
	// Reports come as those of a [Followed] database do.
	Standing(ctx context.Context, f func(Change) error) error
	// Close ends the use of the database. It waits for calls that are under way, and may interrupt them.
	Close() error
}

// Visits keeps how the last visit of each domain went, for processes that did not make it, and for the time after a restart.
//
// It is as private as a [crawl.Store]: show what it says of a domain only to whoever may see the domain, or who had it visited.
type Visits interface {
	// Note keeps how visits went, each in place of an older one, all or nothing.
	// It leaves out domains that are not known, are excluded, or have no live verdict and were not called for lately.
	Note(ctx context.Context, all ...Visit) error
	// Visited returns how the last visit of a domain went, or ErrNotFound. One that is excluded was never visited.
	Visited(ctx context.Context, name xep.Name) (Visit, error)
}

// CalledLately is how long what is known of the visit of a domain that may not be named is kept for whoever had it visited.
// A sweep removes it after that.
const CalledLately = 10 * time.Minute

// Visit is how a visit went, in words for people.
type Visit struct {
	// Domain is who was visited.
	Domain xep.Name `json:"-"`
	// At is when the visit ended, and Outcome how.
	At      time.Time `json:"-"`
	Outcome string    `json:"outcome"`
	// Steps are its steps, in their order. Of a visit of which too much was said those at the end are missing.
	Steps []Step `json:"steps"`
}

// Step is a step of a visit, see package pubsub, with what to change if it failed.
type Step struct {
	Name   string        `json:"step"`
	Status string        `json:"status"`
	Asked  string        `json:"asked"`
	Got    string        `json:"got,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
	Fix    string        `json:"fix,omitempty"`
}

// Public is what anybody may see.
type Public interface {
	// Live yields the report that stands of each domain that may be named, in any order, to fill a graph with.
	// Peers without a live verdict are counted as unnamed in it.
	// After an error it yields nothing more.
	Live(ctx context.Context) iter.Seq2[graph.Report, error]
	// Moment returns the network as it was observed at a time, or last before it, without the names that may not be shown any more.
	// The error is ErrNotFound where nothing was observed until then.
	Moment(ctx context.Context, at time.Time) (*Moment, error)
	// Past returns when a domain was seen. The error is ErrNotFound for a domain that may not be named.
	Past(ctx context.Context, name xep.Name) (*Past, error)
	// Series returns the counts of observations from one time to another, both included, by rising time.
	// Where there are more than max it divides the time into max parts and returns the last of each.
	Series(ctx context.Context, from, to time.Time, max int) ([]Count, error)
}

// Keeper is what the operator's side does.
type Keeper interface {
	// Observe notes who and what is in a snapshot, as seen at its time.
	// Names without a live verdict in the database, or excluded there, count but leave no other trace.
	// A snapshot that is not newer than the last one observed changes nothing.
	Observe(ctx context.Context, s *graph.Snapshot) error
	// Sweep removes from history what may not or need not be kept.
	Sweep(ctx context.Context, r Retention) (Swept, error)
	// Purge removes all that is known of a domain: what it reported, its history, and its name from the reports of others,
	// which count it as unnamed instead. An exclusion stays; without one the name may come back with the next report.
	Purge(ctx context.Context, name xep.Name) (Purged, error)

	// Exclude puts domains on the exclusion list, or changes what it says about them.
	Exclude(ctx context.Context, all ...Exclusion) error
	// Readmit takes domains off the exclusion list.
	Readmit(ctx context.Context, names ...xep.Name) error
	// Exclusions returns the exclusion list in the order of names. It is for the operator's eyes.
	Exclusions(ctx context.Context) ([]Exclusion, error)

	// Cached returns a document by its key, or ErrNotFound.
	Cached(ctx context.Context, key string) (Cached, error)
	// Cache keeps a document, in place of an older one with that key.
	Cache(ctx context.Context, c Cached) error
}

// Exclusion is a domain that must be neither shown nor asked.
type Exclusion struct {
	// Domain is the domain.
	Domain xep.Name
	// Since is when it was excluded.
	Since time.Time
	// Reason is the operator's note, or who asked for it.
	Reason string
}

// Cached is a document from elsewhere, such as a list of public providers, kept so that a restart needs no network.
type Cached struct {
	// Key tells documents apart.
	Key string
	// ETag is the entity tag that came with it (RFC 9110 §8.8.3), empty if none did.
	ETag string
	// Fetched is when it was last known to be current.
	Fetched time.Time
	// Body is the document.
	Body []byte
}

// Retention says what a sweep keeps.
type Retention struct {
	// Lapsed is how long the name of a domain whose verdict has ended stays in the database, unseen,
	// so that its history goes on if it turns out that it had only been out of reach. Zero or less is not at all.
	// The name of a domain that has withdrawn its consent, or is excluded, does not stay.
	Lapsed time.Duration
	// History is how long anything at all stays, zero or less for ever.
	History time.Duration
}

// Swept is what a sweep removed.
type Swept struct {
	// Names is the number of domains whose history was removed because they may not be named.
	// Accounts of visits go with it, and are not counted.
	Names int
	// Intervals is the number of intervals, and Counts that of observations, that were removed with them or for their age.
	Intervals, Counts int
}

// Purged is what a purge removed.
type Purged struct {
	// Known is whether the domain itself was known.
	Known bool
	// Reports is the number of other domains' reports that named it.
	Reports int
}
