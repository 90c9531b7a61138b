package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	"github.com/xmppgraph/xmppgraph/examples/internal/certs"
	"github.com/xmppgraph/xmppgraph/examples/internal/metrics"
	"github.com/xmppgraph/xmppgraph/examples/internal/proxy"
	"github.com/xmppgraph/xmppgraph/xep"
)

// front is the way in: encryption, and who is at the other end where proxies are in between.
type front struct {
	trust proxy.Trust
	// tls is nil where somebody else encrypts, or nobody.
	tls   *tls.Config
	files *certs.Files // nil unless the certificate is in files
	// redirect leads from HTTP to HTTPS, nil where that isn't wanted.
	redirect *http.Server
	listener net.Listener
}

// checkACME finds what can't work, and fills in where certificates are kept: beside the database, if that is a file.
func (o *operations) checkACME(database string) error {
	if len(o.acmeDomains) == 0 {
		return nil
	}
	for _, d := range o.acmeDomains {
		name, err := xep.ParseName(d)
		if err != nil {
			return fmt.Errorf("-acme-domain: %w", err)
		}
		if name.IsIP() || !strings.Contains(name.String(), ".") {
			return fmt.Errorf("-acme-domain %q: an authority certifies names in the DNS only", d)
		}
	}
	if o.acmeDirectory != "" && !strings.HasPrefix(o.acmeDirectory, "https://") {
		return fmt.Errorf("-acme-directory %q is not like https://acme.example.org/directory", o.acmeDirectory)
	}
	if o.acmeCache == "" {
		if database == "" || isURL(database) {
			return errors.New("-acme-domain needs -acme-cache, a folder that lasts: authorities give the same certificate only a few times a week")
		}
		o.acmeCache = filepath.Join(filepath.Dir(database), "acme")
	}
	return nil
}

// newFront reads or prepares the certificates.
func newFront(c *config, log *slog.Logger) (*front, error) {
	f := new(front)
	var err error
	if f.trust, err = proxy.Parse(c.trustedProxies...); err != nil {
		return nil, err
	}
	plain := certs.Redirect(c.listen)
	switch {
	case c.tlsCert != "":
		f.files = &certs.Files{Cert: c.tlsCert, Key: c.tlsKey, Logger: log}
		if err := f.files.Load(); err != nil {
			return nil, err
		}
		f.tls = f.files.Config()
	case len(c.acmeDomains) > 0:
		a := &certs.ACME{Domains: c.acmeDomains, Cache: c.acmeCache, Directory: c.acmeDirectory}
		if mail, ok := strings.CutPrefix(c.contact, "mailto:"); ok {
			a.Contact = mail
		}
		m, err := a.Manager()
		if err != nil {
			return nil, err
		}
		f.tls = certs.Config(m)
		plain = m.HTTPHandler(certs.Redirect(c.listen, c.acmeDomains...))
	}
	if c.redirect != "" {
		if f.listener, err = net.Listen("tcp", c.redirect); err != nil {
			return nil, fmt.Errorf("-redirect: %w", err)
		}
		f.redirect = newServer(plain, log)
	}
	return f, nil
}

// scheme is that of the page's URL.
func (f *front) scheme() string {
	if f.tls != nil {
		return "https"
	}
	return "http"
}

// metrics are numbers for whoever watches the program: when the certificate ends, if it is in files.
func (f *front) metrics() []metrics.Family {
	if f.files == nil || f.files.Leaf() == nil {
		return nil
	}
	return []metrics.Family{metrics.One("xmpp_aggregator_certificate_expiry_timestamp_seconds", metrics.Gauge,
		"When the certificate ends.", float64(f.files.Leaf().NotAfter.Unix()))}
}

// handler puts what the front knows before a handler.
func (f *front) handler(h http.Handler) http.Handler {
	if f.tls != nil {
		h = certs.HSTS(h)
	}
	return f.trust.Handler(h)
}

// serve serves until the server is shut down, which is no error.
func (f *front) serve(srv *http.Server, l net.Listener) error {
	var err error
	if f.tls != nil {
		srv.TLSConfig = f.tls
		err = srv.ServeTLS(l, "", "")
	} else {
		err = srv.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// run looks after the certificate and leads to HTTPS until ctx ends.
func (f *front) run(ctx context.Context, reload <-chan struct{}, log *slog.Logger) {
	var parts sync.WaitGroup
	defer parts.Wait()
	if f.files != nil {
		parts.Go(func() { f.files.Run(ctx, reload) })
	}
	if f.redirect == nil {
		return
	}
	parts.Go(func() {
		if err := f.redirect.Serve(f.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("nobody is led to HTTPS any more", "err", err)
		}
	})
	<-ctx.Done()
	shutdown(f.redirect)
}

// close gives back what was never run.
func (f *front) close() {
	if f.listener != nil {
		_ = f.listener.Close()
	}
}
