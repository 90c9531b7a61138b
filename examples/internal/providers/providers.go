// Package providers keeps a list of public XMPP providers, whose domains an operator may want to name although they do not
// advertise that they may be named.
//
// XEP-0485 knows no such exception, so that this is a policy which somebody has to turn on: see [optin.Policy].
// Verdicts that rest on the list have the reason [optin.Listed] and say so wherever they are shown.
package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/xmppgraph/xmppgraph/examples/internal/store"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

const (
	// DefaultRefresh is how long a list from a URL is good for.
	DefaultRefresh = 12 * time.Hour
	// fileRefresh is the same for a file, which costs nothing to look at.
	fileRefresh = 5 * time.Minute
	// firstRetry is the pause after a failure; it doubles up to the refresh.
	firstRetry = 15 * time.Minute
	// timeout bounds one download, and maxBytes what it may bring.
	timeout  = 15 * time.Second
	maxBytes = 1 << 20
)

// Cache is the part of a database that keeps documents.
type Cache interface {
	Cached(ctx context.Context, key string) (store.Cached, error)
	Cache(ctx context.Context, c store.Cached) error
}

// List is a list of domains from a URL or a file: a JSON array of strings.
//
// Only Location is required. The fields must not be changed once a method was called. Has may be called at any time.
type List struct {
	// Location is an http or https URL, or the path of a file.
	Location string
	// StateFile is where the last good list from a URL is kept, so that it survives a restart. Empty keeps nothing.
	StateFile string
	// Cache is a database to keep it in instead, nil for none.
	Cache Cache
	// Refresh is how long the list is good for: [DefaultRefresh] if zero, or 5 minutes for a file.
	Refresh time.Duration
	// Client downloads, nil means one of its own.
	Client *http.Client
	// Logger gets what happens, nil means [slog.Default].
	Logger *slog.Logger
	// Now is the clock, nil means time.Now.
	Now func() time.Time

	names optin.Set

	// mu guards what follows, and makes refreshes wait for each other.
	mu       sync.Mutex
	state    state
	failures int
	said     string
}

// Has reports whether a domain is on the list. It is a function for [optin.Policy].
func (l *List) Has(name xep.Name) bool { return l.names.Has(name) }

// Len returns how many domains are on the list.
func (l *List) Len() int { return l.names.Len() }

// Load gets the list: the one that was kept, and a new one if that is no longer good.
//
// An error means that there is none, or that the file can't be read.
func (l *List) Load(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.restore(ctx); err != nil {
		l.logger().Warn("the list of providers that was kept can't be used", "err", err)
	}
	if l.due() > 0 {
		return nil
	}
	if err := l.refresh(ctx); err != nil && l.Len() == 0 {
		return err
	}
	return nil
}

// Run keeps the list up to date until ctx ends. After a failure the last good list stays.
func (l *List) Run(ctx context.Context) {
	for {
		l.mu.Lock()
		pause := l.due()
		l.mu.Unlock()
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		l.mu.Lock()
		_ = l.refresh(ctx) // which logs it
		l.mu.Unlock()
	}
}

// due returns how long to wait before the next attempt.
func (l *List) due() time.Duration {
	if l.failures > 0 {
		return min(firstRetry<<min(l.failures-1, 10), l.life())
	}
	if l.state.Checked.IsZero() {
		return 0
	}
	age := l.now().Sub(l.state.Checked)
	if age < 0 {
		// The clock was set back, or the state is from elsewhere.
		return 0
	}
	return max(0, l.life()-age)
}

func (l *List) life() time.Duration {
	switch {
	case l.Refresh > 0:
		return l.Refresh
	case l.isURL():
		return DefaultRefresh
	}
	return fileRefresh
}

// refresh makes one attempt, and logs what is new.
func (l *List) refresh(ctx context.Context) error {
	changed, err := l.get(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		l.failures++
		if err.Error() != l.said {
			l.said = err.Error()
			l.logger().Warn("no new list of providers", "err", err, "domains", l.Len())
		}
		return err
	}
	l.failures, l.said = 0, ""
	if changed {
		l.logger().Info("providers are named whether or not they advertise", "domains", l.Len(), "skipped", l.state.skipped)
	}
	if err := l.keep(ctx); err != nil {
		l.logger().Warn("the list of providers is not kept for a restart", "err", err)
	}
	return nil
}

// get gets the list and puts it to use.
func (l *List) get(ctx context.Context) (changed bool, err error) {
	next := state{Location: l.Location}
	var b []byte
	if l.isURL() {
		b, next.ETag, err = l.download(ctx)
	} else {
		b, err = readFile(l.Location, maxBytes)
	}
	if errors.Is(err, errUnchanged) {
		l.state.Checked = l.now()
		return false, nil
	}
	if err != nil {
		return false, err
	}
	names, skipped, err := optin.ParseList(b)
	if err != nil {
		return false, fmt.Errorf("%s: %w", l.Location, err)
	}
	if len(names) == 0 {
		// Rather a mishap than the end of all public providers.
		return false, fmt.Errorf("%s: no domain is on the list", l.Location)
	}
	next.Checked, next.skipped = l.now(), skipped
	for _, n := range names {
		next.Names = append(next.Names, n.String())
	}
	changed = !next.same(&l.state)
	l.state = next
	l.names.Replace(names)
	return changed, nil
}

var errUnchanged = errors.New("not modified")

// download gets the URL, unless its content is the one that we have.
func (l *List) download(ctx context.Context) (b []byte, etag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.Location, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "xmppgraph (+https://github.com/xmppgraph/xmppgraph)")
	if l.state.ETag != "" && l.Len() > 0 {
		req.Header.Set("If-None-Match", l.state.ETag)
	}
	resp, err := l.client().Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && l.Len() > 0:
		return nil, "", errUnchanged
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("%s: %s", l.Location, resp.Status)
	}
	if b, err = io.ReadAll(io.LimitReader(resp.Body, maxBytes+1)); err != nil {
		return nil, "", fmt.Errorf("%s: %w", l.Location, err)
	}
	if len(b) > maxBytes {
		return nil, "", fmt.Errorf("%s: more than %d bytes", l.Location, maxBytes)
	}
	return b, resp.Header.Get("ETag"), nil
}

func (l *List) client() *http.Client {
	if l.Client != nil {
		return l.Client
	}
	// There are twelve hours between two requests, so that a connection is not worth keeping.
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: stayEncrypted,
	}
}

// stayEncrypted refuses to be sent from https to anything else: whoever can write the list decides who is named.
func stayEncrypted(req *http.Request, via []*http.Request) error {
	const most = 5
	switch {
	case len(via) >= most:
		return errors.New("too many redirects")
	case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("redirect from https to %s", req.URL.Scheme)
	}
	return nil
}

// CheckLocation reports what is wrong with a location, before anything is asked of it.
func CheckLocation(location string) error {
	if !strings.Contains(location, "://") {
		return nil
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q is neither a file nor an http or https URL", location)
	case u.Host == "":
		return fmt.Errorf("%q names no host", location)
	}
	return nil
}

func (l *List) isURL() bool { return strings.Contains(l.Location, "://") }

func (l *List) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *List) logger() *slog.Logger {
	if l.Logger != nil {
		return l.Logger
	}
	return slog.Default()
}

// readFile reads a file of a bounded size.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s: more than %d bytes", path, most)
	}
	return b, nil
}
