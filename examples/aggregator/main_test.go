package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

// patience bounds the wait for what should happen within a second, on a machine that is busy.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(leak.Checked{Runner: closing{m}}, map[string]func(){"aggregator": main})
}

// closing is a run of tests after which no connection is kept.
type closing struct{ leak.Runner }

// Run implements leak.Runner.
func (c closing) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return c.Runner.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"PORT", "PORT2"} {
				l, err := net.Listen("tcp", "localhost:0")
				if err != nil {
					return err
				}
				defer l.Close()
				_, port, err := net.SplitHostPort(l.Addr().String())
				if err != nil {
					return err
				}
				e.Setenv(name, port)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"get": cmdGet, "gone": cmdGone},
	})
}

// cmdGet is "get URL FILE REGEXP…": it asks until the answer matches, and writes it to a file.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get URL FILE REGEXP…")
	}
	var want []*regexp.Regexp
	for _, a := range args[2:] {
		re, err := regexp.Compile(a)
		ts.Check(err)
		want = append(want, re)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body := await(ctx, args[0], func(body string) bool {
		for _, re := range want {
			if !re.MatchString(body) {
				return false
			}
		}
		return true
	})
	if ctx.Err() != nil {
		ts.Fatalf("%s does not answer with %q, but: %.500s", args[0], args[2:], body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(body), 0o600))
}

// await asks for a page until it is as wanted or ctx ends, and returns the last answer.
func await(ctx context.Context, url string, ok func(body string) bool) (body string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if got, err := fetch(ctx, url); err == nil {
			body = got
			if ok(body) {
				return body
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return body
		}
	}
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// start runs the program within the test and returns its URL.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	var log strings.Builder
	go func() {
		done <- run(ctx, append(args, "-listen", "localhost:0"), w, &log)
		_ = w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-done, log.String())
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func secret(t testing.TB, s string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte(s+"\n"), 0o600))
	return path
}

// names returns the labels in data.json.
func names(t *testing.T, body string) (all []string) {
	t.Helper()
	var d struct {
		Nodes []struct{ Label string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &d))
	for _, n := range d.Nodes {
		if n.Label != "" {
			all = append(all, n.Label)
		}
	}
	return all
}

// The whole program over a real session: names come with the opt-in of each domain, and go with it.
func TestNamesComeAndGo(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	peers := func(names ...string) testserver.Report {
		var r testserver.Report
		for _, n := range names {
			r.Peers = append(r.Peers, testserver.Peer{Name: n, Directions: testserver.Bidi})
		}
		r.Unnamed = 1
		return r
	}
	srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true, Report: peers("b.test", "shy.test")})
	b := srv.AddDomain(testserver.Domain{Name: "b.test", Profile: testserver.Ejabberd, Advertise: true, Report: peers("a.test")})
	srv.AddDomain(testserver.Domain{Name: "shy.test"})

	modes := map[string][]string{
		"component": {"-component", testserver.Component, "-secret-file", secret(t, testserver.Secret), "-server", srv.ComponentAddr()},
		"client":    {"-jid", testserver.Account, "-password-file", secret(t, testserver.Password), "-server", srv.ClientAddr(), "-tls-ca", ca(t, srv)},
	}
	for mode, args := range modes {
		t.Run(mode, func(t *testing.T) {
			b.SetAdvertise(true)
			url := start(t, append(args, "-contact", "mailto:ops@example.org", "-seed", "a.test",
				"-interval", "200ms", "-verdict-ttl", "3s", "-spacing", "0s")...)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			body := await(ctx, url+"data.json", func(s string) bool { return strings.Contains(s, `"label":"b.test"`) })
			require.NoError(t, ctx.Err(), body)
			require.Equal(t, []string{"a.test", "b.test"}, names(t, body))
			require.NotContains(t, body, "shy.test")

			b.SetAdvertise(false)
			body = await(ctx, url+"data.json", func(s string) bool { return !strings.Contains(s, "b.test") })
			require.NoError(t, ctx.Err(), body)
			require.Equal(t, []string{"a.test"}, names(t, body))
		})
	}
}

// Pages are served from the database while the XMPP server is not up, and the crawl goes on once it is.
func TestServerComesLater(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{Seed: 1})
	srv.AddDomain(testserver.Domain{Name: "a.test", Advertise: true})
	late := srv.AddDomain(testserver.Domain{Name: "late.test"})
	args := []string{"-component", testserver.Component, "-secret-file", secret(t, testserver.Secret), "-server", srv.ComponentAddr(),
		"-contact", "mailto:ops@example.org", "-seed", "a.test", "-seed", "late.test", "-spacing", "0s",
		"-database", filepath.Join(t.TempDir(), "aggregator.db")}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shown := func(url string, want ...string) {
		t.Helper()
		body := await(ctx, url+"data.json", func(s string) bool { return slices.Equal(want, names(t, s)) })
		require.NoError(t, ctx.Err(), body)
	}
	t.Run("a first time", func(t *testing.T) { shown(start(t, args...), "a.test") })
	srv.Refuse()
	url := start(t, args...)
	shown(url, "a.test")
	body := await(ctx, url+"readyz", func(s string) bool { return strings.HasPrefix(s, "ready") })
	require.NoError(t, ctx.Err(), body)

	late.SetAdvertise(true)
	require.NoError(t, srv.Restart())
	shown(url, "a.test", "late.test")
}

// Only a server that can't be reached is waited for, and only by those who have something to do meanwhile.
func TestReach(t *testing.T) {
	refused := &connect.Error{Op: "dial", Kind: connect.ErrUnreachable}
	wrong := &connect.Error{Op: "auth", Kind: connect.ErrCredentials}
	mute := &connect.Error{Op: "stream", Err: context.DeadlineExceeded}
	mistake := &connect.Error{Op: "config", Err: errors.New("no server")}
	for name, tc := range map[string]struct {
		patient bool
		answers []error
		err     error
		took    time.Duration
	}{
		"at once":                    {true, []error{nil}, nil, 0},
		"later":                      {true, []error{refused, refused, refused, nil}, nil, 7 * time.Second},
		"one that is not ready":      {true, []error{mute, mute, nil}, nil, 3 * time.Second},
		"a mistake":                  {true, []error{mistake}, mistake, 0},
		"at most a minute between":   {true, append(slices.Repeat([]error{refused}, 10), nil), nil, (1+2+4+8+16+32)*time.Second + 4*time.Minute},
		"a reason that stays":        {true, []error{wrong}, wrong, 0},
		"later a reason that stays":  {true, []error{refused, wrong}, wrong, time.Second},
		"nothing to serve meanwhile": {false, []error{refused}, refused, 0},
		"asked to end":               {true, slices.Repeat([]error{refused}, 100), context.DeadlineExceeded, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began, n := time.Now(), 0
				_, err := reach(ctx, tc.patient, slog.New(slog.DiscardHandler), func() (*connect.Session, error) {
					n++
					return nil, tc.answers[n-1]
				})
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.took, time.Since(began))
			})
		})
	}
}

// ca writes a file with the certificate of the test server, as its operator would hand it out.
func ca(t *testing.T, srv *testserver.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(path, srv.CertPEM(), 0o600))
	return path
}

// The demonstration is the network of its generator, those included whose items only subscribers see.
func TestDemoShowsEverybody(t *testing.T) {
	url := start(t, "-demo")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []string
	body := await(ctx, url+"data.json", func(s string) bool {
		all = names(t, s)
		return len(all) == demoSize
	})
	require.NoError(t, ctx.Err(), body[:min(len(body), 500)])
	slices.Sort(all)
	var want []string
	for _, m := range testserver.Network(485, demoSize).Domains {
		want = append(want, m.Name)
	}
	slices.Sort(want)
	require.Equal(t, want, all)
}
