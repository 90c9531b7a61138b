package exclusion

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	quiet   = slog.New(slog.DiscardHandler)
	denmark = xep.MustName("denmark.lit")
	yorick  = xep.MustName("yorick.lit")
	verona  = xep.MustName("verona.lit")
)

func TestParse(t *testing.T) {
	n, err := Parse([]byte("# asked for it\nDenmark.LIT\n\n  yorick.lit  # by mail\r\n*.verona.lit\nbücher.example\n[2001:db8::1]\n"))
	require.NoError(t, err)
	require.Equal(t, 5, n.Len())
	for name, want := range map[string]bool{
		"denmark.lit": true, "a.denmark.lit": false, "yorick.lit": true, "verona.lit": false, "a.verona.lit": true,
		"b.a.verona.lit": true, "averona.lit": false, "xn--bcher-kva.example": true, "[2001:db8::1]": true, "lit": false,
	} {
		require.Equal(t, want, n.Has(xep.MustName(name)), name)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no domain":        {"denmark.lit\nnot a domain\n", "line 2"},
		"a star inside":    {"a.*.lit", "line 1"},
		"a star alone":     {"*", "line 1"},
		"below an address": {"*.192.0.2.1", "no subdomains"},
		"too much":         {strings.Repeat("a.lit\n", maxFile/5), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("denmark.lit # comment\n*.verona.lit\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Parse(b)
		if err != nil {
			return
		}
		for name := range n.exact {
			require.True(t, n.Has(name))
		}
		for name := range n.below {
			if sub, err := xep.ParseName("a." + name.String()); err == nil && !sub.IsIP() {
				require.True(t, n.Has(sub))
			}
		}
	})
}

// shelf is a database.
type shelf struct {
	mu  sync.Mutex
	all []store.Exclusion
	err error
}

func (s *shelf) set(err error, all ...store.Exclusion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.err = all, err
}

func (s *shelf) Exclude(_ context.Context, all ...store.Exclusion) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, all...)
	return s.err
}

func (s *shelf) Readmit(_ context.Context, names ...xep.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []store.Exclusion
	for _, e := range s.all {
		if e.Domain != names[0] {
			left = append(left, e)
		}
	}
	s.all = left
	return s.err
}

func (s *shelf) Exclusions(context.Context) ([]store.Exclusion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, s.err
}

// notes is a log that may be read while it is written.
type notes struct {
	mu sync.Mutex
	b  strings.Builder
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// The file and the database are followed, and a fault in either takes nothing off the list.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "exclude")
		write := func(s string) { require.NoError(t, os.WriteFile(file, []byte(s), 0o600)) }
		write("denmark.lit\n")
		db := new(shelf)
		var log notes
		l := &List{File: file, Keeper: db, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		changes := 0
		var readmitted []xep.Name
		l.Watch(func(names []xep.Name) { changes++; readmitted = names })
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark))
		require.Equal(t, 1, changes)

		ctx, cancel := context.WithCancel(t.Context())
		reload := make(chan struct{}, 1)
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx, reload) }()
		pass := func() { time.Sleep(DefaultEvery + time.Second); synctest.Wait() }

		db.set(nil, store.Exclusion{Domain: yorick, Reason: "asked"})
		pass()
		require.True(t, l.Has(yorick))
		e, ok := l.Kept(yorick)
		require.True(t, ok)
		require.Equal(t, "asked", e.Reason)

		write("denmark.lit\nnot a domain\n")
		db.set(store.ErrUnavailable)
		pass()
		pass()
		require.True(t, l.Has(denmark))
		require.True(t, l.Has(yorick))
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())

		db.set(nil)
		write("verona.lit\n")
		reload <- struct{}{}
		synctest.Wait()
		require.False(t, l.Has(denmark))
		require.False(t, l.Has(yorick))
		require.True(t, l.Has(verona))
		require.ElementsMatch(t, []xep.Name{denmark, yorick}, readmitted)
		require.NotContains(t, log.String(), "verona")
		cancel()
		<-done
	})
}

func TestAddAndRemove(t *testing.T) {
	l := &List{Logger: quiet}
	require.ErrorIs(t, l.Add(t.Context(), store.Exclusion{Domain: denmark}), ErrNoDatabase)
	require.False(t, l.Has(denmark))

	db := new(shelf)
	l = &List{Keeper: db, Logger: quiet}
	require.NoError(t, l.Add(t.Context(), store.Exclusion{Domain: denmark}))
	require.True(t, l.Has(denmark))
	require.Len(t, db.all, 1)
	require.NoError(t, l.Remove(t.Context(), denmark))
	require.False(t, l.Has(denmark))
	require.Empty(t, db.all)

	db.set(store.ErrFull)
	require.ErrorIs(t, l.Add(t.Context(), store.Exclusion{Domain: denmark}), store.ErrFull)
	require.False(t, l.Has(denmark), "what is not kept must not be promised")
}

func TestLoadFails(t *testing.T) {
	require.ErrorIs(t, (&List{File: filepath.Join(t.TempDir(), "none")}).Load(t.Context()), os.ErrNotExist)
	require.ErrorIs(t, (&List{Keeper: &shelf{err: store.ErrUnavailable}}).Load(t.Context()), store.ErrUnavailable)
}

// A graph shows nobody who is excluded, whichever comes first: the exclusion, the event or the report of somebody else.
func TestGraph(t *testing.T) {
	g := graph.New(graph.Options{})
	l := &List{Keeper: new(shelf), Logger: quiet}
	l.Watch(func([]xep.Name) { l.Purge(g) })
	until := time.Now().Add(time.Hour)
	report := func(d, peer xep.Name) crawl.Event {
		return crawl.Event{Kind: crawl.ReportAccepted, Domain: d, Report: &graph.Report{
			Domain: d, Until: until, Peers: []graph.Peer{{Name: peer, Until: until}}}}
	}
	shown := func(n xep.Name) bool { _, ok := g.Snapshot().Domain(n); return ok }
	l.Apply(g, report(denmark, yorick))
	require.True(t, shown(yorick))

	require.NoError(t, l.Add(t.Context(), store.Exclusion{Domain: yorick}))
	require.False(t, shown(yorick))
	require.True(t, shown(denmark))
	l.Apply(g, report(yorick, denmark))
	l.Apply(g, crawl.Event{Kind: crawl.ConsentGiven, Domain: yorick, Until: until})
	ev := report(denmark, yorick)
	l.Apply(g, ev)
	require.Equal(t, until, ev.Report.Peers[0].Until, "the event is not ours to change")
	require.False(t, shown(yorick))
	require.Equal(t, 1, g.Snapshot().Counts().Unnamed)

	require.NoError(t, l.Remove(t.Context(), yorick))
	l.Apply(g, crawl.Event{Kind: crawl.ConsentGiven, Domain: yorick, Until: until})
	require.True(t, shown(yorick))
}

// archive is a history in which all know each other.
type archive struct{ store.Public }

func (archive) Live(context.Context) iter.Seq2[graph.Report, error] {
	return func(yield func(graph.Report, error) bool) {
		until := time.Now().Add(time.Hour)
		for _, d := range []xep.Name{denmark, yorick} {
			if !yield(graph.Report{Domain: d, Until: until, Peers: []graph.Peer{{Name: yorick, Until: until}, {Name: verona, Until: until}}}, nil) {
				return
			}
		}
		yield(graph.Report{}, errors.New("gone"))
	}
}

func (archive) Moment(context.Context, time.Time) (*store.Moment, error) {
	return &store.Moment{Domains: []store.Domain{{Name: denmark}, {Name: verona}, {Name: yorick}}, Links: []store.Link{{A: denmark, B: verona}, {A: denmark, B: yorick}}}, nil
}

func (archive) Past(context.Context, xep.Name) (*store.Past, error) {
	return &store.Past{Links: []store.LinkInterval{{Peer: verona}, {Peer: yorick}}}, nil
}

func TestPublic(t *testing.T) {
	l := &List{Keeper: new(shelf), Logger: quiet}
	require.NoError(t, l.Add(t.Context(), store.Exclusion{Domain: yorick}))
	p := l.Public(archive{})

	m, err := p.Moment(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, []store.Domain{{Name: denmark}, {Name: verona}}, m.Domains)
	require.Equal(t, []store.Link{{A: denmark, B: verona}}, m.Links)

	past, err := p.Past(t.Context(), denmark)
	require.NoError(t, err)
	require.Len(t, past.Links, 1)
	_, err = p.Past(t.Context(), yorick)
	require.ErrorIs(t, err, store.ErrNotFound)

	n := 0
	for r, err := range p.Live(t.Context()) {
		if n++; n == 2 {
			require.Error(t, err)
			break
		}
		require.NoError(t, err)
		require.Equal(t, denmark, r.Domain)
		require.True(t, r.Peers[0].Until.IsZero())
		require.False(t, r.Peers[1].Until.IsZero())
	}
	require.Equal(t, 2, n)
}
