package testserver

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"
)

// Domain describes a domain to be simulated. Only Name is required.
type Domain struct {
	// Name is the domain as it appears in addresses, in lower case.
	Name string
	// Profile is the kind of server, by default [Standard].
	Profile Profile
	// Advertise makes the domain advertise XEP-0485's feature, by which it agrees to be named.
	// It says nothing about publishing: a profile that publishes does so either way.
	Advertise bool
	// Report is what the domain publishes, if its profile does.
	Report Report
	// Quirks are harmless oddities.
	Quirks Quirks
	// Fault is how the domain misbehaves, by default not at all. Options tunes it.
	Fault   Fault
	Options FaultOptions
	// Contacts are the addresses of XEP-0157 by the name of their field, for example "admin-addresses".
	Contacts map[string][]string
	// Service is the PubSub service, by default pubsub.<Name>. "-" means that the domain has none.
	Service string
	// Node is the node that the publisher uses and the form names, by default the profile's.
	Node string
	// Admins are the bare addresses that may create nodes on the service, and that see the server's connections.
	// By default they are admin@<Name> and every component below Name.
	Admins []string
	// Items are further entries of disco#items, before the PubSub service.
	Items []string
	// AutoCreate lets a publish make a missing node on a service with Prosody's manners; ejabberd always does.
	AutoCreate bool
}

// Report is what a domain tells about its federation.
type Report struct {
	// Peers are the remote domains that are named.
	Peers []Peer
	// Unnamed is how many further remote domains are only counted.
	Unnamed int
	// Users is the count of active users that Prosody's module may give, none if zero.
	Users uint64
	// Raw replaces the whole payload, verbatim.
	Raw string
}

// Peer is a remote domain in a [Report].
type Peer struct {
	// Name is the remote domain.
	Name string
	// Directions are the connections to it.
	Directions Directions
}

// Directions is a set of directions of connections, seen from the reporting domain.
type Directions uint8

// The directions.
const (
	In Directions = 1 << iota
	Out
	Bidi
)

// Host is a simulated domain. All its methods may be called from any goroutine and take effect on the next request.
type Host struct {
	srv *Server

	mu        sync.Mutex
	spec      Domain
	published Report
	unpub     bool    // the publisher's node was deleted
	pub       *pubsub // nil until it is needed
	s2s       []Connection
	requests  int // received
	handled   int
	waiters   []waiter
	held      []func()
}

type waiter struct {
	n    int
	done chan struct{}
}

// AddDomain adds a domain to the network, or replaces the one of that name.
func (s *Server) AddDomain(d Domain) *Host {
	if d.Profile == 0 {
		d.Profile = Standard
	}
	h := &Host{srv: s, spec: d, published: d.Report}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[d.Name] = h
	if d.Service != "" && d.Service != "-" {
		s.services[d.Service] = h
	}
	return h
}

// RemoveDomain takes a domain off the network; requests to it are answered as those to unknown domains.
func (s *Server) RemoveDomain(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hosts[name]; h != nil {
		delete(s.hosts, name)
		delete(s.services, h.spec.Service)
	}
}

// Domain returns the simulated domain of that name, nil if there is none.
func (s *Server) Domain(name string) *Host {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hosts[name]
}

// lookup finds who answers for the domain part of an address, and whether that is the domain's PubSub service.
func (s *Server) lookup(name string) (h *Host, service bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if h := s.hosts[name]; h != nil {
		return h, false
	}
	if h := s.services[name]; h != nil {
		return h, true
	}
	if rest, ok := strings.CutPrefix(name, "pubsub."); ok {
		if h := s.hosts[rest]; h != nil && h.spec.Service == "" {
			return h, true
		}
	}
	return nil, false
}

// Name returns the domain's name.
func (h *Host) Name() string { return h.spec.Name }

// Service returns the address of the domain's PubSub service, "-" if it has none.
func (h *Host) Service() string {
	if h.spec.Service != "" {
		return h.spec.Service
	}
	return "pubsub." + h.spec.Name
}

// Node returns the node that the domain's form names and its publisher uses.
func (h *Host) Node() string {
	if h.spec.Node != "" {
		return h.spec.Node
	}
	return h.spec.Profile.node(h.spec.Name)
}

// Profile returns the domain's profile.
func (h *Host) Profile() Profile { return h.spec.Profile }

func (h *Host) brand() brand { return h.spec.Profile.brand() }

// has reports whether the domain has a quirk. The caller holds the lock.
func (h *Host) has(q Quirks) bool { return h.spec.Quirks&q != 0 }

// SetAdvertise turns the domain's consent on or off.
func (h *Host) SetAdvertise(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spec.Advertise = on
}

// SetQuirks replaces the domain's quirks.
func (h *Host) SetQuirks(q Quirks) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spec.Quirks = q
}

// SetFault replaces how the domain misbehaves; 0 makes it honest.
func (h *Host) SetFault(f Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spec.Fault = f
}

// SetReport replaces what the domain will publish next. The peers are not copied and must not be changed afterwards.
func (h *Host) SetReport(r Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spec.Report = r
}

// Report returns what the domain will publish next.
func (h *Host) Report() Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spec.Report
}

// Link adds a named peer to what the domain will publish next, or replaces the directions to it.
func (h *Host) Link(peer string, d Directions) {
	h.mu.Lock()
	defer h.mu.Unlock()
	peers := make([]Peer, 0, len(h.spec.Report.Peers)+1)
	for _, p := range h.spec.Report.Peers {
		if p.Name != peer {
			peers = append(peers, p)
		}
	}
	h.spec.Report.Peers = append(peers, Peer{peer, d})
}

// Unlink removes a named peer from what the domain will publish next.
func (h *Host) Unlink(peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var peers []Peer
	for _, p := range h.spec.Report.Peers {
		if p.Name != peer {
			peers = append(peers, p)
		}
	}
	h.spec.Report.Peers = peers
}

// Publish publishes the present report, the way the profile's publisher does, and sends events to the node's subscribers.
// It makes the node if need be. A profile without a publisher does so as [Standard].
func (h *Host) Publish() {
	h.mu.Lock()
	h.published, h.unpub = h.spec.Report, false
	events := h.service().publishReport()
	h.mu.Unlock()
	h.srv.deliver(events)
}

// DeleteNode deletes the publisher's node, with an event where the brand sends one. Publish brings it back.
func (h *Host) DeleteNode() {
	h.mu.Lock()
	h.unpub = true
	events := h.service().deleteNode(h.Node())
	h.mu.Unlock()
	h.srv.deliver(events)
}

// Subscribers returns the addresses that are subscribed to a node, sorted.
func (h *Host) Subscribers(node string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.service().nodes[node]
	if n == nil {
		return nil
	}
	var all []string
	for _, s := range n.subs {
		all = append(all, s.jid)
	}
	sort.Strings(all)
	return all
}

// Items returns the payloads of a node's items by their ids, nil if there is no such node.
func (h *Host) Items(node string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.service().nodes[node]
	if n == nil {
		return nil
	}
	all := make(map[string]string)
	for i := range n.items {
		all[n.items[i].id] = string(h.appendPayload(nil, &n.items[i]))
	}
	return all
}

// NodeConfig returns the configuration of a node by the names of its fields, nil if there is no such node.
func (h *Host) NodeConfig(node string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.service().nodes[node]
	if n == nil {
		return nil
	}
	all := make(map[string]string)
	for _, f := range h.configFields() {
		all[f.name] = h.configValue(n, f)
	}
	return all
}

// Connection is a live s2s connection, as an administrator of the server sees it; see [Host.SetConnections].
type Connection struct {
	// Remote is the other side's name, as it claims it.
	Remote string
	// Local is the local name of the stream, by default the domain's.
	Local string
	// Outgoing tells the direction.
	Outgoing bool
	// Pending is a stream that has not authenticated: a claim anyone can make, or an attempt that may fail.
	Pending bool
	// Dialback is a connection without a certificate that could be verified; Prosody's list does not call it authenticated.
	Dialback bool
	// Plain is a stream that is not encrypted.
	Plain bool
}

// SetConnections replaces the live s2s connections that an administrator sees: with Prosody through the ad-hoc command
// http://prosody.im/protocol/s2s#list, with ejabberd through disco#items of the node "outgoing s2s".
func (h *Host) SetConnections(all ...Connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.s2s = append([]Connection(nil), all...)
}

// Requests returns how many IQ requests to the domain and its service have been handled:
// their replies, if there are any, are on their way or held.
func (h *Host) Requests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handled
}

// AwaitRequests waits until n requests in all have been handled; see Requests.
func (h *Host) AwaitRequests(ctx context.Context, n int) error {
	h.mu.Lock()
	if h.handled >= n {
		h.mu.Unlock()
		return nil
	}
	w := waiter{n, make(chan struct{})}
	h.waiters = append(h.waiters, w)
	h.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// done notes that a request has been handled.
func (h *Host) done() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handled++
	if len(h.waiters) == 0 {
		return
	}
	kept := h.waiters[:0]
	for _, w := range h.waiters {
		if h.handled >= w.n {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	h.waiters = kept
}

// Release sends the replies that a [Held] domain holds back, in the order of the requests, and returns how many.
func (h *Host) Release() int {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	for _, f := range held {
		f()
	}
	return len(held)
}

// isAdmin reports whether an address administers the domain.
func (h *Host) isAdmin(addr string) bool {
	bare := bareOf(addr)
	for _, a := range h.spec.Admins {
		if a == bare {
			return true
		}
	}
	if h.spec.Admins != nil {
		return false
	}
	return bare == "admin@"+h.spec.Name || strings.HasSuffix(bare, "."+h.spec.Name) && !strings.Contains(bare, "@")
}

// stamp returns the server's present time in the format of XEP-0082.
func (s *Server) stamp() string { return s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

// pause waits, and reports whether the time passed before the server was closed.
func (s *Server) pause(d time.Duration, dead <-chan struct{}) bool {
	select {
	case <-s.cfg.After(d):
		return true
	case <-dead:
	case <-s.done:
	}
	return false
}
