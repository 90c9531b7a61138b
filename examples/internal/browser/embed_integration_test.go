//go:build integration

package browser

import (
	"bytes"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// wheel turns the wheel over a place with nothing on it.
func (tb *tab) wheel(by float64) {
	tb.t.Helper()
	tb.run(call(input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseWheel, X: 40, Y: 600, DeltaX: 1e-3, DeltaY: by, // the protocol wants both, and a zero is left out
	}))
}

// The map in a frame can be moved, and leaves the wheel to the site around it until somebody goes into it.
func TestEmbed(t *testing.T) {
	source := axe(t)
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/embed?theme=dark")
	tb.accessible(source)
	tb.shot("embed-live")
	// A pointer that comes has the picture painted anew, with what lies beyond its rims.
	tb.wheel(-300)
	first := tb.still()
	tb.wheel(-300)
	require.Equal(t, first, tb.still(), "the wheel is the site's")
	tb.click("#zoom-in")
	near := tb.changed(first)
	tb.click("#zoom-fit")
	tb.changed(near)

	tb.run(chromedp.Focus(chromedp.CSS("#picture")))
	tb.wheel(-300)
	tb.changed(first)
	tb.keys(kb.Home)
	tb.until(`document.getElementById("told").innerText.includes("links")`)
	tb.keys("0", kb.Escape)

	tb.ready(s.url + "/embed?focus=a.test")
	require.Equal(t, "/?focus=a.test", eval[string](tb, `document.querySelector("main > p a").getAttribute("href")`))
	focused := tb.still()
	require.NotEqual(t, first, focused)
	require.Empty(t, eval[[]string](tb, `performance.getEntriesByType("resource").map(e => e.name).filter(n => n.includes("/events"))`), "many frames hold no stream open each")
	tb.shot("embed-focus")
}

// What changes is in the frame with its next look.
func TestEmbedFollows(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	// The minute of the page passes at once, again and again, when the test says so.
	tb.before(`window.setInterval = (f) => { window.minute = f; return 1; }`)
	tb.ready(s.url + "/embed")
	before := tb.still()
	s.graph.Apply(graph.Report{Domain: xep.MustName("new.test"), Until: time.Now().Add(time.Hour), Unnamed: 90, Peers: []graph.Peer{{Name: xep.MustName("b.test")}}})
	tb.run(chromedp.Evaluate[chromedp.Void](`window.minute()`))
	after := tb.changed(before)

	// Where the site can't be reached for long, nobody can tell who has withdrawn meanwhile.
	tb.allow("ERR_BLOCKED")
	tb.block("*://*:*/api/v1/graph")
	tb.run(chromedp.Evaluate[chromedp.Void](`for (let i = 0; i < 9; i++) window.minute()`))
	require.Equal(t, after, tb.still())
	require.True(t, eval[bool](tb, `document.getElementById("wait").hidden`))
	tb.run(chromedp.Evaluate[chromedp.Void](`window.minute()`))
	tb.until(`!document.getElementById("wait").hidden`)
	tb.changed(after)
	tb.block()
	tb.run(chromedp.Evaluate[chromedp.Void](`window.minute()`))
	tb.until(`document.getElementById("wait").hidden`)
}

// Without scripts, or for those who have none, the frame holds the picture with a link.
func TestEmbedWithoutScripts(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, plain)
	tb.open(s.url + "/embed?focus=a.test")
	require.Contains(t, tb.source(), `src="/picture.svg?bare=1&amp;focus=a.test"`)
	tb.shot("embed")
}

// Another site may show the frame, and nothing else of ours.
func TestEmbedOnAnotherSite(t *testing.T) {
	s := newSite(t, small())
	for _, tc := range []struct {
		path  string
		shown bool
	}{{"/embed", true}, {"/", false}} {
		t.Run(tc.path, func(t *testing.T) {
			around := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Another site</title><link rel="icon" href="data:,"><iframe src="%s%s" width="800" height="560" title="The XMPP network"></iframe>`, s.url, tc.path)
			}))
			t.Cleanup(around.Close)
			tb := newTab(t, desktop)
			tb.crossed = true
			if !tc.shown {
				tb.allow("frame-ancestors")
				tb.allow("ERR_BLOCKED_BY_RESPONSE")
			}
			tb.open(around.URL)
			if !tc.shown {
				require.Less(t, tb.colours(), 30)
				return
			}
			for deadline := time.Now().Add(patience); tb.colours() < 60; {
				require.Less(t, time.Now(), deadline, "nothing is drawn in the frame")
			}
			tb.shot("embed-elsewhere")
		})
	}
}

// colours is how many colours can be seen, frames of others included, which no script can look into.
func (tb *tab) colours() int {
	tb.t.Helper()
	img, _, err := image.Decode(bytes.NewReader(get(tb, chromedp.FullScreenshot(100))))
	require.NoError(tb.t, err)
	seen := make(map[any]bool)
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			seen[img.At(x, y)] = true
		}
	}
	return len(seen)
}
