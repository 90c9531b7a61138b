//go:build integration

package browser

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// demo runs the aggregator as anybody would who wants to see it, and returns its address.
func demo(t *testing.T, size string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "aggregator")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/xmppgraph/xmppgraph/examples/aggregator").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(bin, "-demo", "-demo-size", size, "-listen", "localhost:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, cmd.Wait())
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(strings.TrimSpace(line), "/")
}

// history waits in the page until so many observations are there.
const history = `(async () => { for (;;) {
	const r = await fetch("/api/v1/history?points=10");
	if (r.ok && (await r.json()).points?.length >= 3) return true;
	await new Promise(done => setTimeout(done, 250));
} })()`

// The whole of it: an invented federation is crawled while the page is open, and can be searched, wound back, and added to.
func TestDemo(t *testing.T) {
	url := demo(t, "40")
	tb := newTab(t, desktop)
	tb.ready(url + "/")
	tb.until(`document.getElementById("lead").innerText.startsWith("40 named")`)
	require.True(t, get(tb, chromedp.Evaluate[bool](history, chromedp.EvalAwaitPromise)))

	tb.ready(url + "/")
	tb.until(`!document.getElementById("time").hidden`)
	tb.run(chromedp.Focus(chromedp.CSS("#when")))
	tb.keys(kb.PageDown)
	tb.until(`document.getElementById("live").innerText == "Past" && location.search.includes("at=")`)
	tb.until(`document.getElementById("lead").innerText.startsWith("40 named")`)
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
