//go:build integration

package browser

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// The domains of the federation that change, beside those of the demonstration.
const (
	hub   = "hub.test"   // reports all others
	leads = "leads.test" // and ends.test report each other until they don't
	ends  = "ends.test"
	quits = "quits.test" // withdraws its consent
	joins = "joins.test" // isn't there at first
)

// federate starts a federation and the aggregator that crawls it, and returns both, and what there is to be found.
func federate(t *testing.T) (*testserver.Server, string, lead) {
	t.Helper()
	srv := testserver.Start(t, testserver.Config{Seed: 485})
	net := testserver.Network(485, 20)
	srv.AddNetwork(net)
	peers := func(names ...string) (r testserver.Report) {
		for _, n := range names {
			r.Peers = append(r.Peers, testserver.Peer{Name: n, Directions: testserver.Bidi})
		}
		return r
	}
	add := func(name string, r testserver.Report) {
		srv.AddDomain(testserver.Domain{Name: name, Profile: testserver.Standard, Advertise: true, Report: r})
		srv.Domain(name).Publish()
	}
	others := []string{leads, ends, quits}
	for _, m := range net.Domains {
		others = append(others, m.Name)
	}
	add(hub, peers(others...))
	add(leads, peers(hub, ends))
	add(ends, peers(hub, leads))
	add(quits, peers(hub))

	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(testserver.Secret), 0o600))
	url := aggregator(t, "-component", testserver.Component, "-server", srv.ComponentAddr(), "-secret-file", secret,
		"-contact", "mailto:ops@me.test", "-seed", hub, "-interval", "1s", "-verdict-ttl", "4s", "-spacing", "0", "-rate", "0")
	// The hub names all, and two others each other.
	links := map[[2]string]bool{}
	for _, m := range net.Domains {
		for _, p := range m.Peers {
			// Nobody can read what a node without items has published.
			if m.Profile != testserver.ProsodyOld {
				links[[2]string{min(m.Name, p.Name), max(m.Name, p.Name)}] = true
			}
		}
	}
	return srv, url, lead{len(others) + 1, len(links) + len(others) + 1}
}

// written keeps the words on the canvas: window.written is a set of all that was drawn since it was made anew.
// A worker would draw where nobody can look over its shoulder; without one the same painter draws on the page.
const written = `delete globalThis.OffscreenCanvasRenderingContext2D;
window.written = new Set();
for (const how of ["fillText", "strokeText"]) {
	const draw = CanvasRenderingContext2D.prototype[how];
	CanvasRenderingContext2D.prototype[how] = function(text, ...at) { window.written.add(text); return draw.call(this, text, ...at); };
}`

// lead is what the sentence above the map says, as numbers.
type lead struct{ domains, links int }

// says waits until the sentence has these numbers.
func (tb *tab) says(l lead) {
	tb.t.Helper()
	tb.until(fmt.Sprintf(`[...document.querySelectorAll("#lead strong")].slice(0, 2).map(e => e.innerText.replace(/\D/g, "")).join() == "%d,%d"`, l.domains, l.links))
}

// view is where the camera is: the middle and the scale, as the address says it once a hand has moved it.
type view struct{ x, y, k float64 }

// drag moves the picture to the right by hand, and returns where the camera is then.
func (tb *tab) drag(by float64) (v view) {
	tb.t.Helper()
	before := eval[string](tb, `location.search`)
	mouse := func(kind input.DispatchMouseEventType, x float64, buttons int64) {
		tb.run(call(input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: 600, Button: input.MouseButtonLeft, Buttons: buttons, ClickCount: 1}))
	}
	mouse(input.DispatchMouseEventTypeMousePressed, 300, 1)
	mouse(input.DispatchMouseEventTypeMouseMoved, 300+by/2, 1)
	mouse(input.DispatchMouseEventTypeMouseMoved, 300+by, 1)
	mouse(input.DispatchMouseEventTypeMouseReleased, 300+by, 0)
	tb.until(`location.search.includes("view=") && location.search != ` + strconv.Quote(before))
	text := eval[string](tb, `new URLSearchParams(location.search).get("view")`)
	_, err := fmt.Sscanf(strings.ReplaceAll(text, ",", " "), "%g %g %g", &v.x, &v.y, &v.k)
	require.NoError(tb.t, err, text)
	return v
}

// places are where the domains are drawn, in the units of the network.
func (tb *tab) places() map[string][2]float64 {
	tb.t.Helper()
	return get(tb, chromedp.Evaluate[map[string][2]float64](`fetch("/api/v1/graph").then(r => r.json()).then(g => Object.fromEntries(g.names.map((n, i) => [n, [g.x[i], g.y[i]]])))`, chromedp.EvalAwaitPromise))
}

// found is what the search box lists for a text.
func (tb *tab) found(text string) []string {
	tb.t.Helper()
	tb.keys("/")
	tb.fill("#focus", text)
	tb.until(`!document.getElementById("found").hidden`)
	names := eval[[]string](tb, `[...document.querySelectorAll("#found bdi")].map(e => e.innerText)`)
	tb.keys(kb.Escape, kb.Escape, kb.Escape)
	return names
}

// A federation changes while somebody looks at the map: who joins is there, who withdraws is gone from everything, and a
// link that ends is drawn no more, without a reload and without a jump.
func TestLiveFederation(t *testing.T) {
	srv, url, first := federate(t)
	tb := newTab(t, desktop)
	tb.before(written)
	tb.ready(url + "/")
	tb.until(`document.getElementById("live").innerText == "Live"`)
	tb.says(first)
	require.Equal(t, []string{quits}, tb.found("quits"))
	require.Empty(t, tb.found("joins"))
	require.Equal(t, 1, eval[int](tb, `performance.getEntriesByType("navigation").length`))
	tb.run(chromedp.Evaluate[chromedp.Void](`window.mark = "not loaded again"`))
	camera := tb.drag(64)
	before := tb.places()
	tb.until(`window.written.has("` + quits + `") && window.written.has("` + hub + `")`)

	// The hub reports a domain that nobody knew.
	srv.AddDomain(testserver.Domain{Name: joins, Profile: testserver.Standard, Advertise: true})
	srv.Domain(joins).Publish()
	srv.Domain(hub).Link(joins, testserver.Bidi)
	srv.Domain(hub).Publish()
	tb.says(lead{first.domains + 1, first.links + 1})
	tb.until(`window.written.has("` + joins + `")`)
	require.Equal(t, []string{joins}, tb.found("joins"))
	tb.shot("federation-joined")

	// Two domains report each other no longer.
	srv.Domain(leads).Unlink(ends)
	srv.Domain(leads).Publish()
	srv.Domain(ends).Unlink(leads)
	srv.Domain(ends).Publish()
	tb.says(lead{first.domains + 1, first.links})

	// One withdraws its consent: nothing else happens, and nobody tells the aggregator.
	srv.Domain(quits).SetAdvertise(false)
	tb.says(lead{first.domains, first.links - 1})
	require.Empty(t, tb.found("quits"))
	tb.still()
	tb.run(chromedp.Evaluate[chromedp.Void](`window.written = new Set()`))
	after := tb.drag(64)
	tb.still()
	drawn := eval[[]string](tb, `[...window.written]`)
	require.Contains(t, drawn, hub)
	require.Contains(t, drawn, joins)
	require.NotContains(t, drawn, quits, "the name is gone from the picture")
	require.NotContains(t, eval[string](tb, `document.documentElement.outerHTML`), quits)

	require.Equal(t, "not loaded again", eval[string](tb, `window.mark`))
	require.InDelta(t, camera.k, after.k, 1e-3)
	require.InDelta(t, camera.x-64/camera.k, after.x, 0.3, "the camera was only moved by hand")
	require.InDelta(t, camera.y, after.y, 0.3)
	tb.stayed(before)

	// The same is true of the pages without scripts.
	list := newTab(t, plain)
	list.open(url + "/domains?sort=name")
	require.Contains(t, list.source(), joins)
	require.NotContains(t, list.source(), quits)
	list.open(url + "/domains/" + leads)
	require.Contains(t, list.source(), "<dd>1, 1 mutual</dd>")
	require.Contains(t, list.source(), "No longer reported")
	list.allow("404 (Not Found)")
	list.open(url + "/domains/" + quits)
	require.NotContains(t, list.source(), quits)
}

// stayed checks that those who had nothing to do with the changes are drawn where they were, give or take what a layout settles.
func (tb *tab) stayed(before map[string][2]float64) {
	tb.t.Helper()
	after, wide := tb.places(), 0.0
	for _, p := range before {
		wide = max(wide, math.Abs(p[0]), math.Abs(p[1]))
	}
	for name, p := range before {
		if q, ok := after[name]; ok && name != leads && name != ends {
			require.Less(tb.t, math.Hypot(p[0]-q[0], p[1]-q[1]), wide/5, "%s has jumped", name)
		}
	}
}
