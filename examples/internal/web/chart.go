package web

import (
	"fmt"
	"math"
	"time"
)

// bars is a chart of shares: a table whose cells have a bar, so that it can be read with or without eyes.
type bars struct {
	Title string
	Bars  []bar
}

// bar is one share.
type bar struct {
	Title string
	N     int
	// Soft is for what is no kind of its own.
	Soft bool
	// Width is the length of the bar in a hundred, and Percent the share in words.
	Width, Percent string
}

func newBars(title string, all []bar, total int) *bars {
	most := 1
	for _, b := range all {
		most = max(most, b.N)
	}
	for i := range all {
		all[i].Width = num(100 * float64(all[i].N) / float64(most))
		all[i].Percent = percent(all[i].N, total)
	}
	return &bars{title, all}
}

func percent(n, total int) string {
	p := 100 * float64(n) / float64(max(total, 1))
	switch {
	case n == 0:
		return "0 %"
	case p < 1:
		return "<1 %"
	}
	return fmt.Sprintf("%.0f %%", p)
}

// point is a number at a time.
type point struct {
	at time.Time
	n  int
}

// The size of a line chart in its own units, and the room for words at its sides.
const (
	chartWidth, chartHeight           = 360.0, 170.0
	chartLeft, chartRight             = 4.0, 52.0
	chartTop, chartBottom             = 12.0, 24.0
	chartInnerWidth, chartInnerHeight = chartWidth - chartLeft - chartRight, chartHeight - chartTop - chartBottom
)

// lineChart is the drawing of a number over time.
type lineChart struct {
	Title, Summary    string
	ViewBox           string
	Line, Area        string
	EndX, EndY        string
	Ticks             []tick
	From, To          string
	FromX, ToX, TextY string
	Rows              []chartRow // a few of the points as a table
}

// tick is a mark at the side.
type tick struct{ Y, TextY, X0, X1, TextX, Text string }

type chartRow struct {
	At time.Time
	N  int
}

func newLineChart(title string, points []point) lineChart {
	first, last := points[0], points[len(points)-1]
	c := lineChart{
		Title: title, ViewBox: "0 0 " + num(chartWidth) + " " + num(chartHeight),
		Summary: fmt.Sprintf("%s: from %s on %s to %s on %s.", title, count(first.n), day(first.at), count(last.n), day(last.at)),
		FromX:   num(chartLeft), ToX: num(chartWidth - chartRight), TextY: num(chartHeight - 6),
		From: axisTime(first.at, last.at), To: axisTimeEnd(first.at, last.at),
	}
	top := ceiling(points)
	span := last.at.Sub(first.at).Seconds()
	x := func(t time.Time) float64 { return chartLeft + chartInnerWidth*t.Sub(first.at).Seconds()/span }
	y := func(n int) float64 { return chartTop + chartInnerHeight*(1-float64(n)/float64(top)) }
	var line []byte
	for i, p := range points {
		op := byte('L')
		if i == 0 {
			op = 'M'
		}
		line = appendPoint(line, op, x(p.at), y(p.n))
	}
	c.Line = string(line)
	base := chartTop + chartInnerHeight
	c.Area = c.Line + string(appendPoint(appendPoint(nil, 'L', x(last.at), base), 'L', x(first.at), base)) + "Z"
	c.EndX, c.EndY = num(x(last.at)), num(y(last.n))
	for _, n := range []int{0, top / 2, top} {
		c.Ticks = append(c.Ticks, tick{num(y(n)), num(y(n) + 4), num(chartLeft), num(chartWidth - chartRight), num(chartWidth - chartRight + 6), count(n)})
	}
	c.Rows = chartRows(points)
	return c
}

// chartRows picks some points, the first and the last among them.
func chartRows(points []point) (rows []chartRow) {
	const most = 12
	step := max(1, (len(points)+most-2)/(most-1))
	for i := 0; i < len(points)-1; i += step {
		rows = append(rows, chartRow{points[i].at, points[i].n})
	}
	last := points[len(points)-1]
	return append(rows, chartRow{last.at, last.n})
}

// ceiling is a round even number that no point is above.
func ceiling(points []point) int {
	most := 2
	for _, p := range points {
		most = max(most, p.n)
	}
	size := math.Pow(10, math.Floor(math.Log10(float64(most))))
	for _, f := range []float64{1, 1.2, 1.6, 2, 3, 4, 6, 8, 10} {
		if n := int(math.Ceil(f * size)); n >= most {
			return n + n%2
		}
	}
	return most + most%2
}

// axisTime writes a time as exactly as the length of the axis calls for.
func axisTime(t, end time.Time) string {
	if end.Sub(t) < 48*time.Hour {
		return t.UTC().Format("2 Jan 15:04:05")
	}
	return t.UTC().Format("2 Jan 2006")
}

func axisTimeEnd(begin, t time.Time) string {
	if t.Sub(begin) < 48*time.Hour {
		return t.UTC().Format("15:04:05") + " UTC"
	}
	return t.UTC().Format("2 Jan 2006")
}
