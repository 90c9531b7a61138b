package edition

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

var noon = time.Date(2025, 11, 13, 12, 0, 0, 0, time.UTC)

// world is a graph under a clock that only moves when told to.
type world struct {
	t   *testing.T
	now time.Time
	g   *graph.Graph
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: noon}
	w.g = graph.New(graph.Options{Now: w.clock})
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) press(o Options) *Press {
	o.Now = w.clock
	return New(w.g, o)
}

// report makes a domain report the others, all verdicts to end in an hour.
func (w *world) report(domain string, peers ...string) {
	r := graph.Report{Domain: xep.MustName(domain), Until: w.now.Add(time.Hour)}
	for _, p := range peers {
		r.Peers = append(r.Peers, graph.Peer{Name: xep.MustName(p), Until: w.now.Add(time.Hour)})
	}
	w.g.Apply(r)
}

func names(e *Edition) []string {
	var out []string
	for d := range e.Snapshot().Domains() {
		out = append(out, d.Name.String())
	}
	return out
}

func TestCurrentChangesOncePerPulse(t *testing.T) {
	w := newWorld(t)
	w.report("a.test")
	p := w.press(Options{})
	first := p.Current()
	require.Equal(t, []string{"a.test"}, names(first))

	w.report("b.test")
	w.now = w.now.Add(DefaultPulse - time.Millisecond)
	require.Same(t, first, p.Current(), "within the pulse")
	w.now = w.now.Add(time.Millisecond)
	second := p.Current()
	require.Equal(t, []string{"a.test", "b.test"}, names(second))
	require.Greater(t, second.Version(), first.Version())

	w.now = w.now.Add(time.Minute)
	require.Same(t, second, p.Current(), "nothing has changed")
	w.report("c.test")
	require.Len(t, names(p.Current()), 3, "the first change after a pause shows at once")
}

// Of a large network the present edition is handed out while the next one is made, unless somebody must not be in it any more.
func TestNobodyWaitsForALargeEdition(t *testing.T) {
	w := newWorld(t)
	w.report("a.test")
	out := map[xep.Name]bool{}
	p := w.press(Options{Exclude: func(n xep.Name) bool { return out[n] }})
	p.large = 1
	first := p.Current()
	ready := func() {
		p.making.Lock()
		defer p.making.Unlock()
	}

	w.report("b.test")
	w.now = w.now.Add(time.Minute)
	require.Same(t, first, p.Current())
	ready()
	require.Equal(t, []string{"a.test", "b.test"}, names(p.Current()))

	w.report("c.test")
	out[xep.MustName("b.test")] = true
	p.Refresh()
	require.Equal(t, []string{"a.test", "c.test"}, names(p.Current()))

	w.now = w.now.Add(2 * time.Hour)
	require.Empty(t, names(p.Current()), "verdicts have ended")
}

func TestLapsedNameIsGoneWithinThePulse(t *testing.T) {
	w := newWorld(t)
	w.report("a.test")
	w.now = w.now.Add(time.Hour - 10*time.Millisecond)
	p := w.press(Options{})
	require.Equal(t, []string{"a.test"}, names(p.Current()))
	w.now = w.now.Add(10 * time.Millisecond)
	require.Empty(t, names(p.Current()))
}

func TestExclude(t *testing.T) {
	w := newWorld(t)
	w.report("a.test", "b.test", "c.test")
	out := map[xep.Name]bool{xep.MustName("b.test"): true}
	p := w.press(Options{Exclude: func(n xep.Name) bool { return out[n] }})
	first := p.Current()
	require.Equal(t, []string{"a.test", "c.test"}, names(first))
	require.Equal(t, 1, first.Snapshot().UnnamedAt(0), "who reports an excluded domain counts it")

	out[xep.MustName("c.test")] = true
	p.Refresh()
	second := p.Current()
	require.Equal(t, []string{"a.test"}, names(second), "without waiting for the pulse")
	require.Greater(t, second.Version(), first.Version())
	require.Equal(t, 1, w.g.Snapshot().Len())
}

func TestVersionsAreRemembered(t *testing.T) {
	w := newWorld(t)
	p := w.press(Options{Pulse: -1, Keep: 3})
	var all []*Edition
	for _, n := range []string{"a.test", "b.test", "c.test", "d.test", "e.test"} {
		w.report(n)
		all = append(all, p.Current())
	}
	for i, e := range all {
		got, ok := p.Version(e.Version())
		require.Equal(t, i >= 2, ok)
		if ok {
			require.Same(t, e, got)
		}
	}
	require.NotEqual(t, p.Epoch(), w.press(Options{}).Epoch())
}

func TestLayoutGoesOnFromTheLast(t *testing.T) {
	w := newWorld(t)
	w.report("a.test", "b.test", "c.test")
	w.report("b.test", "c.test")
	p := w.press(Options{Pulse: -1})
	first := p.Current()
	require.Nil(t, first.Placed())
	before, err := first.Layout(t.Context())
	require.NoError(t, err)
	require.Same(t, before, first.Placed())

	w.report("d.test", "a.test")
	after, err := p.Current().Layout(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, after.Len())
	for _, n := range []string{"a.test", "b.test", "c.test"} {
		x0, y0, r, _ := before.Find(xep.MustName(n))
		x1, y1, _, ok := after.Find(xep.MustName(n))
		require.True(t, ok)
		require.InDelta(t, x0, x1, 3*r, n)
		require.InDelta(t, y0, y1, 3*r, n)
	}
}

func TestNothingMovesWhereOnlyTimesChange(t *testing.T) {
	w := newWorld(t)
	w.report("a.test", "b.test", "c.test")
	p := w.press(Options{Pulse: -1})
	first := p.Current()
	before, err := first.Layout(t.Context())
	require.NoError(t, err)
	w.now = w.now.Add(time.Minute)
	w.report("a.test", "b.test", "c.test")
	require.NotSame(t, first, p.Current())
	after, err := p.Current().Layout(t.Context())
	require.NoError(t, err)
	require.Same(t, before, after)
}

func TestPast(t *testing.T) {
	w := newWorld(t)
	w.report("a.test", "b.test", "secret.test")
	then := w.g.Snapshot()
	w.report("a.test")
	p := w.press(Options{Exclude: func(n xep.Name) bool { return n == xep.MustName("secret.test") }})
	now, err := p.Current().Layout(t.Context())
	require.NoError(t, err)

	past := p.Past(then)
	require.Equal(t, []string{"a.test", "b.test"}, names(past))
	l, err := past.Layout(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, l.Len())
	_, ok := p.Version(past.Version())
	require.False(t, ok)
	again, err := p.Current().Layout(t.Context())
	require.NoError(t, err)
	require.Same(t, now, again)
	require.Same(t, now, p.last, "the present goes on from itself")
}

func TestValuesAreComputedOnce(t *testing.T) {
	p := newWorld(t).press(Options{})
	n := 0
	for range 3 {
		require.Equal(t, 1, p.Current().Value("x", func() any { n++; return n }))
	}
}

func TestDocumentsAreMadeOnce(t *testing.T) {
	w := newWorld(t)
	p := w.press(Options{Pulse: -1})
	e := p.Current()
	made := 0
	produce := func() (*Document, error) {
		made++
		return NewDocument("text/plain", []byte("x")), nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := e.Document("x", true, produce)
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 1, made)
	_, err := e.Document("y", false, produce)
	require.NoError(t, err)
	_, err = e.Document("y", false, produce)
	require.NoError(t, err)
	require.Equal(t, 3, made, "not kept")

	w.report("a.test")
	require.NotSame(t, e, p.Current())
	_, err = e.Document("x", true, produce)
	require.NoError(t, err)
	require.Equal(t, 4, made, "an edition of the past serves who still holds it, and keeps nothing")
}

func TestManyReadersAndAWriter(t *testing.T) {
	g := graph.New(graph.Options{})
	p := New(g, Options{Pulse: time.Nanosecond, Keep: 4})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := uint64(0)
			for range 500 {
				e := p.Current()
				require.GreaterOrEqual(t, e.Version(), last)
				last = e.Version()
				_, _ = e.Layout(t.Context())
			}
		})
	}
	wg.Go(func() {
		for i := range 200 {
			g.Apply(graph.Report{Domain: xep.MustName("a.test"), Until: time.Now().Add(time.Hour), Unnamed: i})
		}
	})
	wg.Wait()
}
