package peer

import (
	"context"
	"fmt"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Kind is the software of a domain on the wire, and what publishes its report. All of them are as they were seen in the wild.
type Kind uint8

// The kinds. Those with "Stock" in their names publish nothing.
const (
	// Standard does what the examples of XEP-0485 do. It is what the zero value stands for.
	Standard Kind = iota + 1
	// Prosody is its newest community module: node "serverinfo/<domain>" and no connections.
	Prosody
	// ProsodyOld is an older version of that, whose node keeps no items: it can't be fetched, only subscribers see the item.
	ProsodyOld
	// Ejabberd is its community module: no domain in the item while idle, unnamed peers with an empty name, always both directions.
	Ejabberd
	// Openfire is its plugin: no form, so that the default node holds, no item id of its own, and the direction "both".
	Openfire
	// Tigase advertises the feature and publishes nothing.
	Tigase
	// StockProsody and StockEjabberd are servers without a publisher.
	StockProsody
	// StockEjabberd sends a form that holds a FORM_TYPE and nothing else, on everything that can be asked.
	StockEjabberd
)

// Kinds returns all kinds.
func Kinds() []Kind {
	all := make([]Kind, 0, StockEjabberd)
	for k := Standard; k <= StockEjabberd; k++ {
		all = append(all, k)
	}
	return all
}

// String returns the name of the constant.
func (k Kind) String() string {
	if k == 0 {
		k = Standard
	}
	if k > StockEjabberd {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return testserver.Profile(k).String()
}

// Publishes reports whether domains of that kind publish a report.
func (k Kind) Publishes() bool { return k == 0 || testserver.Profile(k).Publishes() }

// Domain describes a domain on the wire. Only Name is required.
type Domain struct {
	// Name is the domain, in lower case.
	Name string
	// Kind is its software, [Standard] if zero.
	Kind Kind
	// Advertise tells whether it advertises the feature, by which it agrees to be named.
	// It says nothing about publishing: a kind that publishes does so either way.
	Advertise bool
	// Report is what it publishes, if its kind does.
	Report Report
	// Quirks are harmless oddities, and Fault is how it misbehaves, each a set.
	Quirks Quirks
	Fault  Fault
	// Contacts are addresses of XEP-0157 by the name of their field, for example "abuse-addresses".
	Contacts map[string][]string
	// Service is the pubsub service, "pubsub.<Name>" if empty; "-" means that there is none.
	Service string
	// Node is the node that it publishes on, its kind's if empty.
	Node string
}

// Report is what a domain tells about its federation.
type Report struct {
	// Links are the remote domains that it names.
	Links []Link
	// Unnamed is how many more it counts.
	Unnamed int
	// Users is the number of active users, as Prosody's module gives it, none if zero.
	Users uint64
	// Payload replaces all of that by a payload, verbatim.
	Payload string
}

// Link is a remote domain in a [Report].
type Link struct {
	// Name is the remote domain.
	Name string
	// Directions are those of the connections to it.
	Directions []xep.Direction
}

// Seen returns the links as readers of the domain's report see them, since some kinds leave out or change directions.
// There are none where its kind does not publish.
func (d Domain) Seen() []Link {
	if !d.Kind.Publishes() {
		return nil
	}
	kind := d.inner().Profile
	if kind == 0 {
		kind = testserver.Standard
	}
	out := make([]Link, 0, len(d.Report.Links))
	for _, l := range d.Report.Links {
		out = append(out, Link{l.Name, outer(kind.Seen(inner(l.Directions)))})
	}
	return out
}

func (d Domain) inner() testserver.Domain {
	return testserver.Domain{
		Name: d.Name, Profile: testserver.Profile(d.Kind), Advertise: d.Advertise, Report: d.Report.inner(),
		Quirks: testserver.Quirks(d.Quirks), Fault: testserver.Fault(d.Fault), Contacts: d.Contacts, Service: d.Service, Node: d.Node,
	}
}

func (r Report) inner() testserver.Report {
	out := testserver.Report{Unnamed: r.Unnamed, Users: r.Users, Raw: r.Payload}
	for _, l := range r.Links {
		out.Peers = append(out.Peers, testserver.Peer{Name: l.Name, Directions: inner(l.Directions)})
	}
	return out
}

var directions = map[xep.Direction]testserver.Directions{
	xep.Incoming: testserver.In, xep.Outgoing: testserver.Out, xep.Bidi: testserver.Bidi,
}

func inner(all []xep.Direction) (set testserver.Directions) {
	for _, d := range all {
		set |= directions[d]
	}
	return set
}

func outer(set testserver.Directions) (all []xep.Direction) {
	for _, d := range []xep.Direction{xep.Incoming, xep.Outgoing, xep.Bidi} {
		if set&directions[d] != 0 {
			all = append(all, d)
		}
	}
	return all
}

// Remote is a domain on the wire. Its methods take effect on the next request.
type Remote struct{ host *testserver.Host }

// Add adds a domain, or replaces the one of that name. A domain of the [Network] of the same name goes before it.
func (s *Server) Add(d Domain) *Remote { return &Remote{s.inner.AddDomain(d.inner())} }

// Remove takes a domain away: it can't be reached any more.
func (s *Server) Remove(name string) { s.inner.RemoveDomain(name) }

// AddFederation adds that many domains, linked and reporting like those of the public network in January 2025, under invented names.
// It returns them, those with the most links first, as the truth that a consumer should find. The same seed gives the same domains.
func (s *Server) AddFederation(seed uint64, domains int) []Domain {
	f := testserver.Network(seed, domains)
	s.inner.AddNetwork(f)
	out := make([]Domain, 0, len(f.Domains))
	for _, m := range f.Domains {
		d := Domain{Name: m.Name, Kind: Kind(m.Profile), Advertise: true, Report: Report{Unnamed: m.Unnamed}}
		for _, p := range m.Peers {
			d.Report.Links = append(d.Report.Links, Link{p.Name, outer(p.Directions)})
		}
		out = append(out, d)
	}
	return out
}

// SetAdvertise gives or withdraws the domain's consent to be named.
func (r *Remote) SetAdvertise(on bool) { r.host.SetAdvertise(on) }

// SetQuirks replaces its quirks.
func (r *Remote) SetQuirks(q Quirks) { r.host.SetQuirks(testserver.Quirks(q)) }

// SetFault replaces how it misbehaves; 0 makes it honest.
func (r *Remote) SetFault(f Fault) { r.host.SetFault(testserver.Fault(f)) }

// Publish publishes a report, and sends events to the node's subscribers, as the domain's kind does.
func (r *Remote) Publish(report Report) {
	r.host.SetReport(report.inner())
	r.host.Publish()
}

// Delete deletes the node, with an event where the kind sends one. Publish brings it back.
func (r *Remote) Delete() { r.host.DeleteNode() }

// Requests returns how many requests to the domain and its service were handled.
func (r *Remote) Requests() int { return r.host.Requests() }

// Await waits until n requests in all were handled, or returns the error of ctx.
func (r *Remote) Await(ctx context.Context, n int) error { return r.host.AwaitRequests(ctx, n) }

// Subscribers returns the addresses that are subscribed to the domain's node, sorted.
func (r *Remote) Subscribers() []string { return r.host.Subscribers(r.host.Node()) }

// Release sends the replies that [Held] holds back, in the order of the requests, and returns how many.
func (r *Remote) Release() int { return r.host.Release() }
