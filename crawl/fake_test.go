package crawl

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// fakeDomain is a domain of a fakeNet. The zero value answers and does not opt in.
type fakeDomain struct {
	feature bool
	// uri is the node that the form names, empty for no form.
	uri string
	// host is the only entry of the domain's disco#items, by default pubsub.<domain>.
	host string
	// fail is the stanza error that the domain answers everything with.
	fail string
	// silent never answers.
	silent bool
}

// pass lets simulated time pass, and all that is due by then happen. It is for the goroutine of the test.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// fakeNet is a network of domains in memory, which needs no time and no socket, so that a simulated clock can carry it.
type fakeNet struct {
	mu      sync.Mutex
	domains map[string]*fakeDomain
	// items are payloads by service and node, and nodes are those that each service has ever had.
	items map[string]string
	nodes map[string][]string
	// subs are the subscribed nodes, unkept those that keep no items, refuse those that let nobody subscribe.
	subs, unkept, refuse map[string]bool
	asked                []question
	now                  func() time.Time
	err                  error
	hooks                []func(context.Context)
	// before is called with each question, nil for nothing.
	before func(host, payload string)
}

type question struct {
	host, payload string
	at            time.Time
}

func newFakeNet() *fakeNet {
	return &fakeNet{
		domains: make(map[string]*fakeDomain), items: make(map[string]string), nodes: make(map[string][]string), now: time.Now,
		subs: make(map[string]bool), unkept: make(map[string]bool), refuse: make(map[string]bool),
	}
}

// report adds a domain that opts in, and publishes on the default node of its own service.
func (n *fakeNet) report(domain string, remotes ...string) {
	n.set(domain, &fakeDomain{feature: true})
	n.publish("pubsub."+domain+" serverinfo", block(domain, remotes...))
}

func (n *fakeNet) set(domain string, d *fakeDomain) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.domains[domain] = d
}

// publish puts an item on "service node"; without content there is none.
func (n *fakeNet) publish(node, content string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.items[node] = content
	if service, name, _ := strings.Cut(node, " "); !slices.Contains(n.nodes[service], name) {
		n.nodes[service] = append(n.nodes[service], name)
	}
}

func (n *fakeNet) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

// remove deletes a node, and the subscription with it.
func (n *fakeNet) remove(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.items, node)
	delete(n.subs, node)
}

// flag sets a property of a node.
func (n *fakeNet) flag(set map[string]bool, node string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	set[node] = on
}

// subscribed lists the nodes that are.
func (n *fakeNet) subscribed() (nodes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for node, on := range n.subs {
		if on {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// OnConnect registers what reconnect calls, and calls it as a session does that is connected.
func (n *fakeNet) OnConnect(f func(context.Context)) {
	n.mu.Lock()
	n.hooks = append(n.hooks, f)
	n.mu.Unlock()
	go f(context.Background())
}

func (n *fakeNet) reconnect() {
	n.mu.Lock()
	hooks := slices.Clone(n.hooks)
	n.mu.Unlock()
	for _, f := range hooks {
		f(context.Background())
	}
}

// count returns how many questions had that in their payload, to any host.
func (n *fakeNet) count(part string) (c int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range n.asked {
		if strings.Contains(q.payload, part) {
			c++
		}
	}
	return c
}

// questions returns when a host was asked.
func (n *fakeNet) questions(host string) (at []time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range n.asked {
		if q.host == host {
			at = append(at, q.at)
		}
	}
	return at
}

// block is a <domain> with remote domains; "" stands for an unnamed one.
func block(domain string, remotes ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<domain name='%s'><federation>`, domain)
	for _, r := range remotes {
		if r == "" {
			b.WriteString(`<remote-domain/>`)
			continue
		}
		fmt.Fprintf(&b, `<remote-domain name='%s'><connection type='outgoing'/></remote-domain>`, r)
	}
	b.WriteString(`</federation></domain>`)
	return b.String()
}

func (n *fakeNet) LocalAddr() jid.JID { return jid.MustParse("crawler.me.test") }

func (n *fakeNet) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, errors.New("the reply lane should be used")
}

func (n *fakeNet) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	reply, silent, err := n.reply(iq.To.Domainpart(), string(payload))
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	typ := "result"
	if strings.HasPrefix(reply, "<error") {
		typ = "error"
	}
	return fmt.Appendf(nil, `<iq xmlns='jabber:component:accept' type='%s' from='%s' id='1'>%s</iq>`, typ, iq.To, reply), nil
}

func (n *fakeNet) reply(host, payload string) (reply string, silent bool, err error) {
	if n.before != nil {
		n.before(host, payload)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, question{host: host, payload: payload, at: n.now()})
	if n.err != nil {
		return "", false, n.err
	}
	if d, ok := n.domains[host]; ok {
		return d.reply(host, payload), d.silent, nil
	}
	return n.service(host, payload), false, nil
}

func (d *fakeDomain) reply(name, payload string) string {
	switch {
	case d.fail != "":
		return stanzaError("wait", d.fail)
	case strings.Contains(payload, "disco#items"):
		host := d.host
		if host == "" {
			host = "pubsub." + name
		}
		return `<query xmlns='http://jabber.org/protocol/disco#items'><item jid='` + host + `'/></query>`
	}
	reply := `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im'/>`
	if d.feature {
		reply += `<feature var='urn:xmpp:serverinfo:0'/>`
	}
	if d.uri != "" {
		reply += `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>` +
			`<field var='serverinfo-pubsub-node'><value>` + d.uri + `</value></field></x>`
	}
	return reply + `</query>`
}

func (n *fakeNet) service(host, payload string) string {
	known := false
	for _, node := range n.nodes[host] {
		key := host + " " + node
		content, there := n.items[key]
		if !there {
			continue
		}
		known = true
		switch {
		case !strings.Contains(payload, "node='"+node+"'"):
			continue
		case strings.Contains(payload, "<subscribe"):
			if n.refuse[key] {
				return stanzaError("auth", "forbidden")
			}
			n.subs[key] = true
			return `<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscription node='` + node + `' jid='crawler.me.test' subscription='subscribed'/></pubsub>`
		case strings.Contains(payload, "<unsubscribe"):
			delete(n.subs, key)
			return ""
		case strings.Contains(payload, "<items") && n.unkept[key]:
			return `<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` +
				`<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='persistent-items'/></error>`
		}
		if strings.Contains(payload, "disco#info") {
			return `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='pubsub' type='leaf'/></query>`
		}
		item := ""
		if content != "" {
			item = `<item id='current'><serverinfo xmlns='urn:xmpp:serverinfo:0'>` + content + `</serverinfo></item>`
		}
		return `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='` + node + `'>` + item + `</items></pubsub>`
	}
	switch {
	case known && !strings.Contains(payload, "node="):
		return `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='pubsub' type='service'/></query>`
	case known:
		return stanzaError("cancel", "item-not-found")
	}
	return stanzaError("cancel", "remote-server-not-found")
}

func stanzaError(typ, condition string) string {
	return `<error type='` + typ + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
}
