package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// detail is all that is shown of one domain.
type detail struct {
	Version uint64 `json:"version"`
	At      stamp  `json:"at"`
	domain
	Neighbours []neighbour `json:"neighbours"`
	Verdict    verdict     `json:"verdict"`
	Seen       []interval  `json:"seen,omitempty"`
	Trace      *trace      `json:"trace,omitempty"`
}

type neighbour struct {
	Name       string     `json:"name"`
	Label      string     `json:"label,omitempty"`
	State      string     `json:"state"`
	Claimed    string     `json:"claimed"`
	Directions directions `json:"directions"`
	First      *stamp     `json:"first,omitempty"`
	Last       *stamp     `json:"last,omitempty"`
}

// directions are those of connections as each end sees them.
type directions struct {
	Self  []string `json:"self"`
	Other []string `json:"other"`
}

type verdict struct {
	Named  bool   `json:"named"`
	Reason string `json:"reason,omitempty"`
	Until  *stamp `json:"until,omitempty"`
}

type interval struct {
	First stamp `json:"first"`
	Last  stamp `json:"last"`
	Open  bool  `json:"open"`
}

// unknownDomain is the answer for whatever has no live verdict, so that nobody can tell the unknown from the unwilling.
var unknownDomain = problem{Status: http.StatusNotFound, Detail: "no domain of that name is shown"}

func (s *Server) serveDomain(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	name, err := xep.ParseName(r.PathValue("name"))
	if err != nil {
		unknownDomain.write(w, r)
		return
	}
	ed := s.press.Current()
	i, ok := ed.Snapshot().Index(name)
	if !ok {
		unknownDomain.write(w, r)
		return
	}
	d, err := s.detail(r, ed, i)
	if err != nil {
		fail(w, r, err)
		return
	}
	send(w, r, d)
}

func (s *Server) detail(r *http.Request, ed *edition.Edition, i int) (*detail, error) {
	snap := ed.Snapshot()
	d := &detail{Version: snap.Version(), At: stamp(snap.At()), domain: newDomain(snap, i), Neighbours: []neighbour{}}
	name := snap.NameAt(i)
	if l, err := ed.Layout(r.Context()); err == nil {
		d.place(l, name)
	}
	for l := range snap.LinksAt(i) {
		d.Neighbours = append(d.Neighbours, newNeighbour(l, name))
	}
	d.Verdict = verdict{Named: true, Until: d.Until}
	if d.Trace = s.trace(r.Context(), name); d.Trace != nil {
		d.Verdict.Reason = d.Trace.reason()
	}
	if s.o.History == nil {
		return d, nil
	}
	past, err := s.o.History.Past(r.Context(), name)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnavailable) {
		return nil, err
	}
	if past != nil {
		for _, in := range past.Seen {
			d.Seen = append(d.Seen, interval{stamp(in.First), stamp(in.Last), in.Open})
		}
	}
	return d, nil
}

func newNeighbour(l graph.Link, of xep.Name) neighbour {
	other, self, theirs := l.B, l.ByA, l.ByB
	if other == of {
		other, self, theirs = l.A, l.ByB, l.ByA
	}
	n := neighbour{
		Name: other.String(), Label: label(other), State: l.State.String(), Claimed: "other",
		Directions: directions{directionsOf(self), directionsOf(theirs)},
		First:      stampOf(l.First), Last: stampOf(l.Last),
	}
	switch {
	case self.Made() && theirs.Made():
		n.Claimed = "both"
	case self.Made():
		n.Claimed = "self"
	}
	return n
}

func directionsOf(c graph.Claim) []string {
	if !c.Made() || c.Directions == 0 {
		return []string{}
	}
	return strings.Split(c.Directions.String(), ",")
}
