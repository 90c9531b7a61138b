//go:build integration

package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	crawltest "github.com/xmppgraph/xmppgraph/crawl/storetest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/backup"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/follow"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/postgres/pgtest"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/sqlite"
	"github.com/xmppgraph/xmppgraph/examples/internal/store/storetest"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// shareContract has a process, with a pool of its own, for each crawler.
func shareContract(t *testing.T, server *pgtest.Server) {
	crawltest.RunShare(t, func(t *testing.T) crawltest.Sharing {
		url, now, n := server.Schema(t), noon, 0
		return crawltest.Sharing{
			Join: func() crawl.Share {
				n++
				return open(t, url, func() time.Time { return now }).Share(fmt.Sprint("crawler", n))
			},
			Pass: func(d time.Duration) { now = now.Add(d) },
		}
	})
}

// cutOff has a process fall silent in the middle of a holding: the others wait for it, but not for long.
func cutOff(t *testing.T, server *pgtest.Server) {
	url := server.Schema(t)
	silent, other := open(t, url, nil), open(t, url, nil).Share("other")
	locked, heard := make(chan struct{}), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- silent.Write(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, postgres.LockShare)
			close(locked)
			<-heard
			return err
		})
	}()
	<-locked
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h, err := other.Hold(ctx, time.Minute)
	close(heard)
	require.NoError(t, err)
	require.NotEmpty(t, h.Parts)
	require.ErrorIs(t, <-failed, store.ErrUnavailable, "nothing of it counts")
	require.NoError(t, silent.Write(t.Context(), func(context.Context, pgx.Tx) error { return nil }), "it goes on by another connection")
}

// holdingAtOnce has many crawlers come, go and take at the same time: no part may have two holders.
func holdingAtOnce(t *testing.T, server *pgtest.Server) {
	url := server.Schema(t)
	var mu sync.Mutex
	holders := make(map[int]int)
	var wg sync.WaitGroup
	for i := range 4 {
		s := open(t, url, nil).Share(fmt.Sprint("crawler", i))
		wg.Go(func() {
			held := make(map[int]bool)
			for range 25 {
				h, err := s.Hold(t.Context(), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, p := range h.Parts {
					if !held[p] && holders[p] > 0 {
						t.Errorf("part %d has two holders", p)
					}
					if !held[p] {
						holders[p]++
						held[p] = true
					}
				}
				for _, p := range h.Excess {
					holders[p]--
					delete(held, p)
				}
				mu.Unlock()
				if err := s.Release(t.Context(), h.Excess...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range holders {
		total += n
	}
	require.Equal(t, 1024, total)
}

// calledVisits are told of domains without a verdict to whoever had them visited, and not for long.
func calledVisits(t *testing.T, server *pgtest.Server) {
	now := noon
	s := open(t, server.Schema(t), func() time.Time { return now })
	name := xep.MustName("new.test")
	visit := store.Visit{Domain: name, At: noon, Outcome: "unnamed", Steps: []store.Step{{Name: "opt-in", Status: "failed"}}}
	_, err := s.Call(t.Context(), name)
	require.NoError(t, err)
	require.NoError(t, s.Note(t.Context(), visit))
	told, err := s.Visited(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, visit, told)

	now = noon.Add(store.CalledLately)
	_, err = s.Sweep(t.Context(), store.Retention{})
	require.NoError(t, err)
	_, err = s.Visited(t.Context(), name)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NoError(t, s.Note(t.Context(), visit))
	_, err = s.Visited(t.Context(), name)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// mentioning notes that a domain was mentioned about once an hour, makes new ones due, and leaves out who is excluded.
func mentioning(t *testing.T, server *pgtest.Server) {
	now := noon
	s := open(t, server.Schema(t), func() time.Time { return now })
	known := record("known.test")
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{known}}))
	require.NoError(t, s.Exclude(t.Context(), store.Exclusion{Domain: xep.MustName("out.test")}))
	mention := func(all ...string) map[string]crawl.Record {
		var names []xep.Name
		for _, n := range all {
			names = append(names, xep.MustName(n))
		}
		_, err := s.Share("me").SaveHeld(t.Context(), crawl.Batch{}, names)
		require.NoError(t, err)
		return records(t, s)
	}
	now = noon.Add(30 * time.Minute)
	require.Equal(t, noon, mention("known.test")["known.test"].Mentioned)
	now = noon.Add(61 * time.Minute)
	all := mention("known.test", "out.test", "new.test", "new.test")
	require.Len(t, all, 2)
	require.Equal(t, now, all["known.test"].Mentioned)
	require.Equal(t, known.Report, all["known.test"].Report)
	require.Equal(t, crawl.Record{Domain: xep.MustName("new.test"), Due: now, Added: now, Mentioned: now}, all["new.test"])
}

// calling makes domains due for whoever holds them, and no more often than once a minute.
func calling(t *testing.T, server *pgtest.Server) {
	now := noon
	s := open(t, server.Schema(t), func() time.Time { return now })
	a := s.Share("a")
	hold := func() (due []string) {
		h, err := a.Hold(t.Context(), time.Hour)
		require.NoError(t, err)
		for _, rec := range h.News {
			require.False(t, rec.Due.After(now))
			due = append(due, rec.Domain.String())
		}
		slices.Sort(due)
		return due
	}
	hold()
	known, excluded := record("known.test"), xep.MustName("excluded.test")
	known.Due, known.Answered = noon.Add(time.Hour), noon.Add(-time.Hour)
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{known}}))
	require.NoError(t, s.Exclude(t.Context(), store.Exclusion{Domain: excluded, Since: noon}))
	_, err := s.Call(t.Context(), excluded)
	require.ErrorIs(t, err, store.ErrNotFound)
	call := func(name xep.Name) {
		at, err := s.Call(t.Context(), name)
		require.NoError(t, err)
		require.True(t, at.Equal(now))
	}
	call(known.Domain)
	call(xep.MustName("new.test"))
	require.Equal(t, []string{"known.test", "new.test"}, hold())
	hold()
	call(known.Domain)
	require.Empty(t, hold(), "it was called just now")
	now = now.Add(2 * time.Minute)
	call(known.Domain)
	require.Equal(t, []string{"known.test"}, hold())
	rec, err := s.Record(t.Context(), known.Domain)
	require.NoError(t, err)
	require.False(t, rec.Due.After(now))
	_, err = s.Record(t.Context(), excluded)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// hearing has processes tell each other of visits, beside the changes that they hear of.
func hearing(t *testing.T, server *pgtest.Server) {
	now := noon
	url := server.Schema(t)
	s, other := open(t, url, func() time.Time { return now }), open(t, url, nil)
	stranger := open(t, server.Schema(t), nil)
	type word struct {
		changed bool
		asked   xep.Name
		told    postgres.Told
	}
	words := make(chan word, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		other.Hear(ctx, postgres.Ears{
			Changed: func() { words <- word{changed: true} },
			Asked:   func(n xep.Name) { words <- word{asked: n} },
			Told:    func(t postgres.Told) { words <- word{told: t} },
		})
	})
	wg.Go(func() {
		stranger.Hear(ctx, postgres.Ears{Changed: func() {}, Asked: func(xep.Name) { panic("of another schema") }})
	})
	wg.Go(func() { s.Listen(ctx, func() {}) })
	require.Equal(t, word{changed: true}, <-words, "once it listens")
	// heard returns what was heard, changes once for any number of them in a row.
	heard := func(last word) (all []word) {
		for len(all) == 0 || !reflect.DeepEqual(all[len(all)-1], last) {
			if w := <-words; len(all) == 0 || !w.changed || !all[len(all)-1].changed {
				all = append(all, w)
			}
		}
		return all
	}

	name := xep.MustName("bücher.example")
	end := postgres.Told{Domain: name, N: 1, End: &postgres.End{At: now, Outcome: crawl.OutcomeUnnamed}}
	call := func() {
		_, err := s.Call(t.Context(), name)
		require.NoError(t, err)
	}
	call()
	call()
	require.NoError(t, s.Tell(t.Context(), end))
	var calls int
	for _, w := range heard(word{told: end}) {
		if w.asked == name {
			calls++
		} else {
			require.True(t, w.changed || w.told.End != nil, w)
		}
	}
	require.Equal(t, 1, calls, "called for twice within a minute")

	step := postgres.Told{Domain: name, Step: &store.Step{Name: "fetch", Status: "failed", Asked: "a <node/>", Got: "\"nothing\" 💥", Took: time.Second, Fix: "publish"}}
	require.NoError(t, s.Tell(t.Context(), step))
	named := postgres.Told{Domain: name, N: 2, End: &postgres.End{At: now, Outcome: crawl.OutcomeReport, Until: now.Add(time.Hour)}}
	require.NoError(t, s.Tell(t.Context(), named))
	require.Equal(t, []word{{told: step}, {told: named}}, heard(word{told: named}))

	long := postgres.Told{Domain: name, Step: &store.Step{Name: "fetch", Got: strings.Repeat("x", 8000)}}
	require.Error(t, s.Tell(t.Context(), long))
	// What nobody here says is no reason to stop listening.
	for _, w := range []string{"!", "!{}", `!{"end":{}}`, `!{"domain":"a.test"}`, `!{"domain":"..","end":{}}`, `!{"domain":"a.test","step":{},"end":{}}`, "?", "? a b"} {
		server.Exec(t, url, "SELECT pg_notify('xmppgraph.' || current_schema(), '"+w+"')")
	}
	server.Exec(t, url, "SELECT pg_notify('xmppgraph.' || current_schema(), 'of a later version')")
	require.Equal(t, word{changed: true}, <-words)
	require.NoError(t, s.Tell(t.Context(), named))
	require.Equal(t, word{told: named}, <-words)
}

// following keeps a graph as the database has it, whatever happens.
func following(t *testing.T, server *pgtest.Server) {
	s := open(t, server.Schema(t), nil)
	live := func(domain string, hash byte, peers ...string) crawl.Record {
		r := record(domain, peers...)
		now := time.Now().Truncate(time.Microsecond)
		r.Reported, r.Until, r.Hash = now, now.Add(time.Hour), [32]byte{hash}
		return r
	}
	put := func(recs ...crawl.Record) {
		require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: recs}))
	}
	put(live("a.test", 1, "b.test", "c.test"))
	g := graph.New(graph.Options{})
	f := &follow.Follower{DB: s, Graph: g}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx) })
	wg.Go(func() { s.Listen(ctx, f.Poke) })
	<-f.Loaded()
	shown := func(want ...string) {
		t.Helper()
		var got []string
		require.Eventually(t, func() bool {
			got = nil
			for d := range g.Snapshot().Domains() {
				got = append(got, d.Name.String())
			}
			return slices.Equal(want, got)
		}, 10*time.Second, 10*time.Millisecond, "%v", &got)
	}
	shown("a.test")
	put(live("b.test", 1, "a.test"))
	shown("a.test", "b.test")
	require.Equal(t, 1, g.Snapshot().Counts().Mutual)

	lost := live("b.test", 1)
	lost.Until, lost.Reported, lost.Report, lost.Advertised = time.Time{}, time.Time{}, nil, false
	put(lost)
	shown("a.test")
	put(live("b.test", 2, "a.test"))
	shown("a.test", "b.test")

	require.NoError(t, s.Exclude(t.Context(), store.Exclusion{Domain: lost.Domain, Since: time.Now()}))
	shown("a.test")
	require.NoError(t, s.Readmit(t.Context(), lost.Domain))
	shown("a.test", "b.test")

	_, err := s.Purge(t.Context(), lost.Domain)
	require.NoError(t, err)
	shown("a.test")
	put(live("b.test", 3))
	shown("a.test", "b.test")
	require.Zero(t, g.Snapshot().Counts().Links, "a purge takes the name out of the reports of others")
}

// TestFollowThroughRestart restarts the server below a process that follows it.
func TestFollowThroughRestart(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Schema(t)
	s := open(t, url, nil)
	now := time.Now()
	rec := record("a.test")
	rec.Until, rec.Reported = now.Add(time.Hour), now
	require.NoError(t, s.Save(t.Context(), crawl.Batch{Records: []crawl.Record{rec}}))
	g := graph.New(graph.Options{})
	f := &follow.Follower{DB: s, Graph: g}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx) })
	wg.Go(func() { s.Listen(ctx, f.Poke) })
	<-f.Loaded()
	server.Kill(t)
	require.Eventually(t, func() bool { return f.Err() != nil }, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, 1, g.Snapshot().Len(), "what is known stays")
	server.Run(t)
	other, err := postgres.Open(t.Context(), url, postgres.Options{})
	require.NoError(t, err)
	rec = record("b.test", "a.test")
	rec.Until, rec.Reported = now.Add(time.Hour), now
	require.NoError(t, other.Save(t.Context(), crawl.Batch{Records: []crawl.Record{rec}}))
	require.NoError(t, other.Close())
	require.Eventually(t, func() bool { return g.Snapshot().Len() == 2 }, 20*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return f.Err() == nil }, 20*time.Second, 10*time.Millisecond)
}

// movesBetweenDatabases goes from SQLite to PostgreSQL and back.
func movesBetweenDatabases(t *testing.T, server *pgtest.Server) {
	file := func() *sqlite.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Now: clock})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	first, between, last := file(), open(t, server.Schema(t), clock), file()
	storetest.Populate(t, first, graph.Options{Now: clock})
	for _, hop := range [][2]store.Store{{first, between}, {between, last}} {
		var b bytes.Buffer
		_, err := backup.Write(t.Context(), &b, hop[0], noon)
		require.NoError(t, err)
		_, err = backup.Read(t.Context(), &b, hop[1])
		require.NoError(t, err)
		require.Equal(t, storetest.Rows(t, first), storetest.Rows(t, hop[1]))
	}
}
