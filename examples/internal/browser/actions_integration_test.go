//go:build integration

package browser

import (
	"fmt"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// follow clicks the first link of the page's content with these words, and waits for the page behind it.
func (tb *tab) follow(words string) {
	tb.t.Helper()
	at := chromedp.Search(fmt.Sprintf(`//main//a[starts-with(normalize-space(.), "%s")]`, words))
	_, err := chromedp.RunResponse(tb.ctx, chromedp.Click(at))
	require.NoError(tb.t, err)
}

// media has the page laid out for another medium.
func (tb *tab) media(name string) {
	tb.t.Helper()
	tb.run(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: name}))
}

// fill writes into a field.
func (tb *tab) fill(selector, text string) {
	tb.t.Helper()
	tb.run(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// submit clicks a button or a link, and waits for the page behind it.
func (tb *tab) submit(selector string) {
	tb.t.Helper()
	_, err := chromedp.RunResponse(tb.ctx, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(tb.t, err)
}
