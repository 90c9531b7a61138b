//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	nsServerInfo = "urn:xmpp:serverinfo:0"
	// delegated is the disco node by which ejabberd asks a component for the features that come with a namespace (XEP-0355).
	delegated = "urn:xmpp:delegation:1::" + nsServerInfo
)

// advertiser is the component through which a stock ejabberd advertises a feature: XEP-0355 delegation.
// The feature lasts as long as the component is connected.
type advertiser struct {
	mu    sync.Mutex
	hosts []string
	conn  *component
}

// advertiserName is the component that advertises; proberName is one that only looks.
func (e *Ejabberd) advertiserName() string { return "advert." + e.Domain() }
func (e *Ejabberd) proberName() string     { return "probe." + e.Domain() }

// Advertise makes a domain of this server advertise XEP-0485 and point at the node "serverinfo" of its pubsub service,
// or takes that back; it has taken effect on return, and Start and Restart bring it back.
// A test whose own component is to take over the namespace sets NodeURI by Configure instead.
func (e *Ejabberd) Advertise(t testing.TB, domain string, on bool) {
	t.Helper()
	e.AdvertiseNode(t, domain, on, defaultNode(domain))
}

// AdvertiseNode is Advertise with a value of the form's field of one's own; "" leaves the field out.
func (e *Ejabberd) AdvertiseNode(t testing.TB, domain string, on bool, uri string) {
	t.Helper()
	require.True(t, slices.Contains(e.domains, domain), "%q is not a domain of this server", domain)
	e.Configure(t, func(c *EjabberdConfig) {
		if on && uri != "" {
			c.NodeURI[domain] = uri
		} else {
			delete(c.NodeURI, domain)
		}
	})
	require.NoError(t, e.advert.set(e, domain, on))
}

// set reconnects, because the server asks for features only when the component appears, and waits for the result.
func (a *advertiser) set(e *Ejabberd, domain string, on bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	probe, err := dialComponent(e.Component(), e.proberName(), func(iqIn) string { return "" })
	if err != nil {
		return err
	}
	defer probe.close()
	if err := a.disconnect(); err != nil {
		return err
	}
	// The server forgets a component some time after it has gone, and would then forget one that is already back.
	for _, h := range a.hosts {
		if err := awaitFeature(probe, h, false); err != nil {
			return err
		}
	}
	a.hosts = slices.DeleteFunc(a.hosts, func(h string) bool { return h == domain })
	if on {
		a.hosts = append(a.hosts, domain)
	}
	return a.connect(e, probe)
}

func (a *advertiser) connect(e *Ejabberd, probe *component) error {
	if len(a.hosts) == 0 {
		return nil
	}
	hosts := slices.Clone(a.hosts)
	var err error
	a.conn, err = dialComponent(e.Component(), e.advertiserName(), func(iq iqIn) string { return delegatedInfo(hosts, iq) })
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := awaitFeature(probe, h, true); err != nil {
			return err
		}
	}
	return nil
}

// delegatedInfo answers the server's question what the namespace adds to the disco#info of the host that asks.
// An error makes the server delegate nothing.
func delegatedInfo(hosts []string, iq iqIn) string {
	if iq.Query.Node != delegated || !slices.Contains(hosts, iq.From) {
		return ""
	}
	return fmt.Sprintf("<query xmlns='%s' node='%s'><feature var='%s'/></query>", nsDiscoInfo, delegated, nsServerInfo)
}

// awaitFeature returns once the domain advertises the feature, or no longer does.
func awaitFeature(c *component, domain string, on bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		iq, err := c.discoInfo(ctx, domain)
		if err != nil {
			return fmt.Errorf("disco#info of %s: %w", domain, err)
		}
		if iq.Type == "result" && iq.has(nsServerInfo) == on {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: feature advertised = %v did not come true in %v", domain, on, dialLimit)
		}
	}
}

// resume connects again after a restart of the server.
func (a *advertiser) resume(e *Ejabberd) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.disconnect(); err != nil || len(a.hosts) == 0 {
		return err
	}
	probe, err := dialComponent(e.Component(), e.proberName(), func(iqIn) string { return "" })
	if err != nil {
		return err
	}
	defer probe.close()
	return a.connect(e, probe)
}

func (a *advertiser) disconnect() error {
	if a.conn == nil {
		return nil
	}
	err := a.conn.close()
	a.conn = nil
	return err
}

// stop forgets everything.
func (a *advertiser) stop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hosts = nil
	return a.disconnect()
}
