package web

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// What isn't shown and what isn't known get the same answer everywhere.
func TestSilence(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	for _, url := range []string{
		"/domains/%s", "/?focus=%s", "/domains?q=%s", "/badge/%s.svg", "/picture.svg?focus=%s", "/embed?focus=%s", "/domains/%s/og.png",
	} {
		// d.test is reported and has no verdict; x.test is unknown.
		kept := get(t, h, strings.ReplaceAll(url, "%s", "d.test"))
		unknown := get(t, h, strings.ReplaceAll(url, "%s", "x.test"))
		require.Equal(t, unknown.StatusCode, kept.StatusCode, url)
		require.Equal(t, body(t, unknown), strings.ReplaceAll(body(t, kept), "d.test", "x.test"), url)
		kept.Header.Del("ETag")
		unknown.Header.Del("ETag")
		require.Equal(t, unknown.Header, kept.Header, url)
	}
	require.Equal(t, http.StatusNotFound, get(t, h, "/domains/d.test").StatusCode)
	require.NotContains(t, body(t, get(t, h, "/badge/d.test.svg")), "d.test")
}

func TestDomains(t *testing.T) {
	tests := map[string]struct{ query, want string }{
		"usual":              {"", "b.test a.test c.test"},
		"by name":            {"?sort=name&order=asc", "a.test b.test c.test"},
		"by name, falling":   {"?sort=name&order=desc", "c.test b.test a.test"},
		"unnamed":            {"?sort=unnamed", "a.test c.test b.test"},
		"mutual":             {"?sort=mutual&order=asc", "c.test a.test b.test"},
		"software":           {"?sort=software", "a.test c.test b.test"},
		"filtered":           {"?q=%20B.T", "b.test"},
		"nonsense":           {"?sort=x&order=y&page=z", "b.test a.test c.test"},
		"page out of bounds": {"?page=99999999", "b.test a.test c.test"},
		"nothing":            {"?q=zzz", ""},
	}
	now := noon
	h := New(press(&now), Options{})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			page := body(t, get(t, h, "/domains"+tc.query))
			var got []string
			for _, part := range strings.Split(page, `<th scope="row"><a href="/domains/`)[1:] {
				n, _, _ := strings.Cut(part, `"`)
				got = append(got, n)
			}
			require.Equal(t, tc.want, strings.Join(got, " "))
		})
	}
	page := body(t, get(t, h, "/domains"))
	require.Contains(t, page, `class="num" aria-sort="descending"><a href="/domains?order=asc&amp;sort=links"`)
	require.Equal(t, 1, strings.Count(page, "aria-sort"))
}

// large is a network with more domains than one page of the list has.
func large(now *time.Time, n int) *graph.Graph {
	g := graph.New(graph.Options{Now: func() time.Time { return *now }})
	until := now.Add(time.Hour)
	hub := graph.Report{Domain: xep.MustName("hub.test"), Until: until, Unnamed: 7}
	for i := range n {
		name := xep.MustName("d" + strconv.Itoa(1000+i) + ".test")
		g.Apply(graph.Report{Domain: name, Until: until, Unnamed: i})
		hub.Peers = append(hub.Peers, graph.Peer{Name: name, Until: until, Directions: graph.In | graph.Out})
	}
	g.Apply(hub)
	return g
}

func TestPagesOfTheList(t *testing.T) {
	now := noon
	h := New(pressOf(&now, large(&now, 250)), Options{})
	page := body(t, get(t, h, "/domains?page=2"))
	require.Contains(t, page, "101 to 200 of 251")
	require.Contains(t, page, `<a href="/domains" rel="prev">`)
	require.Contains(t, page, `<a href="/domains?page=3" rel="next">`)
	seen := make(map[string]bool)
	for p := range 3 {
		for _, part := range strings.Split(body(t, get(t, h, "/domains?sort=name&page="+strconv.Itoa(p+1))), `<th scope="row"><a href="`)[1:] {
			n, _, _ := strings.Cut(part, `"`)
			seen[n] = true
		}
	}
	require.Len(t, seen, 251)
}

func TestDomain(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	page := body(t, get(t, h, "/domains/a.test"))
	require.Contains(t, page, "Reported by both sides")
	require.Contains(t, page, "advertises the feature urn:xmpp:serverinfo:0")
	require.Contains(t, page, "2025-11-13 13:00</time> UTC")
	require.Contains(t, page, `href="/domains/b.test"`)
	require.Contains(t, page, "And 3 links to domains that did not opt in", "two, and the one whose name is kept")
	require.Contains(t, page, `&lt;a href=&#34;http://example.com/domains/a.test&#34;&gt;`)
	require.NotContains(t, page, "d.test")

	r := get(t, h, "/domains/A.test")
	require.Equal(t, http.StatusMovedPermanently, r.StatusCode)
	require.Equal(t, "/domains/a.test", r.Header.Get("Location"))
}

// The address of the site is the operator's word; without it, it is that which the visitor used, unless that is no address.
func TestOrigin(t *testing.T) {
	now := noon
	tests := map[string]struct{ url, host, want string }{
		"operator's":    {"https://graph.test/", "evil.test", "https://graph.test/domains/a.test"},
		"visitor's":     {"", "localhost:8080", "http://localhost:8080/domains/a.test"},
		"no address":    {"", `x"><script>`, `"&#34;/domains/a.test`},
		"not a port":    {"", "x:80a", `=&#34;/domains/a.test`},
		"with a query":  {"https://graph.test/?x", "a.test", "http://a.test/domains/a.test"},
		"not the web's": {"ftp://graph.test", "a.test", "http://a.test/domains/a.test"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(press(&now), Options{Site: Site{URL: tc.url}})
			r := httptest.NewRequest(http.MethodGet, "/domains/a.test", nil)
			r.Host = tc.host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.NotContains(t, w.Body.String(), "<script>")
			require.Contains(t, strings.ReplaceAll(w.Body.String(), "&#34;&gt;", ""), strings.TrimPrefix(tc.want, `"`))
		})
	}
}

func TestLinksForSearchEngines(t *testing.T) {
	now := noon
	h := New(press(&now), Options{Site: Site{URL: "https://graph.test"}})
	require.Contains(t, body(t, get(t, h, "/?focus=a.test")), `<link rel="canonical" href="https://graph.test/domains/a.test">`)
	require.Contains(t, body(t, get(t, h, "/domains")), `<link rel="canonical" href="https://graph.test/domains">`)
	require.NotContains(t, body(t, get(t, h, "/domains")), "noindex")
	require.Contains(t, body(t, get(t, h, "/domains?sort=name")), "noindex")
	require.Contains(t, body(t, get(t, h, "/domains?q=a")), "noindex")
	require.Contains(t, body(t, get(t, h, "/robots.txt")), "Sitemap: https://graph.test/sitemap.xml\n")

	var m sitemap
	require.NoError(t, xml.Unmarshal([]byte(body(t, get(t, h, "/sitemap.xml"))), &m))
	var all []string
	for _, u := range m.URLs {
		all = append(all, u.Loc)
	}
	require.Contains(t, all, "https://graph.test/domains/a.test")
	require.NotContains(t, all, "https://graph.test/domains/d.test")
}

func TestPicture(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	for _, url := range []string{"/picture.svg", "/picture.svg?theme=dark", "/picture.svg?focus=a.test&theme=light&bare", "/badge/a.test.svg", "/badge/x.test.svg"} {
		r := get(t, h, url)
		require.Equal(t, svgType, r.Header.Get("Content-Type"), url)
		require.Equal(t, "*", r.Header.Get("Access-Control-Allow-Origin"), url)
		d := xml.NewDecoder(r.Body)
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, url)
		}
	}
	require.Contains(t, body(t, get(t, h, "/badge/b.test.svg")), "b.test on the XMPP network: 2 links")
	require.Equal(t, http.StatusNotFound, get(t, h, "/badge/b.test.png").StatusCode)
}

func TestCard(t *testing.T) {
	now := noon
	empty := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{})
	for _, tc := range []struct {
		h   *Server
		url string
	}{{New(press(&now), Options{}), "/og.png"}, {New(press(&now), Options{}), "/domains/a.test/og.png"}, {New(pressOf(&now, large(&now, 60)), Options{}), "/og.png"}, {empty, "/og.png"}} {
		r := get(t, tc.h, tc.url)
		require.Equal(t, "image/png", r.Header.Get("Content-Type"))
		img, err := png.Decode(bytes.NewBufferString(body(t, r)))
		require.NoError(t, err)
		require.Equal(t, cardWidth, img.Bounds().Dx())
		require.Equal(t, cardHeight, img.Bounds().Dy())
	}
}

// Lines that cross don't cancel each other out, whichever way they run.
func TestLinesAddUp(t *testing.T) {
	c := newCanvas(20, 20, cardGround)
	c.line(0, 10, 20, 10, 4)
	c.line(20, 10, 0, 10, 4)
	c.line(10, 20, 10, 0, 4)
	c.fill(cardInk)
	require.Equal(t, cardInk.R, c.img.RGBAAt(10, 10).R)
}

func TestEmbed(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	r := get(t, h, "/embed?focus=A.test&theme=dark")
	require.Equal(t, framed, r.Header.Get("Content-Security-Policy"))
	page := body(t, r)
	require.Contains(t, page, `src="/picture.svg?bare=1&amp;focus=a.test&amp;theme=dark"`)
	require.Contains(t, page, `href="/?focus=a.test"`)
}

// The drawing of a neighbourhood keeps to its frame, however many neighbours there are.
func TestNeighbourhood(t *testing.T) {
	now := noon
	for _, n := range []int{0, 1, 2, 12, 39, 60} {
		g := large(&now, n)
		snap := g.Snapshot()
		i, ok := snap.Index(xep.MustName("hub.test"))
		require.True(t, ok)
		d := newNear(snap, i)
		require.NotNil(t, d)
		require.Len(t, d.Nodes, min(n, maxNear))
		require.Equal(t, max(0, n-maxNear), d.More)
		for _, node := range d.Nodes {
			require.Greater(t, node.x, 0.0)
			require.Less(t, node.x, 2*(nearRadius+nearRoom))
		}
		require.Equal(t, d, newNear(snap, i), "the same drawing each time")
	}
	g := graph.New(graph.Options{Now: func() time.Time { return now }})
	g.Apply(graph.Report{Domain: xep.MustName("alone.test"), Until: noon.Add(time.Hour)})
	require.Nil(t, newNear(g.Snapshot(), 0))
}

func TestText(t *testing.T) {
	got := ParseText("# Imprint\n\nExample e.V.\nSome Street 1\n- one\n- [two](https://example.org/)\n\n[bad](javascript:x) [](https://x) [open](https://y\n## More")
	require.Equal(t, []Block{
		{Heading: 2, Lines: [][]Span{{{Text: "Imprint"}}}},
		{Lines: [][]Span{{{Text: "Example e.V."}}, {{Text: "Some Street 1"}}}},
		{List: true, Lines: [][]Span{{{Text: "one"}}, {{Text: "two", Link: "https://example.org/"}}}},
		{Lines: [][]Span{{{Text: "[bad](javascript:x) [](https://x) [open](https://y"}}}},
		{Heading: 3, Lines: [][]Span{{{Text: "More"}}}},
	}, got)
	now := noon
	h := New(press(&now), Options{Site: Site{Legal: "# Imprint\n\nMail [us](mailto:a@b.test)", OptOut: "crawler.b.test"}})
	require.Contains(t, body(t, get(t, h, "/about")), "exclude example.org</code>, with your domain in it, to <code>crawler.b.test</code>")
	require.Contains(t, body(t, get(t, h, "/about")), `<p>Mail <a href="mailto:a@b.test">us</a></p>`)
}

// Nothing of a text is lost or becomes a link that it may not be.
func FuzzParseText(f *testing.F) {
	f.Add("# a\n\n- [b](https://c)\nd")
	f.Add("[[a](b)](mailto:c)")
	f.Fuzz(func(t *testing.T, s string) {
		for _, b := range ParseText(s) {
			require.NotEmpty(t, b.Lines)
			for _, line := range b.Lines {
				for _, span := range line {
					require.Contains(t, s, span.Text)
					if span.Link != "" {
						require.NotEmpty(t, address(string(span.Link)))
					}
				}
			}
		}
	})
}

func TestClean(t *testing.T) {
	require.Equal(t, "a\uFFFDb c", clean("a\u202eb\nc"))
	require.Equal(t, "\uFFFD\uFFFD", clean("\x00\u2066"))
	require.Equal(t, maxWords+1, len([]rune(clean(strings.Repeat("ü", 10_000)))))
}
