package web

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxRows bounds the table; more is for the data behind the page.
const maxRows = 2000

var funcs = template.FuncMap{
	"count": count,
	"when":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}

// view is what the page shows.
type view struct {
	Site    Site
	Contact template.URL
	Style   string
	Counts  graph.Counts
	At      time.Time
	Picture *picture
	Rows    []row
	More    int
	Query   string // what was searched for
	Focus   *focus // nil without one, or where nothing was found
}

// row is a domain in the table.
type row struct {
	graph.Domain
	// Plain is the name in ASCII where that differs from what people read, since letters of other scripts can pass for Latin ones.
	Plain string
}

// focus is the domain that a visitor asked for.
type focus struct {
	row
	Groups []group
	Users  string
}

// group is the neighbours whose links have something in common.
type group struct {
	Title string
	Links []xep.Name
}

func (s *Server) renderPage(ed *edition.Edition, query string) (*edition.Document, error) {
	snap := ed.Snapshot()
	v := view{Site: s.site, Contact: contact(s.site.Contact), Style: s.style, Counts: snap.Counts(), At: snap.At(), Query: query}
	at := -1
	if name, err := xep.ParseName(query); err == nil {
		if i, ok := snap.Index(name); ok {
			at = i
			v.Focus = newFocus(snap, i)
		}
	}
	places, err := ed.Layout(context.Background())
	if err != nil {
		return nil, err
	}
	v.Picture = newPicture(snap, places, at)
	v.Rows, v.More = rows(snap)
	var b bytes.Buffer
	if err := s.page.Execute(&b, v); err != nil {
		return nil, err
	}
	return edition.NewDocument("text/html; charset=utf-8", b.Bytes()), nil
}

func newRow(d graph.Domain) row {
	r := row{Domain: d}
	if d.Name.Unicode() != d.Name.String() {
		r.Plain = d.Name.String()
	}
	return r
}

// rows lists domains, those with the most links first.
func rows(snap *graph.Snapshot) (rs []row, more int) {
	for d := range snap.Domains() {
		rs = append(rs, newRow(d))
	}
	slices.SortStableFunc(rs, func(a, b row) int {
		return cmp.Or(b.Degree-a.Degree, b.Unnamed-a.Unnamed)
	})
	if len(rs) > maxRows {
		rs, more = rs[:maxRows], len(rs)-maxRows
	}
	return rs, more
}

func newFocus(snap *graph.Snapshot, i int) *focus {
	f := &focus{row: newRow(snap.DomainAt(i))}
	if f.Domain.Users != nil {
		f.Users = strconv.FormatUint(*f.Domain.Users, 10)
	}
	mutual := group{Title: "Linked, as both sides report"}
	mine := group{Title: "Linked, as " + f.Name.Unicode() + " alone reports"}
	theirs := group{Title: "Linked, as only the others report"}
	for l := range snap.LinksAt(i) {
		other, own := l.A, l.ByB
		if other == f.Name {
			other, own = l.B, l.ByA
		}
		to := &theirs
		switch {
		case l.State == graph.StateMutual:
			to = &mutual
		case own.Made():
			to = &mine
		}
		to.Links = append(to.Links, other)
	}
	for _, g := range []group{mutual, mine, theirs} {
		if len(g.Links) > 0 {
			f.Groups = append(f.Groups, g)
		}
	}
	return f
}

// contact lets through the schemes that a contact can have; the template alone would refuse xmpp.
func contact(uri string) template.URL {
	for _, scheme := range []string{"mailto:", "xmpp:", "https:"} {
		if strings.HasPrefix(uri, scheme) {
			return template.URL(uri)
		}
	}
	return ""
}

// count writes a number with separators between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
