//go:build integration

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/stretchr/testify/require"
)

// touch tells the page where the fingers are.
func (tb *tab) touch(kind input.DispatchTouchEventType, x ...[2]float64) {
	tb.t.Helper()
	points := []*input.TouchPoint{}
	for i, at := range x {
		id := float64(i)
		points = append(points, &input.TouchPoint{X: at[0], Y: at[1], ID: &id})
	}
	tb.run(call(input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points}))
}

// spread puts two fingers on both sides of a point, and moves them from one distance to another.
func (tb *tab) spread(x, y, from, to float64) {
	tb.t.Helper()
	const steps = 8
	fingers := func(apart float64) [][2]float64 { return [][2]float64{{x - apart/2, y}, {x + apart/2, y}} }
	tb.touch(input.DispatchTouchEventTypeTouchStart, fingers(from)...)
	for i := range steps {
		tb.touch(input.DispatchTouchEventTypeTouchMove, fingers(from+(to-from)*float64(i+1)/steps)...)
	}
	tb.touch(input.DispatchTouchEventTypeTouchEnd)
}

// view is where one looks, by the address: the middle in the network's coordinates, and the scale.
func (tb *tab) view() (v [3]float64) {
	tb.t.Helper()
	_, err := fmt.Sscanf(eval[string](tb, `new URLSearchParams(location.search).get("view")`), "%f,%f,%f", &v[0], &v[1], &v[2])
	require.NoError(tb.t, err)
	return v
}

// Two fingers zoom about the point between them, one moves the picture, and the page itself stays as it is.
func TestPinch(t *testing.T) {
	s := newSite(t, small())
	tb := newTab(t, phone)
	tb.ready(s.url + "/")
	overview := tb.still()
	middle := eval[[]float64](tb, `(() => { const r = document.getElementById("picture").getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()`)
	x, y := middle[0], middle[1]

	tb.spread(x, y, 100, 150)
	tb.until(`location.search.includes("view=")`)
	near := tb.view()
	zoomed := tb.changed(overview)

	before := eval[string](tb, `location.search`)
	tb.spread(x, y, 100, 200)
	tb.until(fmt.Sprintf("location.search != %q", before))
	nearer := tb.view()
	require.InEpsilon(t, 2, nearer[2]/near[2], 0.02, "twice the distance is twice the scale")
	zoomed = tb.changed(zoomed)

	before = eval[string](tb, `location.search`)
	tb.spread(x, y, 200, 100)
	tb.until(fmt.Sprintf("location.search != %q", before))
	back := tb.view()
	require.InDeltaSlice(t, near[:], back[:], 0.2+near[2]/50, "there and back")
	zoomed = tb.changed(zoomed)

	before = eval[string](tb, `location.search`)
	tb.touch(input.DispatchTouchEventTypeTouchStart, [2]float64{x, y})
	tb.touch(input.DispatchTouchEventTypeTouchMove, [2]float64{x + 20, y})
	tb.touch(input.DispatchTouchEventTypeTouchMove, [2]float64{x + 60, y})
	tb.touch(input.DispatchTouchEventTypeTouchEnd)
	tb.until(fmt.Sprintf("location.search != %q", before))
	moved := tb.view()
	require.InEpsilon(t, back[2], moved[2], 0.001, "one finger changes no scale")
	require.InDelta(t, back[0]-60/back[2], moved[0], 0.2, "what was under the finger stays under it")
	tb.changed(zoomed)
	require.InDelta(t, 1, eval[float64](tb, `visualViewport.scale`), 0.001)
	require.LessOrEqual(t, tb.overflow(), 0.0)
}
