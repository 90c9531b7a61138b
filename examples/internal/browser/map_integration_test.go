//go:build integration

package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// ready opens the map, and waits until it is drawn and can be used.
func (tb *tab) ready(url string) {
	tb.t.Helper()
	tb.open(url)
	tb.until(`performance.getEntriesByName("ready").length > 0`)
}

// drawing is the picture as a number, which changes when something else is drawn. A worker may own the canvas, so that the page can only copy what it shows.
const drawing = `(() => { const p = document.getElementById("picture"), c = window.lens ??= document.createElement("canvas");
	c.width = p.clientWidth; c.height = p.clientHeight;
	const x = c.getContext("2d", {willReadFrequently: true});
	x.drawImage(p, 0, 0);
	const d = x.getImageData(0, 0, c.width, c.height).data;
	let h = 0; for (let i = 0; i < d.length; i += 16) h = (h * 31 + d[i] + d[i+1] + d[i+2]) | 0; return h; })()`

// still waits until the picture no longer moves: two looks, some frames apart, find the same.
func (tb *tab) still() int {
	tb.t.Helper()
	tb.run(chromedp.Evaluate[chromedp.Void](`window.lastLook = [0, 0]`))
	tb.until(`(() => { const h = ` + drawing + `; const [was, n] = window.lastLook; window.lastLook = h === was ? [h, n + 1] : [h, 0]; return window.lastLook[1] > 6; })()`)
	return eval[int](tb, drawing)
}

// changed waits until the picture is another one, and no longer moves.
func (tb *tab) changed(from int) int {
	tb.t.Helper()
	tb.until(fmt.Sprintf("%s != %d", drawing, from))
	return tb.still()
}

// panel waits until the panel is about a domain.
func (tb *tab) panel(name string) {
	tb.t.Helper()
	tb.until(`!document.getElementById("panel").hidden && document.querySelector("#panel h2").innerText == ` + "`" + name + "`")
}

// Two keystrokes and Enter find a domain, and Back leads back.
func TestSearch(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/")
	tb.keys("/", "b", ".")
	tb.until(`document.querySelector("#found [role=option] bdi")?.innerText == "b.test"`)
	require.Equal(t, "true", eval[string](tb, `document.getElementById("focus").getAttribute("aria-expanded")`))
	tb.keys(kb.ArrowDown)
	tb.until(`document.getElementById("focus").getAttribute("aria-activedescendant") == document.querySelector("#found [aria-selected=true]").id`)
	tb.keys(kb.Enter)
	tb.panel("b.test")
	require.Equal(t, "?focus=b.test", eval[string](tb, `location.search`))
	require.Contains(t, eval[string](tb, `document.title`), "b.test")
	tb.until(`document.getElementById("panel").innerText.includes("ejabberd")`)
	tb.run(chromedp.Evaluate[chromedp.Void](`history.back()`))
	tb.until(`document.getElementById("panel").hidden && location.search == ""`)
	tb.run(chromedp.Evaluate[chromedp.Void](`history.forward()`))
	tb.panel("b.test")

	// A domain that isn't shown gets the same words as one that doesn't exist.
	tb.keys("/")
	tb.fill("#focus", "secret.test")
	tb.keys(kb.Enter)
	tb.panel("secret.test")
	require.Contains(t, eval[string](tb, `document.getElementById("panel").innerText`), "No domain with this name is shown")
}

// The keyboard alone reaches everything on the map.
func TestMapByKeyboard(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/")
	for range 30 {
		tb.keys(keyTab)
		if eval[string](tb, `document.activeElement.id`) == "picture" {
			break
		}
	}
	require.Equal(t, "picture", eval[string](tb, `document.activeElement.id`))
	tb.keys(kb.Home)
	tb.until(`document.getElementById("told").innerText.includes("b.test") || document.getElementById("told").innerText.includes("a.test")`)
	before := eval[string](tb, `document.getElementById("told").innerText`)
	tb.keys(kb.ArrowRight, kb.ArrowLeft, kb.ArrowDown, kb.ArrowUp)
	tb.keys(kb.Enter)
	tb.until(`!document.getElementById("panel").hidden && document.getElementById("panel").contains(document.activeElement)`)
	require.NotEmpty(t, before)
	tb.keys(kb.Escape)
	tb.until(`document.getElementById("panel").hidden && document.activeElement.id == "picture"`)
	at := tb.still()
	tb.keys("+")
	near := tb.changed(at)
	tb.keys("0")
	tb.changed(near)
}

// Unnamed links can be shown as dots, as a number, or not at all; the address says which, and the old site's parameters are understood.
func TestUnnamed(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/")
	dots := tb.still()
	tb.click("#options-open")
	tb.click(`#options input[value="hide"]`)
	tb.until(`location.search.includes("unnamed=hide")`)
	hidden := tb.changed(dots)
	tb.click(`#options input[value="combine"]`)
	tb.until(`location.search.includes("unnamed=combine")`)
	tb.changed(hidden)
	tb.ready(s.url + "/?skipAnon&focus=a.test")
	tb.panel("a.test")
	tb.click("#options-open")
	tb.until(`document.querySelector('#options input[value="hide"]').checked`)
}

// What happens in the network is on the page a moment later, and a name that is withdrawn is gone.
func TestLive(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/?focus=b.test")
	tb.until(`document.getElementById("live").innerText == "Live"`)
	until := time.Now().Add(time.Hour)
	s.graph.Apply(graph.Report{Domain: xep.MustName("new.test"), Until: until, Unnamed: 1, Peers: []graph.Peer{{Name: xep.MustName("b.test"), Until: until}}})
	tb.until(`document.getElementById("lead").innerText.includes("5 named")`)
	tb.panel("b.test")
	require.Equal(t, "?focus=b.test", eval[string](tb, `location.search`), "the visitor is where they were")

	s.graph.Forget(xep.MustName("b.test"))
	tb.until(`document.getElementById("panel").innerText.includes("No domain with this name is shown")`)
	tb.click("#panel .close")
	tb.until(`!document.getElementById("map").innerText.includes("b.test")`)
}

// The page says that it is offline, and comes back by itself.
func TestOffline(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/")
	tb.until(`document.getElementById("live").innerText == "Live"`)
	tb.allow("ERR_INTERNET_DISCONNECTED")
	tb.allow("ERR_NETWORK_CHANGED")
	offline := func(yes bool) {
		tb.run(call(network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1}))
	}
	offline(true)
	tb.until(`document.getElementById("live").innerText == "Offline"`)
	offline(false)
	tb.until(`document.getElementById("live").innerText == "Live"`)
}

// On a phone the panel is a sheet, the picture takes fingers, and nothing is wider than the screen.
func TestMapOnPhone(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, phone)
	tb.ready(s.url + "/?focus=b.test")
	tb.panel("b.test")
	require.LessOrEqual(t, tb.overflow(), 0.0)
	box := eval[struct{ Top, Left, Width float64 }](tb, `(() => { const r = document.getElementById("panel").getBoundingClientRect(); return {Top: r.top, Left: r.left, Width: r.width}; })()`)
	require.Greater(t, box.Top, 200.0, "the sheet leaves room for the picture")
	require.GreaterOrEqual(t, box.Width, 340.0)
	tb.shot("map-sheet")
	tb.run(chromedp.Tap(chromedp.CSS("#panel .close")))
	tb.until(`document.getElementById("panel").hidden`)
	tb.shot("map")

	// The buttons leave the picture to the network until they are asked for, and again when it is touched.
	overview := tb.still()
	tb.run(chromedp.Tap(chromedp.CSS("#tools-open")))
	tb.until(`document.getElementById("tools").offsetWidth > 200`)
	small := eval[[]string](tb, `[...document.querySelectorAll("#tools button, #tools-open")].filter(b => b.offsetWidth < 44 || b.offsetHeight < 44).map(b => b.id)`)
	require.Empty(t, small, "buttons that a finger misses")
	tb.shot("map-tools")
	tb.run(chromedp.Tap(chromedp.CSS("#zoom-in")))
	tb.changed(overview)
	require.False(t, eval[bool](tb, `document.getElementById("tools").hidden`), "one may zoom on")
	tb.run(chromedp.Tap(chromedp.CSS("#picture")))
	tb.until(`document.getElementById("tools").hidden`)
	require.Equal(t, "false", eval[string](tb, `document.getElementById("tools-open").getAttribute("aria-expanded")`))
}

// tool presses a button of the view, which a small screen keeps behind another.
func (tb *tab) tool(selector string) {
	tb.t.Helper()
	if tb.screen.phone && eval[bool](tb, `document.getElementById("tools").hidden`) {
		tb.click("#tools-open")
	}
	tb.click(selector)
}

// The map without a violation, on every screen and in every state.
func TestMapAccessible(t *testing.T) {
	source := axe(t)
	s := newSite(t, small())
	for _, sc := range []screen{desktop, desktopDark, phone, phoneDark} {
		t.Run(sc.name, func(t *testing.T) {
			tb := newTab(t, sc)
			tb.ready(s.url + "/")
			tb.accessible(source)
			tb.shot("map")
			tb.tool("#share-open")
			tb.accessible(source)
			tb.shot("map-share")
			tb.keys(kb.Escape)
			tb.tool("#options-open")
			tb.accessible(source)
			tb.ready(s.url + "/?focus=a.test")
			tb.panel("a.test")
			tb.until(`document.getElementById("panel").innerText.includes("Prosody")`)
			tb.accessible(source)
			tb.shot("map-focus")
			require.LessOrEqual(t, tb.overflow(), 0.0)
		})
	}
}

// Hostile names on the map are what they are, and an empty network is a friendly one.
func TestMapOfHostileNames(t *testing.T) {
	s := newSite(t, hostile())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/?focus=" + rightLeft)
	tb.until(`document.querySelector("#panel .plain")?.innerText == "` + rightLeft + `"`)
	tb.until(`document.getElementById("panel").innerText.includes("onerror=alert(1)")`)
	require.Zero(t, eval[int](tb, `document.querySelectorAll("#map script, #map [onerror], #map img[src=x]").length`))
	require.NotContains(t, eval[string](tb, `document.body.innerText`), "\u202e")
	tb.keys("/")
	tb.fill("#focus", "pple")
	tb.until(`document.querySelectorAll("#found [role=option]").length == 2`)
	listed := eval[[]string](tb, `[...document.querySelectorAll("#found bdi")].map(e => e.innerText)`)
	require.ElementsMatch(t, []string{"apple.test", homograph}, listed)
	tb.shot("map-hostile")
}

func TestEmptyMap(t *testing.T) {
	s := newSite(t, graph.New(graph.Options{}))
	tb := newTab(t, desktop)
	tb.ready(s.url + "/")
	require.Contains(t, eval[string](tb, `document.getElementById("map").innerText`), "Nothing is known yet")
	tb.until(`document.getElementById("live").innerText == "Live"`)
	until := time.Now().Add(time.Hour)
	s.graph.Apply(graph.Report{Domain: xep.MustName("first.test"), Until: until, Unnamed: 5})
	tb.until(`document.getElementById("lead").innerText.includes("1 named")`)
	tb.still()
}

// Without scripts there is a picture of the network and the way to the list.
func TestMapWithoutScripts(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, plain)
	tb.open(s.url + "/?focus=a.test")
	html := tb.source()
	require.Contains(t, html, `href="/domains/a.test"`)
	require.Contains(t, html, "named domains")
	tb.shot("map")
}

// Adding a domain with scripts shows the steps as they come.
func TestAddLive(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, phone)
	tb.open(s.url + "/add")
	tb.fill("#domain", "new.test")
	tb.click("#add button")
	tb.until(`document.querySelectorAll("#answer .trace > li").length == 2 && !document.querySelector("#answer .waiting")`)
	require.Contains(t, eval[string](tb, `document.getElementById("answer").innerText`), "What to change")
	require.LessOrEqual(t, tb.overflow(), 0.0)
	require.Equal(t, "/add", eval[string](tb, `location.pathname + location.search`), "the page stayed")
	tb.shot("add-live")
}
