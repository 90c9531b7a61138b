//go:build integration

package browser

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// before has a script run in each page ahead of its own.
func (tb *tab) before(source string) {
	tb.t.Helper()
	_ = get(tb, func(ctx context.Context, t *chromedp.Target) (page.AddScriptToEvaluateOnNewDocumentResult, error) {
		return cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
	})
}

// block keeps the page from whatever is named, or from nothing.
func (tb *tab) block(patterns ...string) {
	tb.t.Helper()
	var p network.SetBlockedURLsParams
	for _, text := range patterns {
		p.URLPatterns = append(p.URLPatterns, &network.BlockPattern{URLPattern: text, Block: true})
	}
	tb.run(call(network.SetBlockedURLs, p))
}

// ground is what can be seen of the canvas in its middle, as red, green, blue and opacity.
const ground = `(() => { const p = document.getElementById("picture"), x = document.createElement("canvas").getContext("2d");
	x.drawImage(p, -p.clientWidth / 2, -p.clientHeight / 2);
	return [...x.getImageData(0, 0, 1, 1).data]; })()`

// Where the network can't be fetched, the page says so on its own ground, and the visitor may try again.
func TestMapWithoutNetwork(t *testing.T) {
	source := axe(t)
	s := newSite(t, small())
	for _, sc := range []screen{desktop, phoneDark} {
		t.Run(sc.name, func(t *testing.T) {
			tb := newTab(t, sc)
			tb.allow("ERR_BLOCKED")
			tb.block("*://*:*/api/v1/graph")
			tb.open(s.url + "/")
			tb.until(`document.getElementById("wait").innerText.includes("could not be fetched")`)
			require.Equal(t, []int{0, 0, 0, 0}, eval[[]int](tb, ground), "the canvas lets the page's ground through")
			tb.accessible(source)
			tb.shot("map-unfetched")
			tb.click("#wait button")
			tb.until(`document.querySelector("#wait button")`)
			tb.block()
			tb.click("#wait button")
			tb.until(`performance.getEntriesByName("ready").length > 0`)
			require.True(t, eval[bool](tb, `document.getElementById("wait").hidden`))
			require.Equal(t, 255, eval[[]int](tb, ground)[3])
		})
	}
}

// Browsers in which no worker can draw, or in which none comes, draw on the page.
func TestMapWithoutWorker(t *testing.T) {
	for name, source := range map[string]string{
		"unknown":     `delete globalThis.OffscreenCanvasRenderingContext2D`,
		"unreachable": `globalThis.Worker = class extends EventTarget { constructor() { super(); setTimeout(() => this.dispatchEvent(new Event("error"))); } postMessage() {} terminate() {} }`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, small())
			tb := newTab(t, desktop)
			tb.before(source)
			tb.ready(s.url + "/")
			tb.until(`document.getElementById("lead").innerText.includes("4 named")`)
			overview := tb.still()
			tb.click("#zoom-in")
			tb.changed(overview)
			tb.ready(s.url + "/?focus=a.test")
			tb.panel("a.test")
			tb.shot("map-" + name)
		})
	}
}
