package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

var noon = time.Date(2025, 11, 13, 12, 0, 0, 0, time.UTC)

// network is a.test — b.test, b.test → c.test, a.test → d.test, and unnamed peers of a.test and c.test; d.test has no verdict.
func network(now *time.Time) *graph.Graph {
	g := graph.New(graph.Options{Now: func() time.Time { return *now }})
	until := now.Add(time.Hour)
	peer := func(name string) graph.Peer { return graph.Peer{Name: xep.MustName(name), Until: until} }
	g.Apply(graph.Report{Domain: xep.MustName("a.test"), Until: until, Unnamed: 2, Software: "Prosody",
		Peers: []graph.Peer{peer("b.test"), {Name: xep.MustName("d.test")}}})
	g.Apply(graph.Report{Domain: xep.MustName("b.test"), Until: until, Peers: []graph.Peer{peer("a.test"), peer("c.test")}})
	g.Apply(graph.Report{Domain: xep.MustName("c.test"), Until: until, Unnamed: 1})
	return g
}

// pressOf makes a new edition of every change.
func pressOf(now *time.Time, g *graph.Graph) *edition.Press {
	return edition.New(g, edition.Options{Pulse: -1, Now: func() time.Time { return *now }})
}

func press(now *time.Time) *edition.Press { return pressOf(now, network(now)) }

func get(t *testing.T, h http.Handler, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// A name is gone with its verdict, from a document that was made before, too.
func TestNamesLapse(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	require.Contains(t, body(t, get(t, h, "/domains")), "b.test")
	require.Contains(t, body(t, get(t, h, "/domains/b.test")), "b.test")
	require.Contains(t, body(t, get(t, h, "/picture.svg")), "b.test")
	now = noon.Add(time.Hour)
	for _, url := range []string{"/", "/?focus=a.test", "/domains", "/domains/a.test", "/picture.svg", "/embed", "/sitemap.xml"} {
		require.NotContains(t, body(t, get(t, h, url)), "b.test", url)
	}
}

func TestNotModified(t *testing.T) {
	now := noon
	g := network(&now)
	h := New(pressOf(&now, g), Options{})
	for _, url := range []string{"/domains", "/picture.svg", "/", "/assets/style.css"} {
		for _, coding := range []string{"", "gzip"} {
			first := get(t, h, url, "Accept-Encoding", coding)
			tag := first.Header.Get("ETag")
			require.NotEmpty(t, tag)
			again := get(t, h, url, "Accept-Encoding", coding, "If-None-Match", `"other", W/`+tag)
			require.Equal(t, http.StatusNotModified, again.StatusCode)
			require.Empty(t, body(t, again))
			require.Equal(t, tag, again.Header.Get("ETag"))
		}
	}
	tag := get(t, h, "/domains").Header.Get("ETag")
	g.Apply(graph.Report{Domain: xep.MustName("e.test"), Until: noon.Add(time.Hour)})
	require.NotEqual(t, tag, get(t, h, "/domains").Header.Get("ETag"))
}

// A page that depends on what a visitor asks for is made once for all who ask the same of an edition, at one address.
func TestPagesAreRemembered(t *testing.T) {
	now := noon
	press := press(&now)
	h := New(press, Options{Site: Site{URL: "https://graph.test"}})
	for url, key := range map[string]string{
		"/domains?q=b&sort=links&page=1": "page /domains?q=b",
		"/?focus=a.test":                 "page map a.test",
		"/domains/a.test":                known{Reason: "advertised"}.key(xep.MustName("a.test"), "https://graph.test"),
	} {
		page := body(t, get(t, h, url))
		doc, err := press.Current().Recent(key, func() (*edition.Document, error) { return nil, errors.New("forgotten") })
		require.NoError(t, err, url)
		require.Equal(t, page, string(doc.Bytes()), url)
	}
}

// Two visitors who found the site at different addresses get pages of their own.
func TestPagesOfSeveralOrigins(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	for _, host := range []string{"one.test", "two.test", "one.test"} {
		r := httptest.NewRequest(http.MethodGet, "/domains/a.test", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Contains(t, w.Body.String(), "http://"+host+"/domains/a.test")
	}
}

func TestPage(t *testing.T) {
	now := noon
	h := New(press(&now), Options{Site: Site{Contact: "xmpp:ops@example.org"}})
	page := body(t, get(t, h, "/"))
	require.Contains(t, page, "<strong>3</strong> named domains")
	require.Contains(t, page, "<strong>2</strong> links between them")
	require.Contains(t, page, "<strong>4</strong> links to domains that stay unnamed")
	require.Contains(t, page, `href="xmpp:ops@example.org"`)
	require.NotContains(t, page, "d.test")
	require.NotContains(t, page, "Demonstration")
	require.NotContains(t, page, "<script>")

	require.Contains(t, body(t, get(t, New(press(&now), Options{Site: Site{Demo: true}}), "/")), "This network is invented")
}

func TestEmptyPageLooksAgain(t *testing.T) {
	h := New(edition.New(graph.New(graph.Options{}), edition.Options{}), Options{})
	r := get(t, h, "/")
	page := body(t, r)
	require.Contains(t, page, `<noscript><meta http-equiv="refresh"`, "a script hears of changes by itself")
	require.Contains(t, page, "Nothing is known yet")
}

func TestHostileInput(t *testing.T) {
	now := noon
	g := network(&now)
	evil := `"><script>alert(1)</script>`
	g.Apply(graph.Report{Domain: xep.MustName("xn--pple-43d.test"), Until: noon.Add(time.Hour), Software: evil, Version: "\u202e" + evil,
		Peers: []graph.Peer{{Name: xep.MustName("a.test"), Until: noon.Add(time.Hour)}}})
	h := New(pressOf(&now, g), Options{
		Site: Site{Title: evil, Contact: "javascript:alert(1)", Legal: evil, Operator: evil, Source: "javascript:alert(1)", URL: "javascript:alert(1)"},
	})
	for _, url := range everyPage {
		page := body(t, get(t, h, url))
		require.NotContains(t, page, "<script>", url)
		require.NotContains(t, page, "javascript:", url)
		require.NotContains(t, page, "\u202e", url)
		require.NotRegexp(t, ` style="| on[a-z]+="`, page, url)
	}
	for _, url := range []string{"/domains", "/domains/xn--pple-43d.test", "/domains/a.test", "/?focus=xn--pple-43d.test"} {
		require.Contains(t, body(t, get(t, h, url)), "xn--pple-43d.test", "a look-alike is shown in ASCII, too")
	}
}

// everyPage has one address of each page of the network above, some with what a visitor may have made up.
var everyPage = []string{
	"/", "/?focus=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/?focus=a.test", "/?focus=%E2%80%AE", "/domains", "/domains?q=%22%3E%3Cscript%3E%E2%80%AE",
	"/domains?sort=%22&order=%3C&page=-1", "/domains/a.test", "/domains/xn--pple-43d.test", "/domains/%3Cscript%3E", "/about", "/join", "/stats", "/add", "/add?domain=%22%3E%3Cscript%3E", "/embed", "/embed?focus=a.test&theme=dark",
	"/embed?theme=%22%3E%3Cscript%3E", "/nowhere",
}

func TestHeaders(t *testing.T) {
	now := noon
	h := New(press(&now), Options{})
	for _, url := range []string{"/", "/nowhere", "/domains", "/assets/icon.svg"} {
		r := get(t, h, url)
		require.Equal(t, unframed, r.Header.Get("Content-Security-Policy"), url)
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"), url)
		require.Equal(t, "same-origin", r.Header.Get("Cross-Origin-Resource-Policy"), url)
	}
	require.Equal(t, http.StatusNotFound, get(t, h, "/nowhere").StatusCode)
	style := New(press(&now), Options{}).hashed["style.css"]
	require.Contains(t, get(t, h, style).Header.Get("Cache-Control"), "immutable")

	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/domains", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/domains", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Zero(t, w.Body.Len())
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1112: "1,112", 5671000: "5,671,000"} {
		require.Equal(t, want, count(n))
	}
}
