//go:build integration

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// history waits in the page until so many observations are there.
const history = `(async () => { for (;;) {
	const r = await fetch("/api/v1/history?points=10");
	if (r.ok && (await r.json()).points?.length >= 3) return true;
	await new Promise(done => setTimeout(done, 250));
} })()`

// wasMutual asks for the moment that is shown, and whether some of its links were reported by both ends and some by one.
const wasMutual = `fetch("/api/v1/graph?at=" + new URLSearchParams(location.search).get("at")).then(r => r.json()).then(g => g.mutual.includes("1") && g.mutual.includes("0"))`

// The whole of it: an invented federation is crawled while the page is open, and can be searched, wound back, and added to.
func TestDemo(t *testing.T) {
	url := aggregator(t, "-demo", "-demo-size", "40")
	tb := newTab(t, desktop)
	tb.ready(url + "/")
	tb.until(`document.getElementById("lead").innerText.startsWith("40 named")`)
	require.True(t, get(tb, chromedp.Evaluate[bool](history, chromedp.EvalAwaitPromise)))

	tb.ready(url + "/")
	tb.until(`!document.getElementById("time").hidden`)
	tb.run(chromedp.Focus(chromedp.CSS("#when")))
	tb.keys(kb.PageDown)
	tb.until(`document.getElementById("live").innerText == "Past" && location.search.includes("at=")`)
	tb.until(`document.getElementById("lead").innerText.startsWith("40 named") && document.getElementById("lead").innerText.includes("stay unnamed")`)
	require.True(t, get(tb, chromedp.Evaluate[bool](wasMutual, chromedp.EvalAwaitPromise)), "links of both kinds in the past")
	tb.accessible(axe(t))
	tb.shot("demo-past")
	tb.click("#now")
	tb.until(`document.getElementById("live").innerText == "Live" && location.search == ""`)

	tb.open(url + "/stats")
	require.Equal(t, 3, eval[int](tb, `document.querySelectorAll(".charts figure").length`))
	tb.shot("demo-stats")

	tb.open(url + "/domains?sort=name&order=asc")
	name := eval[string](tb, `document.querySelector("tbody th a").innerText.trim()`)
	tb.follow(name)
	require.Contains(t, tb.source(), "until now", "when it was seen")
	tb.shot("demo-domain")

	tb.open(url + "/add")
	tb.fill("#domain", name)
	tb.click("#add button")
	tb.until(`!!document.querySelector("#answer .verdict.ok a")`)
	tb.shot("demo-add")
	tb.submit("#answer .verdict a")
	tb.panel(name)
}
