//go:build integration

package crawl_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/integration"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// soon bounds the wait for what should happen within a few intervals.
const soon = 60 * time.Second

// publisher publishes by hand, as a component of the server: the real modules are not at hand, but what they do on the wire is known.
type publisher struct {
	t       *testing.T
	s       *connect.Session
	service jid.JID
	node    string
}

func newPublisher(t *testing.T, server, domain, node string) *publisher {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse("comp." + domain), Server: server, Secret: integration.Secret, Logger: slog.New(slog.DiscardHandler),
		MinBackoff: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return &publisher{t: t, s: s, service: jid.MustParse("pubsub." + domain), node: node}
}

// do also works while a test cleans up, when its context has ended.
func (p *publisher) do(typ stanza.IQType, payload string) error {
	_, err := roundtrip.Do(context.WithoutCancel(p.t.Context()), p.s, roundtrip.Request{Type: typ, To: p.service, Payload: []byte(payload)})
	return err
}

// create makes the node; the fields are those of its configuration.
func (p *publisher) create(fields ...string) {
	p.t.Helper()
	var form strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&form, "<field var='pubsub#%s'><value>%s</value></field>", fields[i], fields[i+1])
	}
	require.NoError(p.t, p.do(stanza.SetIQ, fmt.Sprintf(
		"<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='%s'/><configure><x xmlns='jabber:x:data' type='submit'>"+
			"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>%s</x></configure></pubsub>",
		p.node, form.String())))
}

func (p *publisher) publish(content string) {
	p.t.Helper()
	require.NoError(p.t, p.do(stanza.SetIQ, fmt.Sprintf(
		"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='%s'><item id='current'><serverinfo xmlns='%s'>%s</serverinfo></item></publish></pubsub>",
		p.node, xep.NS, content)))
}

func (p *publisher) delete() {
	p.t.Helper()
	require.NoError(p.t, p.do(stanza.SetIQ, fmt.Sprintf("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='%s'/></pubsub>", p.node)))
}

// report is the payload of a domain with those peers and a number of unnamed ones.
func report(domain string, unnamed int, peers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<domain name='%s'><federation>", domain)
	for _, p := range peers {
		fmt.Fprintf(&b, "<remote-domain name='%s'/>", p)
	}
	b.WriteString(strings.Repeat("<remote-domain/>", unnamed))
	return b.String() + "</federation></domain>"
}

// observer is a crawler on the quiet server, and what it finds.
type observer struct {
	t       *testing.T
	crawler *crawl.Crawler
	graph   *graph.Graph
	stop    func()
	mu      sync.Mutex
	events  []crawl.Event
}

// observe starts a crawl. It visits every two seconds, and fetches what it is subscribed to every poll.
func observe(t *testing.T, lab *integration.Lab, store crawl.Store, poll time.Duration, seeds ...string) *observer {
	t.Helper()
	o := &observer{t: t, graph: graph.New(graph.Options{})}
	o.crawler = &crawl.Crawler{
		Contact: "mailto:ops@example.org", Seeds: seeds, Store: store, Farewell: -1,
		Interval: 2 * time.Second, Poll: poll, Spacing: -1,
	}
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse("crawler.c.test"), Server: lab.Quiet.Component(), Secret: integration.Secret,
		Handler: mux.New(component.NSAccept, o.crawler.Handle(), optin.Handle()),
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)), MinBackoff: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	o.crawler.Session = s
	o.crawler.Consent = &optin.Checker{Session: s, NamedTTL: 10 * time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range o.crawler.Run(ctx) {
			ev.Apply(o.graph)
			o.mu.Lock()
			o.events = append(o.events, ev)
			o.mu.Unlock()
		}
	}()
	o.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		_ = s.Close()
	})
	t.Cleanup(o.stop)
	return o
}

// await waits until something is so.
func (o *observer) await(what string, so func() bool) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), soon)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.Fail(o.t, "in vain: "+what, "%+v\n%v", o.crawler.Stats(), o.kinds())
		}
	}
}

func (o *observer) kinds() (all []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ev := range o.events {
		all = append(all, fmt.Sprintf("%s %s %v", ev.Domain, ev.Kind, ev.Err))
	}
	return all
}

func (o *observer) saw(domain string, k crawl.Kind) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ev := range o.events {
		if ev.Domain.String() == domain && ev.Kind == k {
			return true
		}
	}
	return false
}

// unnamed is how many unnamed peers a domain is shown with, -1 where it does not report.
func (o *observer) unnamed(domain string) int {
	d, ok := o.graph.Snapshot().Domain(xep.MustName(domain))
	if !ok || !d.Reporting {
		return -1
	}
	return d.Unnamed
}

func (o *observer) shows(domain string, unnamed int) func() bool {
	return func() bool { return o.unnamed(domain) == unnamed }
}

// What the community modules publish, on the servers that they run on, read from a third server.
func TestRealServers(t *testing.T) {
	lab := integration.Shared(t)
	// The newest Prosody module: a node of the host's own.
	newest := newPublisher(t, lab.Prosody.Component(), "a.test", "serverinfo/a.test")
	lab.Prosody.AdvertiseNode(t, "a.test", true, "xmpp:pubsub.a.test?;node=serverinfo/a.test")
	newest.create("access_model", "open")
	newest.publish(report("a.test", 2, "b.test"))
	// An older one: a node that keeps nothing.
	old := newPublisher(t, lab.Prosody.Component(), "a2.test", "serverinfo")
	lab.Prosody.Advertise(t, "a2.test", true)
	old.create("persist_items", "0", "access_model", "open")
	// ejabberd's, while idle: no domain in the item.
	idle := newPublisher(t, lab.Ejabberd.Component(), "b.test", "serverinfo")
	lab.Ejabberd.Advertise(t, "b.test", true)
	idle.create("access_model", "open")
	idle.publish("")
	t.Cleanup(func() {
		newest.delete()
		old.delete()
		idle.delete()
		lab.Prosody.Advertise(t, "a.test", false)
		lab.Prosody.Advertise(t, "a2.test", false)
		lab.Ejabberd.Advertise(t, "b.test", false)
	})

	store := new(crawl.MemoryStore)
	o := observe(t, lab, store, time.Hour, "a.test", "a2.test", "b.test")
	o.await("a node with a slash", o.shows("a.test", 2))
	o.await("an item without domain", o.shows("b.test", 0))
	o.await("subscriptions", func() bool { return o.crawler.Stats().Subscribed == 3 })
	require.Equal(t, 1, o.graph.Snapshot().Counts().Links)

	require.Equal(t, -1, o.unnamed("a2.test"))
	old.publish(report("a2.test", 5, "a.test"))
	o.await("what only subscribers see", o.shows("a2.test", 5))
	idle.publish(report("b.test", 7, "a.test"))
	o.await("an event of ejabberd", o.shows("b.test", 7))
	newest.publish(report("a.test", 3, "b.test", "a2.test"))
	o.await("an event of Prosody", o.shows("a.test", 3))
	require.Equal(t, 2, o.graph.Snapshot().Counts().Mutual)

	t.Run("server restart", func(t *testing.T) {
		lab.Prosody.Restart(t)
		lab.Ejabberd.Restart(t)
		old.publish(report("a2.test", 6, "a.test"))
		o.await("an event after Prosody's restart", o.shows("a2.test", 6))
		idle.publish(report("b.test", 8, "a.test"))
		o.await("an event after ejabberd's restart", o.shows("b.test", 8))
	})

	t.Run("own restart", func(t *testing.T) {
		o.stop()
		newest.publish(report("a.test", 4, "b.test"))
		old.publish(report("a2.test", 60, "a.test"))
		o = observe(t, lab, store, time.Hour)
		o.await("what was known before", o.shows("a2.test", 6))
		o.await("what was published meanwhile", o.shows("a.test", 4))
		o.await("renewed subscriptions", func() bool { return o.crawler.Stats().Subscribed == 3 })
		old.publish(report("a2.test", 61, "a.test"))
		o.await("an event after the restart", o.shows("a2.test", 61))
		o.stop()
	})

	t.Run("own server restart", func(t *testing.T) {
		o := observe(t, lab, store, time.Hour)
		o.await("subscriptions", func() bool { return o.crawler.Stats().Subscribed == 3 })
		lab.Quiet.Restart(t)
		// What is sent into the gap is lost, which is why publishers announce again and again.
		next := time.Now()
		o.await("an event after the reconnection", func() bool {
			if !time.Now().Before(next) {
				next = time.Now().Add(2 * time.Second)
				old.publish(report("a2.test", 62, "a.test"))
			}
			return o.unnamed("a2.test") == 62
		})
		o.await("renewed subscriptions", func() bool { return o.crawler.Stats().Subscribed == 3 })
	})
}

// A node that goes is a report withdrawn, and one that returns is found again, with its events.
func TestRealNodesGoAndReturn(t *testing.T) {
	lab := integration.Shared(t)
	tests := map[string]struct {
		component string
		domain    string
		advertise func(testing.TB, string, bool)
	}{
		"Prosody":  {lab.Prosody.Component(), "a.test", lab.Prosody.Advertise},
		"ejabberd": {lab.Ejabberd.Component(), "b.test", lab.Ejabberd.Advertise},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t, tc.component, tc.domain, "serverinfo")
			tc.advertise(t, tc.domain, true)
			t.Cleanup(func() { tc.advertise(t, tc.domain, false) })
			p.create("access_model", "open")
			p.publish(report(tc.domain, 1))
			// ejabberd does not tell that a node is gone, so that only the fetch for safety finds out.
			o := observe(t, lab, nil, 4*time.Second, tc.domain)
			o.await("the report", o.shows(tc.domain, 1))

			p.delete()
			o.await("the withdrawal", func() bool { return o.saw(tc.domain, crawl.ReportWithdrawn) })
			p.create("access_model", "open")
			p.publish(report(tc.domain, 2))
			o.await("the node again", o.shows(tc.domain, 2))
			o.await("a subscription again", func() bool { return o.crawler.Stats().Subscribed == 1 })
			p.publish(report(tc.domain, 3))
			o.await("its events", o.shows(tc.domain, 3))
			p.delete()
		})
	}
}
