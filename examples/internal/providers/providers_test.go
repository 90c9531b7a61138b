package providers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	quiet   = slog.New(slog.DiscardHandler)
	denmark = xep.MustName("denmark.lit")
	yorick  = xep.MustName("yorick.lit")
)

// site is a web server without a wire, so that time can be simulated.
type site struct {
	mu       sync.Mutex
	body     string
	etag     string
	status   int
	err      error
	silent   bool
	requests []*http.Request
}

// RoundTrip implements http.RoundTripper.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.silent {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	w := httptest.NewRecorder()
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
	case s.etag != "" && r.Header.Get("If-None-Match") == s.etag:
		w.WriteHeader(http.StatusNotModified)
	default:
		if s.etag != "" {
			w.Header().Set("ETag", s.etag)
		}
		_, _ = io.WriteString(w, s.body)
	}
	return w.Result(), nil
}

func (s *site) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

const location = "https://providers.example/As.json"

func (s *site) list(stateFile string) *List {
	return &List{Location: location, StateFile: stateFile, Client: &http.Client{Transport: s}, Logger: quiet}
}

func TestListFromAURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{body: `["denmark.lit","no name!"]`, etag: `"1"`}
		l := s.list("")
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark))
		require.Equal(t, 1, l.Len())
		v := optin.Decide(optin.Evidence{Domain: denmark}, optin.Policy{Listed: l.Has}, time.Now())
		require.Equal(t, optin.Listed, v.Reason(), "a verdict says what it rests on")

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(ctx)
		}()
		time.Sleep(12*time.Hour - time.Minute)
		require.Equal(t, 1, s.count())
		time.Sleep(2 * time.Minute)
		require.Equal(t, 2, s.count())
		require.Equal(t, `"1"`, s.requests[1].Header.Get("If-None-Match"))
		require.True(t, l.Has(denmark), "not modified is no reason to forget")

		s.set(func() { s.body, s.etag = `["yorick.lit"]`, `"2"` })
		time.Sleep(12 * time.Hour)
		require.True(t, l.Has(yorick))
		require.False(t, l.Has(denmark))
		cancel()
		<-done
	})
}

func TestTheLastGoodListStays(t *testing.T) {
	for name, spoil := range map[string]func(*site){
		"unreachable":    func(s *site) { s.err = io.ErrUnexpectedEOF },
		"server error":   func(s *site) { s.status = http.StatusInternalServerError },
		"garbage":        func(s *site) { s.body = "<html>" },
		"objects":        func(s *site) { s.body = `[{"jid":"yorick.lit"}]` },
		"empty":          func(s *site) { s.body = "[]" },
		"nothing usable": func(s *site) { s.body = `["no name!"]` },
		"too large":      func(s *site) { s.body = `["yorick.lit","` + strings.Repeat("x", maxBytes) + `"]` },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{body: `["denmark.lit"]`}
				l := s.list("")
				require.NoError(t, l.Load(t.Context()))
				s.set(func() { spoil(s) })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					l.Run(ctx)
				}()
				time.Sleep(24 * time.Hour)
				require.True(t, l.Has(denmark))
				require.False(t, l.Has(yorick))
				n := s.count()
				require.Greater(t, n, 3, "it tries again sooner")
				require.Less(t, n, 12, "but not all the time")
				s.set(func() { s.body, s.err, s.status = `["yorick.lit"]`, nil, 0 })
				time.Sleep(12 * time.Hour)
				require.True(t, l.Has(yorick))
				cancel()
				<-done
			})
		})
		t.Run(name+" at first", func(t *testing.T) {
			s := new(site)
			spoil(s)
			require.Error(t, s.list("").Load(t.Context()))
		})
	}
}

func TestTheListSurvivesARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "providers.json")
	synctest.Test(t, func(t *testing.T) {
		s := &site{body: `["denmark.lit"]`, etag: `"1"`}
		require.NoError(t, s.list(file).Load(t.Context()))

		s.set(func() { s.err = io.ErrUnexpectedEOF })
		l := s.list(file)
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark))
		require.Equal(t, 1, s.count(), "it is still good, so nobody was asked")

		time.Sleep(13 * time.Hour)
		l = s.list(file)
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark), "nobody answered, so it stays")
		require.Equal(t, 2, s.count())
		require.Equal(t, `"1"`, s.requests[1].Header.Get("If-None-Match"))

		other := s.list(file)
		other.Location = "https://elsewhere.example/Ds.json"
		require.Error(t, other.Load(t.Context()), "a list from elsewhere is none")
		require.False(t, other.Has(denmark))
	})
	for name, content := range map[string]string{
		"garbage": "{", "no name": `{"location":"` + location + `","names":["no name!"]}`, "empty": `{"location":"` + location + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
			s := &site{body: `["denmark.lit"]`}
			l := s.list(file)
			require.NoError(t, l.Load(t.Context()))
			require.True(t, l.Has(denmark))
		})
	}
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestListFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.json")
	require.NoError(t, os.WriteFile(file, []byte(`["denmark.lit"]`), 0o600))
	synctest.Test(t, func(t *testing.T) {
		l := &List{Location: file, Logger: quiet}
		require.NoError(t, l.Load(t.Context()))
		require.True(t, l.Has(denmark))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Run(ctx)
		}()
		require.NoError(t, os.WriteFile(file, []byte(`["yorick.lit"]`), 0o600))
		time.Sleep(6 * time.Minute)
		require.True(t, l.Has(yorick))
		cancel()
		<-done
	})
	require.Error(t, (&List{Location: file + ".none", Logger: quiet}).Load(t.Context()))
}

func TestADownloadIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.ErrorIs(t, (&site{silent: true}).list("").Load(t.Context()), context.DeadlineExceeded)
		require.Equal(t, 15*time.Second, time.Since(began))
	})
}

// A real server, whose redirects must not lead away from encryption.
func TestRedirects(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `["denmark.lit"]`) }))
	t.Cleanup(plain.Close)
	l := &List{Location: plain.URL, Logger: quiet}
	require.NoError(t, l.Load(t.Context()))
	require.True(t, l.Has(denmark))

	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	l = &List{Location: secure.URL, Logger: quiet, Client: secure.Client()}
	l.Client.CheckRedirect = stayEncrypted
	require.ErrorContains(t, l.Load(t.Context()), "redirect from https to http")

	loop := httptest.NewServer(http.RedirectHandler("/", http.StatusFound))
	t.Cleanup(loop.Close)
	require.ErrorContains(t, (&List{Location: loop.URL, Logger: quiet}).Load(t.Context()), "too many redirects")
}

func TestCheckLocation(t *testing.T) {
	for _, ok := range []string{"list.json", "/etc/list.json", "https://a.example/x", "http://localhost:1/"} {
		require.NoError(t, CheckLocation(ok), ok)
	}
	for _, bad := range []string{"ftp://a.example/x", "https:///x", "https://a b/"} {
		require.Error(t, CheckLocation(bad), bad)
	}
}
