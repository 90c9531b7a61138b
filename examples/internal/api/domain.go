package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/layout"
	"github.com/xmppgraph/xmppgraph/xep"
)

// domain is a domain as it is written.
type domain struct {
	Name            string   `json:"name"`
	Label           string   `json:"label,omitempty"`
	Reporting       bool     `json:"reporting"`
	Software        string   `json:"software,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
	Users           *uint64  `json:"users,omitempty"`
	First           *stamp   `json:"first,omitempty"`
	Last            *stamp   `json:"last,omitempty"`
	Reported        *stamp   `json:"reported,omitempty"`
	Until           *stamp   `json:"until,omitempty"`
	Unnamed         int      `json:"unnamed"`
	Links           int      `json:"links"`
	Mutual          int      `json:"mutual"`
	X               *decimal `json:"x,omitempty"`
	Y               *decimal `json:"y,omitempty"`
	R               *decimal `json:"r,omitempty"`
}

// stamp is a time in whole seconds (RFC 3339).
type stamp time.Time

// MarshalText implements encoding.TextMarshaler.
func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, time.RFC3339), nil
}

// stampOf returns nil for what never was.
func stampOf(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

// decimal is a coordinate, of which a tenth is as much as a picture shows.
type decimal float64

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(d), 'f', 1, 64)
	return []byte(strings.TrimSuffix(string(b), ".0")), nil
}

// label returns what people read, empty where it is the name.
func label(n xep.Name) string {
	if u := n.Unicode(); u != n.String() {
		return u
	}
	return ""
}

// newDomain describes the domain at an index.
func newDomain(s *graph.Snapshot, i int) domain {
	d := describe(s.DomainAt(i))
	for l := range s.LinksAt(i) {
		if l.State == graph.StateMutual {
			d.Mutual++
		}
	}
	return d
}

func describe(g graph.Domain) domain {
	return domain{
		Name: g.Name.String(), Label: label(g.Name), Reporting: g.Reporting,
		Software: g.Software, SoftwareVersion: g.Version, Users: g.Users,
		First: stampOf(g.First), Last: stampOf(g.Last), Reported: stampOf(g.Reported), Until: stampOf(g.Until),
		Unnamed: g.Unnamed, Links: g.Degree,
	}
}

// place adds where the domain is drawn.
func (d *domain) place(l *layout.Layout, name xep.Name) {
	if l == nil {
		return
	}
	if x, y, r, ok := l.Find(name); ok {
		dx, dy, dr := decimal(x), decimal(y), decimal(r)
		d.X, d.Y, d.R = &dx, &dy, &dr
	}
}

const (
	defaultRows = 50
	maxRows     = 200
	// maxSearch bounds what is searched for; a name is not longer.
	maxSearch = 253
)

// order is a way to sort domains: by falling or rising value, and by name among equals.
type order struct {
	sort string
	desc bool
}

func (o order) String() string {
	if o.desc {
		return o.sort + "-desc"
	}
	return o.sort
}

// value is what is sorted by.
func (o order) value(s *graph.Snapshot, i int) int64 {
	switch o.sort {
	case "links":
		return int64(len(s.Neighbors(i)))
	case "unnamed":
		return int64(s.UnnamedAt(i))
	case "reported":
		return seconds(s.DomainAt(i).Reported)
	case "first":
		return seconds(s.DomainAt(i).First)
	}
	return 0
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// position is a place in an order, which stays meaningful when domains come and go.
type position struct {
	value int64
	name  xep.Name
}

// compare orders positions. The name, being unique, makes the order total.
func (o order) compare(a, b position) int {
	byValue := cmp.Compare(a.value, b.value)
	byName := a.name.Compare(b.name)
	if !o.desc {
		return cmp.Or(byValue, byName)
	}
	if o.sort == "name" {
		return -byName
	}
	return cmp.Or(-byValue, byName)
}

func (p position) String() string { return strconv.FormatInt(p.value, 10) + "~" + p.name.String() }

func parsePosition(text string) (position, error) {
	value, name, ok := strings.Cut(text, "~")
	n, err := strconv.ParseInt(value, 10, 64)
	parsed, err2 := xep.ParseName(name)
	if !ok || err != nil || err2 != nil {
		return position{}, badRequest("cursor is not one that was given out here")
	}
	return position{n, parsed}, nil
}

// sorted returns the indexes of an edition's domains in an order.
func (o order) sorted(ed *edition.Edition) []int32 {
	return ed.Value("order-"+o.String(), func() any {
		snap := ed.Snapshot()
		all := make([]position, snap.Len())
		index := make([]int32, snap.Len())
		for i := range all {
			all[i] = position{o.value(snap, i), snap.NameAt(i)}
			index[i] = int32(i)
		}
		slices.SortFunc(index, func(a, b int32) int { return o.compare(all[a], all[b]) })
		return index
	}).([]int32)
}

// listing is a part of the list of domains.
type listing struct {
	Version uint64   `json:"version"`
	At      stamp    `json:"at"`
	Total   int      `json:"total"`
	Domains []domain `json:"domains"`
	Next    string   `json:"next,omitempty"`
}

// listQuery is what a list is asked for.
type listQuery struct {
	q      string
	order  order
	limit  int
	cursor *position
}

func (s *Server) serveDomains(w http.ResponseWriter, r *http.Request) {
	w.Header()["Cache-Control"] = noCache
	lq, err := parseListQuery(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	ed := s.press.Current()
	plain := r.URL.RawQuery == ""
	s.sendJSON(w, r, ed, "domains?"+r.URL.RawQuery, plain, func() (any, error) { return lq.list(ed), nil })
}

func parseListQuery(r *http.Request) (lq listQuery, err error) {
	q, err := query(r)
	if err != nil {
		return lq, err
	}
	if lq.q = strings.ToLower(strings.TrimSpace(q.Get("q"))); len(lq.q) > maxSearch {
		return lq, badRequest("q is longer than a domain name")
	}
	if lq.order.sort, err = oneOf(q, "sort", "name", "links", "unnamed", "reported", "first"); err != nil {
		return lq, err
	}
	// What is sorted by a number is wanted from the top.
	usual, other := "asc", "desc"
	if lq.order.sort != "name" {
		usual, other = other, usual
	}
	direction, err := oneOf(q, "order", usual, other)
	if err != nil {
		return lq, err
	}
	lq.order.desc = direction == "desc"
	if lq.limit, err = number(q, "limit", defaultRows, 1, maxRows); err != nil {
		return lq, err
	}
	if c := q.Get("cursor"); c != "" {
		p, err := parsePosition(c)
		if err != nil {
			return lq, err
		}
		lq.cursor = &p
	}
	return lq, nil
}

func (lq listQuery) list(ed *edition.Edition) listing {
	snap := ed.Snapshot()
	out := listing{Version: snap.Version(), At: stamp(snap.At()), Domains: []domain{}}
	var last position
	for _, i := range lq.order.sorted(ed) {
		name := snap.NameAt(int(i))
		if !lq.matches(name) {
			continue
		}
		out.Total++
		if len(out.Domains) == lq.limit && out.Next != "" {
			continue
		}
		here := position{lq.order.value(snap, int(i)), name}
		switch {
		case lq.cursor != nil && lq.order.compare(here, *lq.cursor) <= 0:
		case len(out.Domains) == lq.limit:
			out.Next = last.String()
		default:
			out.Domains = append(out.Domains, newDomain(snap, int(i)))
			last = here
		}
	}
	return out
}

func (lq listQuery) matches(n xep.Name) bool {
	if lq.q == "" || strings.Contains(n.String(), lq.q) {
		return true
	}
	return strings.Contains(n.Unicode(), lq.q)
}
