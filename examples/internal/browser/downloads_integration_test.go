//go:build integration

package browser

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"image"
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// saved is a file that the browser has written to the disk.
type saved struct {
	name string // as the visitor finds it
	body []byte
}

// saver returns what clicks something and returns the file that comes of it.
func (tb *tab) saver() func(click func()) saved {
	tb.t.Helper()
	dir, events := tb.t.TempDir(), make(chan any, 1000)
	require.NoError(tb.t, chromedp.ListenBrowser(tb.ctx, func(ev any) {
		switch ev.(type) {
		case *browser.EventDownloadWillBegin, *browser.EventDownloadProgress:
			events <- ev
		}
	}))
	b, tell := chromedp.FromContext(tb.ctx), true
	_, err := cdp.Call(tb.ctx, b.Browser, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, BrowserContextID: b.BrowserContextID, DownloadPath: dir, EventsEnabled: &tell,
	})
	require.NoError(tb.t, err)
	return func(click func()) (s saved) {
		tb.t.Helper()
		click()
		ctx, cancel := context.WithTimeout(tb.ctx, patience)
		defer cancel()
		for {
			select {
			case ev := <-events:
				switch ev := ev.(type) {
				case *browser.EventDownloadWillBegin:
					s.name = ev.SuggestedFilename
				case *browser.EventDownloadProgress:
					require.NotEqual(tb.t, browser.DownloadProgressStateCanceled, ev.State)
					if ev.State == browser.DownloadProgressStateCompleted {
						var err error
						s.body, err = os.ReadFile(filepath.Join(dir, ev.GUID))
						require.NoError(tb.t, err)
						return s
					}
				}
			case <-ctx.Done():
				require.NoError(tb.t, ctx.Err(), "nothing was saved")
			}
		}
	}
}

// isXML checks that a file is well-formed, with this element outside, and names domains.
func isXML(root string) func(t *testing.T, b []byte) {
	return func(t *testing.T, b []byte) {
		t.Helper()
		first := ""
		for d := xml.NewDecoder(bytes.NewReader(b)); ; {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			if e, ok := tok.(xml.StartElement); ok && first == "" {
				first = e.Name.Local
			}
		}
		require.Equal(t, root, first)
		require.Contains(t, string(b), "b.test")
	}
}

// isCSV checks that a file is a table with this heading and so many rows below it.
func isCSV(rows int, heading ...string) func(t *testing.T, b []byte) {
	return func(t *testing.T, b []byte) {
		t.Helper()
		all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		require.NoError(t, err)
		require.Subset(t, all[0], heading)
		require.Len(t, all, rows+1)
	}
}

func isCompact(t *testing.T, b []byte) {
	t.Helper()
	var g struct {
		Format string
		Names  []string
		X, Y   []float64
	}
	require.NoError(t, json.Unmarshal(b, &g))
	require.Equal(t, "xmppgraph/1", g.Format)
	require.Equal(t, []string{"a.test", "b.test", "c.test", "d.test"}, g.Names)
	require.Len(t, g.X, 4)
}

// isPicture checks that a file is a picture with something on it, at twice the size of the screen for those who print it.
func isPicture(t *testing.T, b []byte) {
	t.Helper()
	img, format, err := image.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, "png", format)
	require.Greater(t, img.Bounds().Dx(), 2*int(desktop.width)-100)
	colours := make(map[any]bool)
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			colours[img.At(x, y)] = true
		}
	}
	require.Greater(t, len(colours), 20, "an empty picture has one colour")
}

// Everything that can be downloaded is saved as a file with the right name and content, and so is the picture that one sees.
func TestDownloads(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, desktop)
	tb.ready(s.url + "/?focus=a.test")
	tb.panel("a.test")
	tb.still()
	tb.click("#share-open")
	save := tb.saver()
	for _, f := range []struct {
		button, ending string
		check          func(*testing.T, []byte)
	}{
		{"SVG", ".svg", isXML("svg")},
		{"JSON", ".json", isCompact},
		{"CSV, domains", ".csv", isCSV(4, "Id", "Label")},
		{"CSV, links", ".csv", isCSV(4, "Source", "Target")},
		{"GEXF", ".gexf", isXML("gexf")},
		{"GraphML", ".graphml", isXML("graphml")},
		{"PNG", "a.test.png", isPicture},
	} {
		t.Run(f.button, func(t *testing.T) {
			file := save(func() {
				tb.run(chromedp.Click(chromedp.Search(`//section[@id="share"]//*[self::a or self::button][normalize-space(.)="`+f.button+`"]`), chromedp.NodeVisible))
			})
			require.True(t, strings.HasSuffix(file.name, f.ending), file.name)
			f.check(t, file.body)
		})
	}
	require.Contains(t, eval[string](tb, `document.getElementById("told").innerText`), "saved")
	require.Contains(t, eval[string](tb, `[...document.querySelectorAll("#share textarea, #share input")].map(e => e.value).join("\n")`), "/embed?focus=a.test")
	require.Equal(t, "?focus=a.test", eval[string](tb, `location.search`), "the page stayed")
}
