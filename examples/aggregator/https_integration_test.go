//go:build integration

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/integration"
)

// free returns a port of 127.0.0.1 that nothing listens on. It is below those that the kernel hands out, of which other tests take thousands.
func free(t *testing.T) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))); err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// beside runs another program until the test ends or the returned function is called.
func beside(t *testing.T, env []string, program string, args ...string) (end func()) {
	t.Helper()
	cmd := exec.Command(program, args...)
	log := new(lockedBuilder)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), env...)
	require.NoError(t, cmd.Start())
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("%s %q:\n%s", program, args, log)
		}
	})
	return end
}

// eventually asks until there is an answer, and returns it.
func eventually(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	var resp *http.Response
	var body []byte
	var err error
	require.Eventually(t, func() bool {
		if resp, err = client.Get(url); err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return err == nil
	}, patience, 20*time.Millisecond, "%s: %v", url, &err)
	return resp, string(body)
}

// toItself returns a client that looks for every host where the program listens.
func toItself(t *testing.T, address string, config *tls.Config, from net.Addr) *http.Client {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig: config,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// The program gets its certificate by itself from a real authority that forgives nothing, keeps it, and gets none for names that are not its own.
func TestCertificateByACME(t *testing.T) {
	integration.Need(t, "pebble", "pebble-challtestsrv")
	const domain = "graph.example.test"
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	ours, err := integration.NewAuthority()
	require.NoError(t, err)
	cert, key, err := ours.Issue("localhost")
	require.NoError(t, err)
	listen, management, dns := free(t), free(t), free(t)
	_, port, err := net.SplitHostPort(listen)
	require.NoError(t, err)

	t.Setenv("SSL_CERT_FILE", file("ca.pem", ours.PEM()))
	args := []string{"-demo", "-demo-size", "12", "-acme-domain", domain, "-acme-cache", filepath.Join(dir, "acme"),
		"-acme-directory", "https://localhost:" + port + "/dir"}
	p := spawn(t, args...)
	at, err := url.Parse(p.url)
	require.NoError(t, err)
	require.Equal(t, "https", at.Scheme)

	// The authority looks for the domain at the port that the program has got.
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": file("cert.pem", cert), "privateKey": file("key.pem", key),
		"httpPort": 1, "tlsPort": json.Number(at.Port()),
	}})
	require.NoError(t, err)
	beside(t, nil, "pebble-challtestsrv", "-dns01", dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-management", free(t), "-defaultIPv6", "")
	end := beside(t, []string{"PEBBLE_VA_NOSLEEP=1"},
		"pebble", "-strict", "-dnsserver", dns, "-config", file("pebble.json", config))

	mine := toItself(t, management, &tls.Config{RootCAs: ours.Pool(), ServerName: "localhost"}, nil)
	_, root := eventually(t, mine, "https://"+management+"/roots/0")
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(root)), root)

	serves := func(p *process) (serial string) {
		t.Helper()
		at, err := url.Parse(p.url)
		require.NoError(t, err)
		resp, body := eventually(t, toItself(t, at.Host, &tls.Config{RootCAs: roots}, nil), "https://"+domain+"/healthz")
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		require.Contains(t, resp.Header.Get("Strict-Transport-Security"), "max-age")
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serves(p)
	_, err = toItself(t, at.Host, &tls.Config{RootCAs: roots}, nil).Get("https://other.example.test/")
	require.Error(t, err, "nobody gets a certificate by asking for a name")

	end()
	require.Equal(t, first, serves(spawn(t, args...)), "it is kept, and the authority is not asked again")
}

// Behind the proxies that docs/operating.md describes, with the very words that it has, each visitor has limits of its own and the event
// stream arrives at once.
func TestBehindRealProxies(t *testing.T) {
	integration.Need(t, "nginx", "caddy")
	for name, begin := range map[string]func(t *testing.T, block, upstream, listen string){
		"nginx": func(t *testing.T, block, upstream, listen string) {
			dir := t.TempDir()
			file := nginxFile(t, dir, strings.Replace(replaced(t, block, "127.0.0.1:8080", upstream), "443 ssl http2", listen, 1))
			beside(t, nil, need(t, "nginx"), "-c", file, "-p", dir, "-g", "daemon off; master_process off;")
		},
		"caddy": func(t *testing.T, block, upstream, listen string) {
			dir := t.TempDir()
			block = replaced(t, replaced(t, block, "127.0.0.1:8080", upstream), "graph.example.org {", "http://graph.example.org:"+strings.Split(listen, ":")[1]+" {\nbind 127.0.0.1")
			file := filepath.Join(dir, "Caddyfile")
			require.NoError(t, os.WriteFile(file, []byte("{\nadmin off\n}\n"+block), 0o600))
			beside(t, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, "caddy", "run", "--adapter", "caddyfile", "--config", file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var block string
			for _, b := range blocks(t, "../../docs/operating.md") {
				if b[0] == name {
					block = b[1]
				}
			}
			ours := start(t, "-demo", "-demo-size", "12", "-trusted-proxy", "127.0.0.1", "-trusted-proxy", "::1")
			at, err := url.Parse(ours)
			require.NoError(t, err)
			listen := free(t)
			begin(t, block, "localhost:"+at.Port(), listen)

			visitor := func(last byte) *http.Client {
				return toItself(t, listen, nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)})
			}
			const page = "http://graph.example.org/"
			resp, _ := eventually(t, visitor(2), page)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Regexp(t, `max-age=\d+`, resp.Header.Get("Strict-Transport-Security"))
			resp, body := eventually(t, visitor(2), page+"metrics")
			require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, resp.StatusCode)
			require.NotContains(t, body, "xmpp_")

			submit := func(last byte, says string) int {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"api/v1/submit", bytes.NewBufferString(`{"domain":"nobody.invalid"}`))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("X-Forwarded-For", says)
				req.Header.Set("Forwarded", "for="+says)
				resp, err := visitor(last).Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				return resp.StatusCode
			}
			for n := 0; submit(2, fmt.Sprintf("192.0.2.%d", n)) != http.StatusTooManyRequests; n++ {
				require.Less(t, n, 100, "what it says of itself gives a visitor no more")
			}
			require.NotEqual(t, http.StatusTooManyRequests, submit(3, "192.0.2.1"), "another visitor")

			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"api/v1/events", nil)
			require.NoError(t, err)
			stream, err := visitor(4).Do(req)
			require.NoError(t, err)
			defer stream.Body.Close()
			first := make([]byte, 16)
			_, err = io.ReadFull(stream.Body, first)
			require.NoError(t, err, "the stream is not kept back until it ends")
			require.Regexp(t, regexp.MustCompile(`^(id|event|data|retry|:)`), string(first))
		})
	}
}

func replaced(t *testing.T, s, old, with string) string {
	t.Helper()
	require.Contains(t, s, old)
	return strings.ReplaceAll(s, old, with)
}
