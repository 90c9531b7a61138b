package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxIntervals bounds the intervals of a domain's history that are listed.
const maxIntervals = 12

// historyBudget is how long a page waits for the database: without it, the page lacks a list and nothing else.
const historyBudget = 2 * time.Second

// domainView is the page of one domain.
type domainView struct {
	frame
	D      graph.Domain
	Domain label
	Users  string
	Mutual int
	// First is when the domain was first seen, by the history where there is one.
	First   time.Time
	Groups  []group
	Picture *near
	Seen    []store.Interval
	Earlier int // intervals that are not listed
	Reason  string

	BadgeAlt, BadgeHTML, BadgeMarkdown, EmbedHTML string
}

// group is the links that have something in common.
type group struct {
	Title, Note string
	Links       []neighbour
}

// neighbour is the other end of a link.
type neighbour struct {
	Other       xep.Name
	Label       label
	Own, Theirs string // what each side says of the connections
	First, Last time.Time
}

func (s *Server) serveDomain(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	name, i, ok := shown(ed, r.PathValue("name"))
	if !ok {
		s.serveNotFound(w, r)
		return
	}
	if path := "/domains/" + name.String(); r.URL.Path != path {
		http.Redirect(w, r, path, http.StatusMovedPermanently)
		return
	}
	v := s.domainView(r.Context(), ed, i, s.origin(r))
	s.show(w, r, ed, "", false, func() (string, any, error) { return "domain", v, nil })
}

// shown finds a domain by what is in an address. It says no alike to what is unknown and to what may not be named.
func shown(ed *edition.Edition, text string) (name xep.Name, i int, ok bool) {
	name, err := xep.ParseName(text)
	if err != nil {
		return name, 0, false
	}
	i, ok = ed.Snapshot().Index(name)
	return name, i, ok
}

func (s *Server) domainView(ctx context.Context, ed *edition.Edition, i int, origin string) domainView {
	snap := ed.Snapshot()
	d := snap.DomainAt(i)
	path := "/domains/" + d.Name.String()
	v := domainView{
		frame: s.frame(ed, "domain", path, d.Name.Unicode(), fmt.Sprintf("%s on the XMPP network: %s to named domains, when it was seen, and what it says of itself.",
			d.Name.Unicode(), counted(d.Degree, "link", "links"))),
		D: d, Domain: labelOf(d.Name), First: d.First, Reason: s.reason(d.Name), Picture: newNear(snap, i),
	}
	v.Image = path + "/og.png"
	if d.Users != nil {
		v.Users = strconv.FormatUint(*d.Users, 10)
	}
	v.Groups = groups(snap, i)
	for _, g := range v.Groups {
		if g.Title == titleMutual {
			v.Mutual = len(g.Links)
		}
	}
	s.addHistory(ctx, &v)
	v.addSnippets(origin)
	return v
}

// reason says why a domain may be named.
func (s *Server) reason(name xep.Name) string {
	if s.o.Reason != nil {
		if why := s.o.Reason(name); why != "" {
			return why
		}
	}
	return "It opted in: its own service discovery advertises the feature urn:xmpp:serverinfo:0 (XEP-0485)."
}

const titleMutual = "Reported by both sides"

// groups sorts the links of a domain by who vouches for them.
func groups(snap *graph.Snapshot, i int) (all []group) {
	name := snap.NameAt(i)
	mutual := group{Title: titleMutual}
	mine := group{Title: "Reported by " + name.Unicode() + " alone", Note: "The other side does not report, or does not report this."}
	theirs := group{Title: "Reported by the other side alone"}
	gone := group{Title: "No longer reported", Note: "Somebody reported these links recently, and now nobody does."}
	for l := range snap.LinksAt(i) {
		n, own := neighbourOf(name, l)
		to := &theirs
		switch {
		case l.State == graph.StateMutual:
			to = &mutual
		case own.Made():
			to = &mine
		}
		to.Links = append(to.Links, n)
	}
	for l := range snap.Lapsed() {
		if l.I == i || l.J == i {
			n, _ := neighbourOf(name, l)
			gone.Links = append(gone.Links, n)
		}
	}
	for _, g := range []group{mutual, mine, theirs, gone} {
		if len(g.Links) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// neighbourOf looks at a link from one of its ends, and returns what that end says, too.
func neighbourOf(name xep.Name, l graph.Link) (neighbour, graph.Claim) {
	other, own, theirs := l.A, l.ByB, l.ByA
	if other == name {
		other, own, theirs = l.B, l.ByA, l.ByB
	}
	return neighbour{Other: other, Label: labelOf(other), Own: saying(own), Theirs: saying(theirs), First: l.First, Last: l.Last}, own
}

// saying is what one side says of its connections, in words.
func saying(c graph.Claim) string {
	switch {
	case c.Lapsed:
		return "no longer reported"
	case !c.Made():
		return "–"
	case c.Directions == 0:
		return "reported"
	}
	return strings.ReplaceAll(c.Directions.String(), ",", ", ")
}

// addHistory adds when the domain was seen.
func (s *Server) addHistory(ctx context.Context, v *domainView) {
	if s.o.History == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, historyBudget)
	defer cancel()
	past, err := s.o.History.Past(ctx, v.D.Name)
	if err != nil || len(past.Seen) == 0 {
		// The page is whole without it.
		return
	}
	if first := past.Seen[0].First; first.Before(v.First) {
		v.First = first
	}
	v.Seen = slices.Clone(past.Seen)
	slices.Reverse(v.Seen)
	if len(v.Seen) > maxIntervals {
		v.Earlier = len(v.Seen) - maxIntervals
		v.Seen = v.Seen[:maxIntervals]
	}
}

// addSnippets makes what visitors copy into their own pages.
func (v *domainView) addSnippets(origin string) {
	name := v.D.Name.String()
	page, badge := origin+"/domains/"+name, origin+"/badge/"+name+".svg"
	v.BadgeAlt = badgeOf(v.D).alt()
	// Names in ASCII and the origin hold nothing that either language would have to escape.
	v.BadgeHTML = fmt.Sprintf(`<a href="%s"><img src="%s" alt="%s on the XMPP network" height="20"></a>`, page, badge, name)
	v.BadgeMarkdown = fmt.Sprintf(`[![%s on the XMPP network](%s)](%s)`, name, badge, page)
	v.EmbedHTML = fmt.Sprintf(`<iframe src="%s/embed?focus=%s" width="640" height="480" title="%s on the XMPP network" loading="lazy"></iframe>`, origin, name, name)
}
