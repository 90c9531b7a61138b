//go:build integration

package pagebench

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	chromenet "github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/examples/internal/api"
	"github.com/xmppgraph/xmppgraph/examples/internal/edition"
	"github.com/xmppgraph/xmppgraph/examples/internal/web"
	"github.com/xmppgraph/xmppgraph/graph"
)

var (
	network = flag.String("network", "", "a network in the form of the old site's data.json; one is invented without")
	times   = flag.String("times", "1", "sizes as multiples of the network, with commas between them")
	runs    = flag.Int("runs", 5, "loads of each page, of which the median counts")
	shots   = flag.String("shots", os.Getenv("SCREENSHOTS"), "a folder for pictures of the page, none if empty")
)

// patience bounds the wait for a page on a machine that is busy.
const patience = 60 * time.Second

// budget is what the first picture of the real network may cost in compressed bytes: page, styles, script and data.
const budget = 60 << 10

func TestPage(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("no chromium: install the Debian package")
	}
	require.NoError(t, err)
	for _, text := range strings.Split(*times, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		require.NoError(t, err)
		t.Run(fmt.Sprintf("%dx", n), func(t *testing.T) { measureSize(t, path, n) })
	}
}

func measureSize(t *testing.T, chromium string, n int) {
	g := graph.New(graph.Options{})
	if *network == "" {
		invented(g, n)
	} else {
		all, err := read(*network)
		require.NoError(t, err)
		multiply(g, all, n)
	}
	url := serve(t, g)
	b := newBrowser(t, chromium)
	c := g.Snapshot().Counts()
	t.Logf("%d named domains, %d links, %d links to unnamed domains", c.Domains, c.Links, c.Unnamed)

	var blanks, loads []load
	for range *runs {
		blanks = append(blanks, b.load(t, url+"/blank", `location.pathname === "/blank" && performance.getEntriesByName("first-paint").length > 0`))
		loads = append(loads, b.load(t, url+"/", `performance.getEntriesByName("ready").length > 0`))
	}
	report := func(name string, of func(load) float64, unit string) {
		t.Logf("%-22s least %6.0f, median %6.0f %-3s beside a blank page's %4.0f, %4.0f", name, least(loads, of), median(loads, of), unit, least(blanks, of), median(blanks, of))
	}
	report("drawn", func(l load) float64 { return l.Drawn }, "ms")
	report("main thread, CPU", func(l load) float64 { return l.Main }, "ms")
	report("of it script", func(l load) float64 { return l.Script }, "ms")
	report("longest task", func(l load) float64 { return l.Longest }, "ms")
	report("bytes", func(l load) float64 { return l.Bytes }, "B")
	p := b.pan(t)
	t.Logf("panning: %.0f frames/s, 95%% within %.1f ms, longest task %.0f ms", p.Rate, p.P95, p.Longest)
	if n == 1 {
		require.Less(t, median(loads, func(l load) float64 { return l.Bytes }), float64(budget), "bytes of the first picture")
	}
	b.shot(t, url+"/", fmt.Sprintf("map-%dx", n))
	require.Empty(t, b.problems(), "errors of the page")
}

// serve serves the pages and the API over a graph, and a page without anything.
func serve(t *testing.T, g *graph.Graph) string {
	press := edition.New(g, edition.Options{})
	programs := api.New(press, api.Options{})
	pages := web.New(press, web.Options{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/blank":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html><title>blank</title><link rel=icon href=data:,><p>blank"))
		case api.Handles(r.URL.Path):
			programs.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		programs.Close()
		srv.Close()
	})
	// The layout is made once for all visitors.
	_, err := press.Current().Layout(context.Background())
	require.NoError(t, err)
	return srv.URL
}

// browser is a Chromium with one tab.
type browser struct {
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

func newBrowser(t *testing.T, path string) *browser {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancel)
	b := &browser{ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*cdplog.EventEntryAdded); ok && e.Entry.Level == cdplog.EntryLevelError {
			b.mu.Lock()
			b.errors = append(b.errors, e.Entry.Text+" "+e.Entry.URL)
			b.mu.Unlock()
		}
	}))
	b.do(t,
		call(cdplog.Enable, cdp.Empty{}),
		// What an earlier load left in the cache would make the next one look cheap.
		call(chromenet.Enable, chromenet.EnableParams{}),
		call(chromenet.SetCacheDisabled, chromenet.SetCacheDisabledParams{CacheDisabled: true}),
		// The processor's time tells what the page costs, whatever else runs.
		call(performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: 800, DeviceScaleFactor: 1}),
	)
	return b
}

func (b *browser) problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.errors)
}

// call is a command of the protocol as a step.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, c, params)
		return none, err
	}
}

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return v
}

// load is what one load of a page took, in milliseconds and bytes.
type load struct {
	Drawn, Main, Script, Longest, Bytes float64
}

// timings is read once the page is ready. Without a mark of its own a page is drawn when it is first painted.
const timings = `(async () => {
	const tasks = await new Promise(done => {
		new PerformanceObserver((list, o) => { o.disconnect(); done(list.getEntries()); }).observe({type: "longtask", buffered: true});
		setTimeout(() => done([]), 50);
	});
	const drawn = performance.getEntriesByName("drawn")[0]?.startTime ?? performance.getEntriesByName("first-paint")[0]?.startTime ?? 0;
	const sent = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter(e => e.startTime < drawn);
	return {Drawn: drawn, Longest: Math.max(0, ...tasks.map(t => t.duration)), Bytes: sent.reduce((n, e) => n + e.transferSize, 0)};
})()`

// visit goes to a page and waits until an expression is true there.
// Where the wait began on the page before, whose context is gone, it begins again.
func (b *browser) visit(t *testing.T, url, ready string) {
	t.Helper()
	b.do(t, chromedp.Navigate(url))
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](ready, chromedp.WithPollingTimeout(patience)))
		if err == nil {
			return
		}
		require.Contains(t, err.Error(), "context", "waiting for %s at %s", ready, url)
		require.NoError(t, ctx.Err(), "waiting for %s at %s", ready, url)
	}
}

// leave goes away from a page, so that nothing of it is taken for the next.
func (b *browser) leave(t *testing.T) {
	t.Helper()
	b.visit(t, "about:blank", `location.href === "about:blank"`)
}

func (b *browser) load(t *testing.T, url, ready string) load {
	t.Helper()
	b.leave(t)
	b.visit(t, url, ready)
	// The counters began anew with this page, which has a process of its own.
	main, script := b.work(t)
	l := eval[load](t, b, timings)
	l.Main, l.Script = main, script
	return l
}

// work returns how long the main thread has worked for a page, with the start of its process but without what this benchmark asked it to do,
// and how much of that was script, in milliseconds.
func (b *browser) work(t *testing.T) (main, script float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, chromedp.Action[performance.GetMetricsResult](func(ctx context.Context, target *chromedp.Target) (performance.GetMetricsResult, error) {
		return cdp.Call(ctx, target, performance.GetMetrics, cdp.Empty{})
	}))
	require.NoError(t, err)
	for _, m := range found.Metrics {
		switch m.Name {
		case "TaskDuration":
			main += m.Value * 1000
		case "DevToolsCommandDuration":
			main -= m.Value * 1000
		case "ScriptDuration":
			script = m.Value * 1000
		}
	}
	return main, script
}

// panned is how smoothly the picture follows a pointer, and the longest time for which the page answered nothing.
type panned struct {
	Rate, P95, Longest float64
}

// panning drags the picture in circles for two seconds, and counts the pictures that were painted, which the page itself could outrun.
const panning = `(async () => {
	const c = document.getElementById("picture"), box = c.getBoundingClientRect();
	let longest = 0;
	const observer = new PerformanceObserver(list => { for (const e of list.getEntries()) longest = Math.max(longest, e.duration); });
	observer.observe({type: "longtask"});
	const at = (type, to, x, y) => to.dispatchEvent(new MouseEvent(type, {bubbles: true, cancelable: true, view: window, clientX: x, clientY: y, buttons: 1}));
	const x0 = box.left + box.width / 2, y0 = box.top + box.height / 2;
	at("mousedown", c, x0, y0);
	const frames = [];
	c.addEventListener("painted", () => frames.push(performance.now()));
	const begin = performance.now();
	await new Promise(done => {
		const step = () => {
			const t = (performance.now() - begin) / 1000;
			at("mousemove", window, x0 + 300 * Math.sin(2 * t), y0 + 200 * Math.sin(3 * t));
			t < 2 ? requestAnimationFrame(step) : done();
		};
		requestAnimationFrame(step);
	});
	at("mouseup", window, x0, y0);
	await new Promise(done => setTimeout(done, 300));
	observer.disconnect();
	const gaps = frames.slice(1).map((f, i) => f - frames[i]).sort((a, b) => a - b);
	return {Rate: (frames.length - 1) / (frames.at(-1) - frames[0]) * 1000, P95: gaps[Math.floor(gaps.length * 0.95)], Longest: longest};
})()`

func (b *browser) pan(t *testing.T) panned {
	t.Helper()
	return eval[panned](t, b, panning)
}

// shot keeps a picture for those who want to look.
func (b *browser) shot(t *testing.T, url, name string) {
	t.Helper()
	if *shots == "" {
		return
	}
	// The picture after the drag is not where a visitor begins.
	b.leave(t)
	b.visit(t, url, `performance.getEntriesByName("ready").length > 0`)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(*shots, name+".jpg"), picture, 0o644))
}

func least(all []load, of func(load) float64) float64 {
	v := of(all[0])
	for _, l := range all[1:] {
		v = min(v, of(l))
	}
	return v
}

func median(all []load, of func(load) float64) float64 {
	var v []float64
	for _, l := range all {
		v = append(v, of(l))
	}
	slices.Sort(v)
	return v[len(v)/2]
}
