package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
)

const (
	// redraw is how often the progress line changes: readable, and never the reason for anybody's load.
	redraw = 500 * time.Millisecond
	// eraseLine goes to the begin of a line and empties it.
	eraseLine = "\r\x1b[K"
	// maxReasons bounds the reasons for failures in the line.
	maxReasons = 3
)

// progress keeps one line with the state of the crawl at the end of a terminal, below the log.
// The nil progress shows nothing.
type progress struct {
	width func() int

	mu   sync.Mutex
	w    io.Writer
	line string
}

// newProgress returns a progress line where w is a terminal, and nil elsewhere: in a file it would be a nuisance.
func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &progress{w: f, width: func() int {
		cols, _, err := term.GetSize(int(f.Fd()))
		if err != nil || cols <= 0 {
			return 80
		}
		return cols
	}}
}

// Write writes part of the log above the line.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line != "" {
		if _, err := io.WriteString(p.w, eraseLine); err != nil {
			return 0, err
		}
	}
	n, err := p.w.Write(b)
	if err == nil && p.line != "" {
		_, err = io.WriteString(p.w, p.line)
	}
	return n, err
}

// show replaces the line, or removes it if s is empty.
func (p *progress) show(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A line that wraps can't be erased. The characters used are one column wide each.
	if r := []rune(s); len(r) >= p.width() {
		s = string(r[:max(p.width()-1, 0)])
	}
	if s == p.line {
		return
	}
	// That a terminal is gone is no reason to end.
	_, _ = io.WriteString(p.w, eraseLine+s)
	p.line = s
}

// run shows what state returns, until ctx ends.
func (p *progress) run(ctx context.Context, state func() string) {
	if p == nil {
		return
	}
	defer p.show("")
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		p.show(state())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// summary is the state of a crawl in one line. It holds numbers and no names.
func summary(st crawl.Stats, n graph.Counts) string {
	visits := uint64(0)
	for _, k := range st.Visits {
		visits += k
	}
	parts := []string{
		fmt.Sprintf("%s visits, %d in flight, %s due of %s", digits(visits), st.InFlight, digits(st.Due), digits(st.Known)),
		fmt.Sprintf("%s subscribed", digits(st.Subscribed)),
		fmt.Sprintf("%s named, %s links, %s unnamed", digits(n.Domains), digits(n.Links), digits(n.Unnamed)),
	}
	if f := failures(st.Failures); f != "" {
		parts = append(parts, f)
	}
	if st.SaveErr != nil {
		parts = append(parts, fmt.Sprintf("%s not saved", digits(st.Unsaved)))
	}
	return strings.Join(parts, " | ")
}

// failures lists the most frequent reasons.
func failures(by map[crawl.Failure]uint64) string {
	reasons := slices.SortedFunc(maps.Keys(by), func(a, b crawl.Failure) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	})
	if len(reasons) == 0 {
		return ""
	}
	var parts []string
	rest := uint64(0)
	for i, r := range reasons {
		if i < maxReasons {
			parts = append(parts, fmt.Sprintf("%s %s", digits(by[r]), r))
		} else {
			rest += by[r]
		}
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%s other", digits(rest)))
	}
	return "failures: " + strings.Join(parts, ", ")
}

// digits writes a number with its thousands apart.
func digits[T int | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
