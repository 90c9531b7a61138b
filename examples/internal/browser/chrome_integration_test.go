//go:build integration

package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// patience bounds the wait for what should happen within a second, on a machine that is busy.
const patience = time.Minute

// chrome is the browser that all tests share: each has tabs of its own, which know nothing of each other.
var chrome context.Context

// scratch is a folder that is removed after all tests.
var scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser: no chromium: install the Debian package")
		if os.Getenv("CI") != "" {
			return 1
		}
		return 0
	}
	if scratch, err = os.MkdirTemp("", "browser"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(scratch, "profile")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("mute-audio", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	browser, quit := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	defer quit()
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		return 1
	}
	chrome = browser
	return m.Run()
}

// screen is what a visitor looks at.
type screen struct {
	name          string
	width, height int64
	dark, phone   bool
	// plain is a browser without scripts.
	plain bool
	// calm is a visitor who wants no motion.
	calm bool
}

var (
	desktop     = screen{name: "desktop", width: 1280, height: 800}
	desktopDark = screen{name: "desktop-dark", width: 1280, height: 800, dark: true}
	phone       = screen{name: "phone", width: 360, height: 740, phone: true}
	phoneDark   = screen{name: "phone-dark", width: 360, height: 740, phone: true, dark: true}
	plain       = screen{name: "plain", width: 1280, height: 800, plain: true}
)

// tab is one page in the browser. When its test ends, it must have met no error.
type tab struct {
	t      *testing.T
	ctx    context.Context
	screen screen
	host   string

	mu     sync.Mutex
	errors []string
	asked  []string
	// allowed are parts of errors that the test wants.
	allowed []string
	crossed bool // whether it may go to other hosts
}

// newTab opens a tab that shares no storage with others.
func newTab(t *testing.T, s screen) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chrome, chromedp.WithNewBrowserContext())
	tb := &tab{t: t, screen: s}
	require.NoError(t, chromedp.Listen(ctx, tb.listen))
	ctx, late := context.WithTimeout(ctx, 5*patience)
	tb.ctx = ctx
	t.Cleanup(func() {
		late()
		cancel()
		require.Empty(t, tb.problems(), "errors of the page")
		require.Empty(t, tb.strangers(), "requests to others")
	})
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	motion := "no-preference"
	if s.calm {
		motion = "reduce"
	}
	tb.run(
		call(cdplog.Enable, cdp.Empty{}),
		call(network.Enable, network.EnableParams{}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.phone}),
		call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: s.phone}),
		call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.plain}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		}}),
	)
	return tb
}

// call is a command of the protocol as a step.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, c, params)
		return none, err
	}
}

// listen keeps what goes wrong: what scripts write to the console as an error, what they throw, what the policy of the page forbids, and what fails to load.
func (tb *tab) listen(ev any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, a := range e.Args {
				words = append(words, fmt.Sprint(a.Value, a.Description))
			}
			tb.errors = append(tb.errors, "console: "+strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		tb.errors = append(tb.errors, fmt.Sprintf("exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Source == cdplog.EntrySourceSecurity {
			tb.errors = append(tb.errors, fmt.Sprintf("log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		tb.asked = append(tb.asked, e.Request.URL)
	}
}

func (tb *tab) problems() (all []string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, e := range tb.errors {
		if !slices.ContainsFunc(tb.allowed, func(a string) bool { return strings.Contains(e, a) }) {
			all = append(all, e)
		}
	}
	return all
}

// strangers are requests to anybody but the server under test.
func (tb *tab) strangers() (all []string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, u := range tb.asked {
		if p, err := url.Parse(u); err == nil && (p.Scheme == "http" || p.Scheme == "https" || p.Scheme == "ws") && p.Host != tb.host && !tb.crossed {
			all = append(all, u)
		}
	}
	return all
}

// allow lets errors pass that a test provokes.
func (tb *tab) allow(part string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.allowed = append(tb.allowed, part)
}

func (tb *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	require.NoError(tb.t, chromedp.Do(tb.ctx, steps...))
}

// get returns what a step finds.
func get[T any](tb *tab, step chromedp.Action[T]) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, step)
	require.NoError(tb.t, err)
	return v
}

// open goes to a page and waits until it has loaded.
func (tb *tab) open(at string) {
	tb.t.Helper()
	u, err := url.Parse(at)
	require.NoError(tb.t, err)
	tb.mu.Lock()
	if tb.host == "" {
		tb.host = u.Host
	}
	tb.mu.Unlock()
	tb.run(chromedp.Navigate(at))
}

// eval returns the value of an expression.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	return get(tb, chromedp.Evaluate[T](expression))
}

// until waits for an expression to be true, which is looked at whenever the page is about to be drawn.
func (tb *tab) until(expression string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience))); err != nil {
		body, _ := chromedp.Run(tb.ctx, chromedp.Evaluate[string](`document.body.innerText.slice(0, 1500)`))
		tb.shot("failed")
		require.NoError(tb.t, err, "waiting for %s, with this on the page:\n%s\nand these errors: %v", expression, body, tb.problems())
	}
}

func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// keys presses keys, one after the other, wherever the focus is.
func (tb *tab) keys(all ...string) {
	tb.t.Helper()
	for _, k := range all {
		tb.run(press(k)...)
	}
}

// press is a key that goes down and up again. Unlike that of chromedp, it types nothing where the page has taken the key for itself.
func press(key string) (steps []chromedp.Action[chromedp.Void]) {
	for _, r := range key {
		events := kb.Encode(r)
		down, up := events[0], events[len(events)-1]
		if len(events) == 3 {
			down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
		}
		steps = append(steps, call(input.DispatchKeyEvent, *down), call(input.DispatchKeyEvent, *up))
	}
	return steps
}

// keyTab is the key that moves the focus.
const keyTab = kb.Tab

// shot keeps a picture of the page for those who want to look, where the environment says.
func (tb *tab) shot(name string) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(tb.ctx, chromedp.FullScreenshot(90))
	if err != nil {
		return
	}
	name = strings.NewReplacer("/", "_", "?", "_", "=", "_", "&", "_").Replace(name)
	_ = os.WriteFile(filepath.Join(dir, name+"-"+tb.screen.name+".jpg"), b, 0o644)
}

// print returns the pages as a printer would have them.
func (tb *tab) print() []byte {
	tb.t.Helper()
	return get(tb, chromedp.PrintToPDF())
}

// overflow is by how many pixels the page is wider than the window.
func (tb *tab) overflow() float64 {
	tb.t.Helper()
	return eval[float64](tb, `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth`)
}

// source reads the page by the protocol, since a browser without scripts can't be asked by one.
func (tb *tab) source() string {
	tb.t.Helper()
	return get(tb, chromedp.OuterHTML(chromedp.CSS("html")))
}
