// Package certs has the certificates of an HTTPS server at hand: from files that somebody else renews, or from an authority
// that speaks ACME (RFC 8555).
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultEvery is how often [Files.Run] looks whether the files have changed.
const DefaultEvery = time.Minute

// Files is a certificate and its key in files (PEM), which may be replaced while the server runs.
// Cert and Key are required. The fields must not be changed once a method was called.
type Files struct {
	// Cert holds the certificate, followed by those between it and its authority. Key holds the private key.
	Cert, Key string
	// Every is how often to look for changes, [DefaultEvery] if zero.
	Every time.Duration
	// Logger gets what happens, nil means [slog.Default].
	Logger *slog.Logger
	// Now is the clock, nil means time.Now.
	Now func() time.Time

	now atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	stamps [2]stamp
	said   string
}

// stamp tells versions of a file apart.
type stamp struct {
	mod  time.Time
	size int64
}

// Load reads the files. An error leaves the certificate as it is.
func (f *Files) Load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.load(true)
	return err
}

func (f *Files) load(force bool) (changed bool, err error) {
	stamps, err := f.look()
	if err != nil {
		return false, err
	}
	if stamps == f.stamps && !force {
		return false, nil
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	before := f.now.Swap(&cert)
	f.stamps = stamps
	return before == nil || before.Leaf == nil || !before.Leaf.Equal(cert.Leaf), nil
}

func (f *Files) look() (stamps [2]stamp, err error) {
	for i, path := range []string{f.Cert, f.Key} {
		fi, err := os.Stat(path)
		if err != nil {
			return stamps, err
		}
		stamps[i] = stamp{fi.ModTime(), fi.Size()}
	}
	return stamps, nil
}

// Leaf returns the certificate that is in use, nil before it was loaded.
func (f *Files) Leaf() *x509.Certificate {
	if c := f.now.Load(); c != nil {
		return c.Leaf
	}
	return nil
}

// Config returns settings for a server. Load must have succeeded before.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := f.now.Load(); c != nil {
				return c, nil
			}
			return nil, errors.New("certs: no certificate was loaded")
		},
	}
}

// Run takes changes of the files in until ctx ends: now and then, and at once when something comes from reload, which may be
// nil. While the files can't be used the certificate from before stays, and that is logged once, as is that it ends soon.
func (f *Files) Run(ctx context.Context, reload <-chan struct{}) {
	every := f.Every
	if every <= 0 {
		every = DefaultEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		force := false
		select {
		case <-tick.C:
		case <-reload:
			force = true
		case <-ctx.Done():
			return
		}
		f.refresh(force)
	}
}

func (f *Files) refresh(force bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed, err := f.load(force)
	leaf := f.Leaf()
	problem := ""
	switch {
	case err != nil:
		problem = err.Error()
	case leaf != nil && f.time().After(leaf.NotAfter):
		problem = "the certificate has expired: renew it, and put it into " + f.Cert
	}
	if changed && err == nil {
		f.logger().Info("new certificate", "until", leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	if problem != "" && problem != f.said {
		f.logger().Error("certificate", "err", problem)
	}
	f.said = problem
}

func (f *Files) time() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Files) logger() *slog.Logger {
	if f.Logger != nil {
		return f.Logger
	}
	return slog.Default()
}
