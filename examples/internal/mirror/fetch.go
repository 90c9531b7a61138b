package mirror

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/xmppgraph/xmppgraph/xep"
)

// The bounds on what an aggregator can have us read.
const (
	maxDocument = 64 << 20
	maxPages    = 5_000
	fetchTime   = time.Minute
)

// errUnchanged is a document that is the same as the last.
var errUnchanged = errors.New("not modified")

// get reads a JSON document below the API's address into v.
func (m *Mirror) get(ctx context.Context, path string, query url.Values, etag string, v any) (newTag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	resp, err := m.request(ctx, path, query, http.Header{"Accept": {"application/json"}, "If-None-Match": {etag}})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return etag, errUnchanged
	default:
		return "", fmt.Errorf("%s: %s", path, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxDocument:
		return "", fmt.Errorf("%s: more than %d bytes", path, maxDocument)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return resp.Header.Get("ETag"), nil
}

func (m *Mirror) request(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	u := m.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		if values[0] != "" {
			req.Header[name] = values
		}
	}
	c := m.Client
	if c == nil {
		c = http.DefaultClient
	}
	return c.Do(req)
}

func (m *Mirror) fetchGraph(ctx context.Context) (*network, string, error) {
	c := new(compact)
	etag, err := m.get(ctx, "graph", nil, m.etag, c)
	if err != nil {
		return nil, "", err
	}
	n, err := c.network()
	return n, etag, err
}

// detail is what the list of domains says beyond the graph.
type detail struct {
	Name     xep.Name  `json:"name"`
	Software string    `json:"software"`
	Version  string    `json:"software_version"`
	Users    *uint64   `json:"users"`
	First    time.Time `json:"first"`
	Until    time.Time `json:"until"`
}

// fetchDetails reads the list of domains, page by page.
// It may be of another moment than the graph, whose names are the ones that count.
func (m *Mirror) fetchDetails(ctx context.Context, n *network) error {
	query := url.Values{"limit": {"200"}}
	for range maxPages {
		var page struct {
			Domains []detail `json:"domains"`
			Next    string   `json:"next"`
		}
		if _, err := m.get(ctx, "domains", query, "", &page); err != nil {
			return err
		}
		for _, d := range page.Domains {
			n.details[d.Name] = d
		}
		if page.Next == "" || len(page.Domains) == 0 {
			return nil
		}
		query.Set("cursor", page.Next)
	}
	return errors.New("domains: the list has no end")
}

// listen wakes Run when the aggregator says that something has changed, until ctx ends.
// Without these events the mirror is only slower.
func (m *Mirror) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := m.events(ctx); err != nil && ctx.Err() == nil {
			m.logger().Debug("no events from the aggregator", "err", err)
		}
		wait(ctx, m.interval(), nil)
	}
}

func (m *Mirror) events(ctx context.Context) error {
	resp, err := m.request(ctx, "events", nil, http.Header{"Accept": {"text/event-stream"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	in := bufio.NewReader(resp.Body)
	for begin := true; ; {
		line, err := in.ReadSlice('\n')
		if begin && (bytes.HasPrefix(line, []byte("event: changes")) || bytes.HasPrefix(line, []byte("event: reset"))) {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
		// What changed can take a long line, which is not needed: the graph is read anew.
		begin = err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
