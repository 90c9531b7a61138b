package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
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
	// Trace is how the last visit went, nil where that is not known.
	Trace *lastVisit

	BadgeAlt, BadgeHTML, BadgeMarkdown, EmbedHTML, PictureHTML string
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
	known, origin := s.known(w, r, name), s.origin(r)
	s.show(w, r, ed, known.key(name, origin), false, func() (string, any, error) {
		return "domain", s.domainView(ed, i, known, origin), nil
	})
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

func (s *Server) domainView(ed *edition.Edition, i int, known known, origin string) domainView {
	snap := ed.Snapshot()
	d := snap.DomainAt(i)
	path := "/domains/" + d.Name.String()
	v := domainView{
		frame: s.frame(ed, "domain", path, d.Name.Unicode(), fmt.Sprintf("%s on the XMPP network: %s to named domains, when it was seen, and what it says of itself.",
			d.Name.Unicode(), counted(d.Degree, "link", "links"))),
		D: d, Domain: labelOf(d.Name), First: d.First, Reason: reasons[known.Reason], Trace: known.Trace, Picture: newNear(snap, i),
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
	v.addHistory(known.Seen)
	v.addSnippets(origin)
	return v
}

// domainPath is where the interface for programs tells of a domain.
const domainPath = "/api/v1/domains/"

// lastVisit is how a visit went.
type lastVisit struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Steps   []step    `json:"steps"`
}

// reasons say why a domain may be named, by the words of package optin for it.
var reasons = map[string]string{
	"advertised": "It opted in: its own service discovery advertises the feature urn:xmpp:serverinfo:0 (XEP-0485).",
	"listed":     "It is on a list of public providers, whose domains the operator of this site names without their asking for it. XEP-0485 does not know that exception.",
}

// known is what is known of a domain beyond the graph.
type known struct {
	// Seen is when it was, the earliest first.
	Seen []store.Interval
	// Reason is why it may be named, a key of reasons.
	Reason string
	Trace  *lastVisit
}

// known asks the history and the interface for programs, each of which the page is whole without.
func (s *Server) known(w http.ResponseWriter, r *http.Request, name xep.Name) known {
	k := known{Seen: s.seen(r.Context(), name), Reason: "advertised"}
	if s.o.Programs == nil {
		return k
	}
	answer := s.ask(w, r, http.MethodGet, domainPath+name.String(), nil)
	var told struct {
		Verdict struct{ Reason string }
		Trace   *lastVisit
	}
	if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &told) != nil {
		return k
	}
	k.Trace = told.Trace
	// A visit that came to nothing doesn't make a domain one that is only listed: its opt-in is from before.
	if told.Verdict.Reason == "listed" && k.Trace.refused() {
		k.Reason = "listed"
	}
	return k
}

// key stands for a page that is made from this, and which a visitor has found at an origin.
func (k known) key(name xep.Name, origin string) string {
	b, err := json.Marshal(k)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("page domain %s %s %x", name, origin, sha256.Sum256(b))
}

// refused tells whether the domain answered, and did not opt in.
func (l *lastVisit) refused() bool {
	return l != nil && slices.ContainsFunc(l.Steps, func(s step) bool { return s.Step == pubsub.StepOptIn && s.Status != pubsub.StatusOK.String() })
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

// seen returns when a domain was seen, nothing where nobody can tell.
func (s *Server) seen(ctx context.Context, name xep.Name) []store.Interval {
	if s.o.History == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyBudget)
	defer cancel()
	past, err := s.o.History.Past(ctx, name)
	if err != nil {
		return nil
	}
	return past.Seen
}

// addHistory adds when the domain was seen.
func (v *domainView) addHistory(seen []store.Interval) {
	if len(seen) == 0 {
		return
	}
	if first := seen[0].First; first.Before(v.First) {
		v.First = first
	}
	v.Seen = slices.Clone(seen)
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
	v.PictureHTML = fmt.Sprintf(`<a href="%s"><img src="%s/picture.svg?focus=%s" alt="%s on the XMPP network"></a>`, page, origin, name, name)
}
