//go:build integration

package browser

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// axePath is where npm puts the checker, beside the sources of the map.
const axePath = "../web/app/node_modules/axe-core/axe.min.js"

// axe returns the source of the checker.
func axe(t *testing.T) string {
	t.Helper()
	path := axePath
	if p := os.Getenv("AXE"); p != "" {
		path = p
	}
	b, err := os.ReadFile(path)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("no axe-core: run npm ci in examples/internal/web/app")
	}
	require.NoError(t, err)
	return string(b)
}

// violation is what axe-core says of one rule.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// accessible checks the page as it is against WCAG 2.2 AA and the best practices.
func (tb *tab) accessible(source string) {
	tb.t.Helper()
	tb.run(chromedp.Evaluate[chromedp.Void](source))
	found := get(tb, chromedp.Evaluate[[]violation](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
		r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => ({html: n.html.slice(0, 300), failureSummary: n.failureSummary}))})))`, chromedp.EvalAwaitPromise))
	var all []string
	for _, v := range found {
		for _, n := range v.Nodes {
			all = append(all, v.ID+": "+v.Help+"\n"+n.HTML+"\n"+n.Summary)
		}
	}
	require.Empty(tb.t, all, "%s", strings.Join(all, "\n\n"))
}
