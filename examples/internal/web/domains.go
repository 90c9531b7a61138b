package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
)

// perPage is the number of domains on one page of the list.
const perPage = 100

// row is a domain in the list.
type row struct {
	graph.Domain
	Label label
	// Mutual is the number of its links that both ends claim.
	Mutual int
}

// order is a way to sort the list.
type order struct {
	key, title, class string
	// falling is what a first click gives: the largest first.
	falling bool
	compare func(a, b row) int
}

// orders are those that there are, in the order of the columns.
var orders = []order{
	{"name", "Domain", "", false, func(a, b row) int { return strings.Compare(a.Label.Unicode(), b.Label.Unicode()) }},
	{"links", "Links", "num", true, func(a, b row) int { return cmp.Compare(a.Degree, b.Degree) }},
	{"mutual", "Mutual", "num mid", true, func(a, b row) int { return cmp.Compare(a.Mutual, b.Mutual) }},
	{"unnamed", "Unnamed", "num", true, func(a, b row) int { return cmp.Compare(unnamed(a), unnamed(b)) }},
	{"software", "Server", "wide", false, func(a, b row) int {
		return cmp.Or(compareEmptyLast(a.Software, b.Software), strings.Compare(strings.ToLower(a.Software), strings.ToLower(b.Software)))
	}},
	{"first", "First seen", "wide", true, func(a, b row) int { return a.First.Compare(b.First) }},
	{"reported", "Reported", "wide", true, func(a, b row) int { return a.Reported.Compare(b.Reported) }},
}

// unnamed puts those who don't report below those who report nobody.
func unnamed(r row) int {
	if !r.Reporting {
		return -1
	}
	return r.Unnamed
}

func compareEmptyLast(a, b string) int {
	return cmp.Compare(min(len(b), 1), min(len(a), 1))
}

// listing is what of the list a visitor wants to see.
type listing struct {
	query   string
	order   order
	falling bool
	page    int
}

// usual is the order that the list has by itself: the most links first.
const usual = 1

func parseListing(q url.Values) listing {
	l := listing{query: clean(strings.TrimSpace(q.Get("q"))), order: orders[usual], page: 1}
	for _, o := range orders {
		if o.key == q.Get("sort") {
			l.order = o
		}
	}
	l.falling = l.order.falling
	switch q.Get("order") {
	case "asc":
		l.falling = false
	case "desc":
		l.falling = true
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		l.page = n
	}
	return l
}

func (l listing) isUsual() bool { return l.order.key == orders[usual].key && l.falling }

// link is the address of a listing. What is usual is left out, so that there is one address for one page.
func (l listing) link() string {
	q := url.Values{}
	if l.query != "" {
		q.Set("q", l.query)
	}
	if !l.isUsual() {
		q.Set("sort", l.order.key)
		q.Set("order", direction(l.falling))
	}
	if l.page > 1 {
		q.Set("page", strconv.Itoa(l.page))
	}
	if len(q) == 0 {
		return "/domains"
	}
	return "/domains?" + q.Encode()
}

func direction(falling bool) string {
	if falling {
		return "desc"
	}
	return "asc"
}

// rows returns the domains whose name holds the query, sorted.
func (l listing) rows(snap *graph.Snapshot, mutual []int) []row {
	query := strings.ToLower(l.query)
	var all []row
	for i := range snap.Len() {
		d := snap.DomainAt(i)
		if query != "" && !strings.Contains(d.Name.String(), query) && !strings.Contains(strings.ToLower(d.Name.Unicode()), query) {
			continue
		}
		all = append(all, row{Domain: d, Label: labelOf(d.Name), Mutual: mutual[i]})
	}
	slices.SortStableFunc(all, func(a, b row) int {
		if l.falling {
			return cmp.Or(l.order.compare(b, a), cmp.Compare(unnamed(b), unnamed(a)))
		}
		return cmp.Or(l.order.compare(a, b), cmp.Compare(unnamed(b), unnamed(a)))
	})
	return all
}

// mutualOf returns the numbers of mutual links, which are counted once for an edition.
func mutualOf(ed *edition.Edition) []int {
	return ed.Value("page mutual", func() any { return mutualLinks(ed.Snapshot()) }).([]int)
}

// mutualLinks counts the mutual links of each domain.
func mutualLinks(snap *graph.Snapshot) []int {
	n := make([]int, snap.Len())
	for l := range snap.Links() {
		if l.State == graph.StateMutual {
			n[l.I]++
			n[l.J]++
		}
	}
	return n
}

// column is a head of the table, which leads to the list sorted by it.
type column struct {
	Title, Class, Link, Tip string
	AriaSort, Arrow         string
}

func (l listing) columns() (all []column) {
	for _, o := range orders {
		c := column{Title: o.title, Class: o.class, Tip: "Sort by " + strings.ToLower(o.title)}
		next := listing{query: l.query, order: o, falling: o.falling, page: 1}
		if o.key == l.order.key {
			next.falling = !l.falling
			c.AriaSort, c.Arrow = "ascending", "▲"
			if l.falling {
				c.AriaSort, c.Arrow = "descending", "▼"
			}
		}
		c.Link = next.link()
		all = append(all, c)
	}
	return all
}

// pageLink is one number in the row of pages.
type pageLink struct {
	Number    int
	Link      string
	Here, Gap bool
}

// numbers are the first page, the last, and those round the present one.
func (l listing) numbers(pages int) (all []pageLink) {
	last := 0
	for n := 1; n <= pages; n++ {
		if n != 1 && n != pages && (n < l.page-2 || n > l.page+2) {
			continue
		}
		if n > last+1 {
			all = append(all, pageLink{Gap: true})
		}
		to := l
		to.page = n
		all = append(all, pageLink{Number: n, Link: to.link(), Here: n == l.page})
		last = n
	}
	return all
}

// domainsView is the page with the list.
type domainsView struct {
	frame
	Query, Sort, Order string
	Usual              bool
	All                string // the same list without a query
	Columns            []column
	Rows               []row
	Total, From, To    int
	Pages              int
	Previous, Next     string
	Numbers            []pageLink
}

func (s *Server) serveDomains(w http.ResponseWriter, r *http.Request) {
	ed := s.press.Current()
	l := parseListing(r.URL.Query())
	s.show(w, r, ed, "page "+l.link(), l.link() == "/domains", func() (string, any, error) {
		return "domains", s.domainsView(ed, l), nil
	})
}

func (s *Server) domainsView(ed *edition.Edition, l listing) domainsView {
	rows := l.rows(ed.Snapshot(), mutualOf(ed))
	pages := max(1, (len(rows)+perPage-1)/perPage)
	l.page = min(l.page, pages)
	v := domainsView{
		frame: s.frame(ed, "domains", "/domains", "Domains", "All domains of the XMPP network that opted in to being named, with their links, their servers and when they were seen."),
		Query: l.query, Sort: l.order.key, Order: direction(l.falling), Usual: l.isUsual(),
		Columns: l.columns(), Total: len(rows), Pages: pages, Numbers: l.numbers(pages),
	}
	all := l
	all.query, all.page = "", 1
	v.All = all.link()
	// One page of the list has one address for those who search: the others are for those who look.
	v.Hidden = l.query != "" || !l.isUsual()
	v.Path = listing{order: orders[usual], falling: true, page: l.page}.link()
	from := (l.page - 1) * perPage
	v.Rows = rows[from:min(from+perPage, len(rows))]
	v.From, v.To = from+1, from+len(v.Rows)
	if l.page > 1 {
		to := l
		to.page--
		v.Previous = to.link()
	}
	if l.page < pages {
		to := l
		to.page++
		v.Next = to.link()
	}
	return v
}
