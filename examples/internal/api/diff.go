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

// event is one change. A domain or link that is gone has its name or its ends only.
type event struct {
	Kind   string `json:"kind"`
	Domain any    `json:"domain,omitempty"`
	Link   *link  `json:"link,omitempty"`
}

// goneDomain is a domain that is no longer shown. Whoever has drawn it needs its name to take it away.
type goneDomain struct {
	Name string `json:"name"`
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
	c := graph.Diff(from.Snapshot(), snap)
	out := changes{
		From: c.From, To: c.To, At: stamp(c.At), Counts: newCounts(snap.Counts()),
		Events: []event{}, Moved: make(map[string][3]decimal),
	}
	for _, e := range c.Events {
		if e.Kind != graph.Seen {
			out.Events = append(out.Events, newEvent(e, snap, places))
		}
	}
	out.move(from.Placed(), places, snap)
	return out
}

func newEvent(e graph.Event, snap *graph.Snapshot, places *layout.Layout) event {
	out := event{Kind: e.Kind.String()}
	switch e.Kind {
	case graph.Left, graph.Renounced:
		out.Domain = goneDomain{e.Domain.Name.String()}
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

// tooOld is the answer where a version is no longer known.
var tooOld = problem{Status: http.StatusGone, Detail: "that version is not remembered any more; fetch the graph anew"}

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
		return newChanges(from, s.shown(to, ed), l), nil
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
	if from.Version() > to.Version() {
		return nil, nil, badRequest("from is newer than to")
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

// shown returns an edition of the past without the names that are not shown any more.
func (s *Server) shown(old, now *edition.Edition) *edition.Edition {
	if old == now {
		return old
	}
	var gone []xep.Name
	for i := range old.Snapshot().Len() {
		if n := old.Snapshot().NameAt(i); !has(now, n) {
			gone = append(gone, n)
		}
	}
	if len(gone) == 0 {
		return old
	}
	return s.press.Past(old.Snapshot().View(graph.Exclude(gone...)))
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
