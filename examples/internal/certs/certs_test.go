package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
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
)

func TestMain(m *testing.M) { leak.Main(m) }

const domain = "graph.example.org"

// write writes a new certificate and its key.
func (s *signer) write(t *testing.T, f *Files, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.Key, block("EC PRIVATE KEY", der), 0o600))
	require.NoError(t, os.WriteFile(f.Cert, s.sign(t, domain, &key.PublicKey, until), 0o600))
}

func files(t *testing.T) *Files {
	dir := t.TempDir()
	return &Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Logger: slog.New(slog.DiscardHandler)}
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

// A certificate that is renewed is taken up, one that is broken is not, and one that expires is complained about.
func TestFiles(t *testing.T) {
	s := newSigner(t)
	synctest.Test(t, func(t *testing.T) {
		f := files(t)
		var log notes
		f.Logger = slog.New(slog.NewTextHandler(&log, nil))
		require.ErrorIs(t, f.Load(), os.ErrNotExist)
		_, err := f.Config().GetCertificate(nil)
		require.Error(t, err)

		s.write(t, f, time.Now().Add(24*time.Hour))
		require.NoError(t, f.Load())
		first := f.Leaf()

		ctx, cancel := context.WithCancel(t.Context())
		reload := make(chan struct{})
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx, reload) }()
		pass := func() { time.Sleep(DefaultEvery + time.Second); synctest.Wait() }
		pass()
		require.Equal(t, first, f.Leaf())

		require.NoError(t, os.WriteFile(f.Cert, []byte("not finished"), 0o600))
		pass()
		pass()
		require.Equal(t, first, f.Leaf(), "what can't be used is no certificate")
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())

		s.write(t, f, time.Now().Add(12*time.Hour))
		reload <- struct{}{}
		synctest.Wait()
		second := f.Leaf()
		require.False(t, second.Equal(first))
		require.Contains(t, log.String(), "new certificate")

		time.Sleep(13 * time.Hour)
		synctest.Wait()
		require.Contains(t, log.String(), "the certificate has expired")
		cancel()
		<-done
	})
}

func TestFilesThatDoNotFit(t *testing.T) {
	s, f, g := newSigner(t), files(t), files(t)
	s.write(t, f, time.Now().Add(time.Hour))
	s.write(t, g, time.Now().Add(time.Hour))
	f.Key = g.Key
	require.ErrorContains(t, f.Load(), "private key does not match")
}

// serve serves HTTPS on a port of its own and returns its address.
func serve(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	srv := &http.Server{TLSConfig: cfg, Handler: HSTS(http.NotFoundHandler())}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return l.Addr().String()
}

// ask opens a connection, and returns the HSTS header that comes over it.
func ask(t *testing.T, addr, name string, s *signer) (string, error) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: s.pool(), ServerName: name},
	}}
	resp, err := c.Get("https://" + addr + "/")
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Strict-Transport-Security"), nil
}

func TestServe(t *testing.T) {
	s, f := newSigner(t), files(t)
	s.write(t, f, time.Now().Add(time.Hour))
	require.NoError(t, f.Load())
	header, err := ask(t, serve(t, f.Config()), domain, s)
	require.NoError(t, err)
	require.NotEmpty(t, header)
}

// A certificate is got at the first connection, by either kind of challenge, and kept for the next start.
func TestACME(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			a := newAuthority(t, challenge)
			acme := &ACME{Domains: []string{domain}, Cache: filepath.Join(t.TempDir(), "acme"), Contact: "ops@example.org",
				Directory: a.web.URL + "/directory", Client: a.web.Client()}
			m, err := acme.Manager()
			require.NoError(t, err)
			plain := httptest.NewServer(m.HTTPHandler(Redirect(":443", domain)))
			t.Cleanup(plain.Close)
			addr := serve(t, Config(m))
			a.prove = func(token string) error {
				if challenge == "http-01" {
					return proveHTTP(context.Background(), plain.Client(), domain, plain.URL, token)
				}
				return proveALPN(domain, addr)
			}
			header, err := ask(t, addr, domain, a.signer)
			require.NoError(t, err)
			require.NotEmpty(t, header)
			require.Equal(t, 1, a.issued)

			_, err = ask(t, addr, "other.example.org", a.signer)
			require.Error(t, err, "nobody can make us ask for what is not ours")
			require.Equal(t, 1, a.issued)

			again, err := acme.Manager()
			require.NoError(t, err)
			_, err = ask(t, serve(t, Config(again)), domain, a.signer)
			require.NoError(t, err)
			require.Equal(t, 1, a.issued, "the cache has it")
			a.web.Client().CloseIdleConnections()
		})
	}
}

func TestRedirect(t *testing.T) {
	for name, tc := range map[string]struct {
		method, listen, host string
		hosts                []string
		status               int
		to                   string
	}{
		"standard port":  {"GET", ":443", "graph.example.org", []string{domain}, 301, "https://graph.example.org/a?b=c"},
		"another port":   {"GET", "localhost:8443", "graph.example.org:8080", nil, 301, "https://graph.example.org:8443/a?b=c"},
		"an address":     {"GET", ":8443", "[::1]:80", nil, 301, "https://[::1]:8443/a?b=c"},
		"unknown host":   {"GET", ":443", "evil.example", []string{domain}, 404, ""},
		"no host":        {"GET", ":443", "a/b", nil, 404, ""},
		"something sent": {"POST", ":443", domain, nil, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "/a?b=c", nil)
			r.Host = tc.host
			w := httptest.NewRecorder()
			Redirect(tc.listen, tc.hosts...).ServeHTTP(w, r)
			require.Equal(t, tc.status, w.Code)
			require.Equal(t, tc.to, w.Header().Get("Location"))
		})
	}
}
