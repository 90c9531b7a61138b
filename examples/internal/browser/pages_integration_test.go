//go:build integration

package browser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pages are the pages that are there for all to read, with a domain of the small network.
var pages = []string{
	"/domains", "/domains?q=b", "/domains?q=nobody", "/domains/a.test", "/domains/d.test", "/stats", "/add", "/join", "/about", "/embed", "/embed?focus=a.test&theme=dark", "/nowhere",
}

// Every page on every screen: no violation of WCAG that a program can find, no error, no request to others, and nothing wider than the screen.
func TestEveryPage(t *testing.T) {
	source := axe(t)
	s := newSite(t, small())
	for _, sc := range []screen{desktop, desktopDark, phone, phoneDark} {
		t.Run(sc.name, func(t *testing.T) {
			tb := newTab(t, sc)
			tb.allow("404 (Not Found)")
			for _, p := range pages {
				tb.open(s.url + p)
				tb.shot("page" + p)
				require.LessOrEqual(t, tb.overflow(), 0.0, "%s scrolls sideways", p)
				tb.accessible(source)
			}
		})
	}
}

// Hostile names and words are shown as what they are.
func TestHostileNames(t *testing.T) {
	s := newSite(t, hostile())
	for _, sc := range []screen{desktop, phone} {
		t.Run(sc.name, func(t *testing.T) {
			tb := newTab(t, sc)
			for _, p := range []string{"/domains", "/domains/" + homograph, "/domains/" + rightLeft, "/domains/" + longName(), "/domains/_under.score.test", "/stats", "/embed?focus=" + homograph} {
				tb.open(s.url + p)
				tb.shot("hostile" + p[:min(len(p), 40)])
				require.LessOrEqual(t, tb.overflow(), 0.0, "%s scrolls sideways", p)
				require.Zero(t, eval[int](tb, `document.querySelectorAll("main script, main [onerror], main img[src=x]").length`), p)
				text := eval[string](tb, `document.documentElement.textContent`)
				require.NotContains(t, text, "\u202e", p)
				require.NotContains(t, text, "secret.test", p)
			}
			tb.open(s.url + "/domains")
			listed := eval[[]string](tb, `[...document.querySelectorAll("tbody th")].map(th => th.innerText.trim())`)
			require.Contains(t, listed, homograph, "what passes for another name is shown in ASCII")
			require.Contains(t, listed, "пример.test "+cyrillic, "other scripts have their form in ASCII beside them")
		})
	}
}

// The list, with the keyboard and without scripts.
func TestListWithoutScripts(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, plain)
	tb.open(s.url + "/domains")
	require.Contains(t, tb.source(), `aria-sort="descending"`)
	tb.follow("Domain")
	require.Contains(t, tb.source(), `href="/domains?order=desc&amp;sort=name"`)
	tb.follow("a.test")
	require.Contains(t, tb.source(), "Why is this domain shown?")
}

// One can get anywhere with the keyboard alone, and sees where one is.
func TestKeyboard(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.open(s.url + "/domains")
	tb.keys(keyTab)
	require.Equal(t, "Skip to the content", eval[string](tb, `document.activeElement.innerText`))
	require.GreaterOrEqual(t, eval[float64](tb, `document.activeElement.getBoundingClientRect().left`), 0.0, "the link can be seen")
	tb.keys("\r")
	tb.until(`location.hash == "#main"`)
	var seen []string
	for range 40 {
		tb.keys(keyTab)
		where := eval[struct {
			Text    string
			Outline string
			Height  float64
		}](tb, `(() => { const e = document.activeElement, s = getComputedStyle(e); return {Text: e.innerText || e.name || e.tagName, Outline: s.outlineStyle + " " + s.outlineWidth, Height: e.getBoundingClientRect().height}; })()`)
		if where.Text == "BODY" || strings.Contains(strings.Join(seen, "|"), "Source") {
			break
		}
		require.Equal(t, "solid 3px", where.Outline, "the focus on %q can be seen", where.Text)
		seen = append(seen, where.Text)
	}
	require.Contains(t, seen, "a.test")
	require.Contains(t, seen, "Source")
}

// Targets are large enough for fingers (WCAG 2.5.8): at least 24 pixels, or a link within a sentence.
func TestTargets(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, phone)
	for _, p := range pages[:len(pages)-1] {
		tb.open(s.url + p)
		small := eval[[]string](tb, `[...document.querySelectorAll("a, button, input:not([type=hidden]), summary, textarea")].filter(e => {
			const r = e.getBoundingClientRect();
			if (!r.width || e.closest(".skip, p, li:not(nav li):not(.tops li), svg, small, .hidden") ) return false;
			return r.width < 24 || r.height < 24;
		}).map(e => e.outerHTML.slice(0, 120))`)
		require.Empty(t, small, p)
	}
}

// On paper there are the words and no navigation.
func TestPrint(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktopDark)
	tb.open(s.url + "/domains/a.test")
	require.True(t, strings.HasPrefix(string(tb.print()), "%PDF-"))
	tb.media("print")
	require.Equal(t, "none", eval[string](tb, `getComputedStyle(document.querySelector("header nav")).display`))
	require.Equal(t, "rgb(255, 255, 255)", eval[string](tb, `getComputedStyle(document.body).backgroundColor`), "dark pages are printed on white")
	tb.shot("print")
}

// The map on paper is the picture with its numbers.
func TestPrintMap(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktopDark)
	tb.ready(s.url + "/")
	tb.media("print")
	require.Equal(t, "none", eval[string](tb, `getComputedStyle(document.querySelector("header nav")).display`))
	require.True(t, strings.HasPrefix(string(tb.print()), "%PDF-"))
	tb.shot("print-map")
}

// Adding a domain without scripts shows each step, and what to change where one failed.
func TestAddWithoutScripts(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, plain)
	tb.open(s.url + "/add")
	tb.fill("#domain", "new.test")
	tb.submit("#add button")
	html := tb.source()
	require.Contains(t, html, "disco#info of new.test")
	require.Contains(t, html, "What to change")
	require.Contains(t, html, "Prosody")
	require.NotContains(t, html, "<img src=\"x\"")
	require.NotContains(t, html, "\u202e")
	tb.shot("added")

	tb.open(s.url + "/add")
	tb.fill("#domain", "not a name")
	tb.allow("400 (Bad Request)")
	tb.submit("#add button")
	require.Contains(t, tb.source(), "Not visited")
}
