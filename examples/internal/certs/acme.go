package certs

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME gets certificates from an authority, and renews them, at the first connections that ask for them.
type ACME struct {
	// Domains are what certificates are asked for. All others are refused.
	Domains []string
	// Cache is the folder where keys and certificates are kept, which is made if there is none, readable for nobody else.
	Cache string
	// Contact is a mail address that the authority may write to, empty for none.
	Contact string
	// Directory is the authority's address, that of Let's Encrypt if empty.
	Directory string
	// Client asks the authority, nil means one of its own.
	Client *http.Client
}

// Manager makes the cache, and returns what gets certificates. It agrees to the authority's terms of service.
func (a *ACME) Manager() (*autocert.Manager, error) {
	if err := os.MkdirAll(a.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(a.Cache),
		HostPolicy: autocert.HostWhitelist(a.Domains...),
		Email:      a.Contact,
		Client:     &acme.Client{DirectoryURL: a.Directory, HTTPClient: a.Client},
	}, nil
}

// Config returns settings for a server that also answers the authority's challenges on it (tls-alpn-01, RFC 8737).
func Config(m *autocert.Manager) *tls.Config {
	c := m.TLSConfig()
	c.MinVersion = tls.VersionTLS12
	return c
}

// Redirect returns a handler for HTTP that leads to the same address on HTTPS, at the port of an address that is served there.
// It leads to the named hosts only, or wherever the request wants if there are none.
func Redirect(listen string, hosts ...string) http.Handler {
	_, port, _ := net.SplitHostPort(listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "use HTTPS", http.StatusBadRequest)
			return
		}
		if host == "" || len(hosts) > 0 && !has(hosts, host) {
			http.Error(w, "unknown host", http.StatusNotFound)
			return
		}
		if port != "443" {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
}

// hostOf returns the host of a Host header without its port, empty if that is none.
func hostOf(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
		if strings.Contains(h, ":") {
			s = "[" + h + "]"
		}
	}
	if strings.ContainsAny(s, "/\\?#@ ") {
		return ""
	}
	return strings.ToLower(s)
}

func has(all []string, s string) bool {
	for _, a := range all {
		if strings.EqualFold(a, s) {
			return true
		}
	}
	return false
}

// HSTS returns a handler that tells browsers to come back by HTTPS only, for half a year (RFC 6797).
func HSTS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=15552000")
		}
		next.ServeHTTP(w, r)
	})
}
