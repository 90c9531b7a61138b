package crawl

import (
	"fmt"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/xep"
)

// maxNeighbours bounds how many names one report can put on the frontier.
// The largest payload that a stock server takes holds about 2,000.
const maxNeighbours = 4096

// maxClaims bounds how many claims about other domains are kept from one payload.
const maxClaims = 256

// Reason says why something that a payload claims does not count.
type Reason string

// The reasons for a quarantine.
const (
	// ReasonUnverified is a claim about another domain, which only that domain's own visit can confirm.
	// It is no accusation: one node may serve all domains of a server.
	ReasonUnverified Reason = "unverified"
	// ReasonElsewhere is a claim about another domain whose own disco names another service or node.
	ReasonElsewhere Reason = "elsewhere"
	// ReasonNotAdvertised is a claim about another domain which does not advertise the feature.
	ReasonNotAdvertised Reason = "not-advertised"
	// ReasonName is a claim about something that is not a domain name.
	ReasonName Reason = "name"
	// ReasonExcluded is a claim about a domain which the operator excluded.
	ReasonExcluded Reason = "excluded"
)

// Quarantined is a claim of a payload about a domain other than the one that was visited.
type Quarantined struct {
	// Domain is whom the claim is about, zero where Written is not a domain name.
	Domain xep.Name
	// Written is the name as the payload has it.
	Written string
	// Reason says why it does not count.
	Reason Reason
}

// String returns the claim in words.
func (q Quarantined) String() string {
	return fmt.Sprintf("<domain name=%q>: %s", cut(q.Written), q.Reason)
}

// cut keeps a stranger's string from flooding a line.
func cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// binding is what a payload may say in the name of one domain.
type binding struct {
	// speaks tells whether the payload says anything about the domain.
	speaks  bool
	peers   []graph.Peer
	unnamed int
	// software and users are what the domain tells about itself.
	software *xep.Software
	users    *uint64
	// claims are the other domains in the payload.
	claims []Quarantined
}

// bind takes from a payload what domain may say: its own federation, and nothing about others.
//
// Without any <domain> the payload speaks for the domain whose node holds it, because that is what an idle ejabberd publishes.
// Several <domain> elements of the same name are taken together.
// Peers that self holds are left out: they are the crawler, whose own questions opened the connections.
func bind(info *xep.ServerInfo, domain xep.Name, self func(xep.Name) bool) binding {
	b := binding{speaks: len(info.Domains) == 0, software: info.Software}
	m := merger{domain: domain, self: self, index: make(map[xep.Name]int), odd: make(map[string]bool)}
	for _, d := range info.Domains {
		name, err := xep.ParseName(d.Name)
		if err != nil || name != domain {
			b.claim(name, d.Name, err)
			continue
		}
		b.speaks = true
		if d.Software != nil {
			b.software = d.Software
		}
		if d.ActiveUsers != nil {
			b.users = d.ActiveUsers
		}
		if d.Federation != nil {
			m.add(d.Federation.RemoteDomains)
		}
	}
	b.peers, b.unnamed = m.peers, m.unnamed
	return b
}

func (b *binding) claim(name xep.Name, written string, err error) {
	if len(b.claims) == maxClaims {
		return
	}
	q := Quarantined{Domain: name, Written: written, Reason: ReasonUnverified}
	if err != nil {
		q.Reason = ReasonName
	}
	b.claims = append(b.claims, q)
}

// merger turns remote domains into peers, each once.
type merger struct {
	domain  xep.Name
	self    func(xep.Name) bool
	peers   []graph.Peer
	index   map[xep.Name]int
	odd     map[string]bool
	unnamed int
}

func (m *merger) add(remotes []xep.RemoteDomain) {
	for _, r := range remotes {
		if r.Name == "" {
			m.unnamed++
			continue
		}
		name, err := xep.ParseName(r.Name)
		if err != nil {
			// Somebody is there, but whoever it is has no name that could have opted in.
			if !m.odd[r.Name] {
				m.odd[r.Name] = true
				m.unnamed++
			}
			continue
		}
		if name == m.domain || m.self(name) {
			continue
		}
		i, known := m.index[name]
		if !known {
			i = len(m.peers)
			m.index[name] = i
			m.peers = append(m.peers, graph.Peer{Name: name})
		}
		for _, c := range r.Connections {
			m.peers[i].Directions |= graph.DirectionsOf(c.Direction)
		}
	}
}
