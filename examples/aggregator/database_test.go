package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// The later runs meet a network in which nobody answers, or even their own server does not, and show whom the first one found.
func TestRestartContinues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "aggregator.db")
	shown := func(t *testing.T, server string, want string) {
		url := start(t, "-component", testserver.Component, "-secret-file", secret(t, testserver.Secret), "-server", server,
			"-contact", "mailto:ops@example.org", "-seed", "a.test", "-interval", "1h", "-verdict-ttl", "2h", "-spacing", "0s", "-database", file)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		body := await(ctx, url+"data.json", func(s string) bool { return strings.Contains(s, want) })
		require.NoError(t, ctx.Err(), body)
		require.Equal(t, []string{"a.test", "b.test"}, names(t, body))
	}
	t.Run("first", func(t *testing.T) {
		srv := testserver.Start(t, testserver.Config{Seed: 1})
		peer := func(n string) testserver.Report {
			return testserver.Report{Peers: []testserver.Peer{{Name: n, Directions: testserver.Bidi}}}
		}
		srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true, Report: peer("b.test")})
		srv.AddDomain(testserver.Domain{Name: "b.test", Advertise: true, Report: peer("a.test")})
		shown(t, srv.ComponentAddr(), `"label":"b.test"`)
	})
	t.Run("nobody answers", func(t *testing.T) {
		shown(t, testserver.Start(t, testserver.Config{Seed: 2}).ComponentAddr(), `"label":"b.test"`)
	})
	t.Run("the server does not answer", func(t *testing.T) {
		mute, err := net.Listen("tcp", "localhost:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, mute.Close()) })
		shown(t, mute.Addr().String(), `"label":"b.test"`)
	})
}

// diary is a historian.
type diary struct {
	observed, swept []time.Duration
	start           time.Time
	err             error
}

func (d *diary) Observe(context.Context, *graph.Snapshot) error {
	d.observed = append(d.observed, time.Since(d.start))
	return d.err
}

func (d *diary) Sweep(context.Context, store.Retention) (store.Swept, error) {
	d.swept = append(d.swept, time.Since(d.start))
	return store.Swept{}, d.err
}

// Of processes that observe the same network one does, and another one once that one is gone.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var last time.Time
		first, second, broken := &diary{start: start}, &diary{start: start}, &diary{err: store.ErrUnavailable}
		g := graph.New(graph.Options{})
		observe := func(d *diary) error {
			n := len(d.observed)
			err := turns{d, func(context.Context) (time.Time, error) { return last, d.err }}.Observe(t.Context(), g.Snapshot())
			if len(d.observed) > n {
				last = time.Now()
			}
			return err
		}
		const firstEnds = 62
		for m := range 2 * firstEnds {
			if m < firstEnds && m%observeEvery == 0 {
				require.NoError(t, observe(first))
			}
			if m%observeEvery == 3 {
				require.NoError(t, observe(second))
			}
			time.Sleep(look)
		}
		require.Len(t, first.observed, 13)
		require.Len(t, second.observed, 12)
		require.Less(t, second.observed[0]-first.observed[12], store.Gap)
		require.ErrorIs(t, observe(broken), store.ErrUnavailable)
		require.Empty(t, broken.observed)
	})
}

func TestKeepHistory(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want []string
	}{
		"all is well":      {},
		"the disk is full": {store.ErrFull, []string{"not saved yet", "history not kept", "history not swept", "no space left"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				d := &diary{start: time.Now(), err: tc.err}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Second)
				defer cancel()
				stats := func() crawl.Stats { return crawl.Stats{Unsaved: 3, SaveErr: tc.err} }
				keepHistory(ctx, d, stats, graph.New(graph.Options{}), slog.New(slog.NewTextHandler(&out, nil)))
				require.Len(t, d.observed, 12)
				require.Equal(t, time.Minute, d.observed[0])
				require.Equal(t, []time.Duration{time.Hour}, d.swept)
				for _, w := range tc.want {
					require.Contains(t, out.String(), w)
				}
				require.Equal(t, tc.err == nil, out.Len() == 0)
			})
		})
	}
}

func TestOpenDatabase(t *testing.T) {
	_, err := openDatabase(t.Context(), "postgres://me:secret@localhost:1/x?connect_timeout=5")
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.NotContains(t, err.Error(), "secret")
	s, err := openDatabase(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
