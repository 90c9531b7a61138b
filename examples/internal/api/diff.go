package api

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// changes are what turns one version into another.
type changes struct {
	From   uint64                `json:"from"`
	To     uint64                `json:"to"`
	At     stamp                 `json:"at"`
	Counts counts                `json:"counts"`
	Events []event               `json:"events"`
	Moved  map[string][3]decimal `json:"moved"`
}

// event is one change. A link that is gone has its ends only.
type event struct {
	Kind   string  `json:"kind"`
	Domain *domain `json:"domain,omitempty"`
	// Index stands for a domain that is gone, and must not be named any more: its place among the names of the version that the changes begin at.
	// It tells nothing to those who don't have that version, in which it was named.
	Index *int  `json:"index,omitempty"`
	Link  *link `json:"link,omitempty"`
}

type link struct {
	A     string `json:"a"`
	B     string `json:"b"`
	State string `json:"state,omitempty"`
}

// movement is the distance from which on a domain has moved.
const movement = 0.05

// newChanges compares two editions.
func newChanges(from, to *edition.Edition, places *layout.Layout) changes {
	snap := to.Snapshot()
	before := from.Snapshot()
	c := graph.Diff(before, snap)
	out := changes{
		From: c.From, To: c.To, At: stamp(c.At), Counts: newCounts(snap.Counts()),
		Events: []event{}, Moved: make(map[string][3]decimal),
	}
	for _, e := range c.Events {
		if e.Kind != graph.Seen {
			out.Events = append(out.Events, newEvent(e, before, snap, places))
		}
	}
	out.move(from.Placed(), places, snap)
	return out
}

func newEvent(e graph.Event, before, snap *graph.Snapshot, places *layout.Layout) event {
	out := event{Kind: e.Kind.String()}
	switch e.Kind {
	case graph.Left, graph.Renounced:
		i, _ := before.Index(e.Domain.Name)
		out.Index = &i
	case graph.Joined, graph.Changed:
		d := describe(e.Domain)
		if i, ok := snap.Index(e.Domain.Name); ok {
			d = newDomain(snap, i)
		}
		d.place(places, e.Domain.Name)
		out.Domain = &d
	case graph.Faded, graph.Unlinked:
		out.Link = &link{A: e.Link.A.String(), B: e.Link.B.String()}
	default:
		out.Link = &link{e.Link.A.String(), e.Link.B.String(), e.Link.State.String()}
	}
	return out
}

// move lists the domains that are elsewhere than before.
func (c *changes) move(before, after *layout.Layout, snap *graph.Snapshot) {
	if after == nil {
		return
	}
	for i := range snap.Len() {
		name := snap.NameAt(i)
		x, y, r := after.Place(i)
		if before != nil {
			x0, y0, r0, ok := before.Find(name)
			if !ok || math.Abs(x-x0) < movement && math.Abs(y-y0) < movement && math.Abs(r-r0) < movement {
				continue
			}
		}
		c.Moved[name.String()] = [3]decimal{decimal(x), decimal(y), decimal(r)}
	}
}

// Answers where a version can't be had.
var (
	tooOld = problem{Status: http.StatusGone, Detail: "that version is not remembered any more; fetch the graph anew"}
	// withdrawn is not told apart by who asks: a client that has the version finds out whose name it is.
	withdrawn = problem{Status: http.StatusGone, Detail: "that version has names that are not shown any more; leave out to"}
)

func (s *Server) serveDiff(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	q, err := query(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	ed := s.press.Current()
	from, to, err := s.versions(q, ed)
	if err != nil {
		fail(w, r, err)
		return
	}
	// There are no more of these than versions are remembered.
	key := "diff-" + strconv.FormatUint(from.Version(), 10) + "-" + strconv.FormatUint(to.Version(), 10)
	s.sendJSON(w, r, ed, key, to == ed, func() (any, error) {
		l, err := to.Layout(r.Context())
		if err != nil {
			return nil, err
		}
		return newChanges(from, to, l), nil
	})
}

// versions returns the editions that a request names. The newer one is the present one where it names none.
func (s *Server) versions(q url.Values, ed *edition.Edition) (from, to *edition.Edition, err error) {
	if from, err = s.version(q, "from"); err != nil {
		return nil, nil, err
	}
	if to = ed; q.Get("to") != "" {
		if to, err = s.version(q, "to"); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case from.Version() > to.Version():
		return nil, nil, badRequest("from is newer than to")
	case !stillShown(to, ed):
		return nil, nil, withdrawn
	}
	return from, to, nil
}

func (s *Server) version(q url.Values, name string) (*edition.Edition, error) {
	v, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil {
		return nil, badRequest(name + " is not a version of the graph")
	}
	ed, ok := s.press.Version(v)
	if !ok {
		return nil, tooOld
	}
	return ed, nil
}

// stillShown reports whether all names of an older edition are still shown.
// Nothing can lead to it otherwise: not with the names, and without them the places of all others among the names would differ.
func stillShown(old, now *edition.Edition) bool {
	if old == now {
		return true
	}
	for i := range old.Snapshot().Len() {
		if !has(now, old.Snapshot().NameAt(i)) {
			return false
		}
	}
	return true
}

func has(ed *edition.Edition, n xep.Name) bool {
	_, ok := ed.Snapshot().Index(n)
	return ok
}

// encodeChanges returns changes as JSON on one line.
func encodeChanges(c changes) []byte {
	// Names, numbers and texts of ours always encode.
	b, _ := json.Marshal(c)
	return b
}
