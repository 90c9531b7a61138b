package peer

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// Network is a pubsub service and the domains around it. All methods are safe for concurrent use.
type Network struct {
	// Override is asked before anything else, unless it is nil: it may answer any request with the children of an iq, which is of
	// type error if they begin with <error>. It must be set before the first request.
	Override func(to, payload string) (inner string, ok bool)

	service string
	mu      sync.Mutex
	domains map[string]Behaviour
	// asked counts the requests to each domain.
	asked   map[string]int
	nodes   map[string]*node
	history []Publication
	changed chan struct{}
}

// Publication is one item that was published on the service, or the removal of one.
type Publication struct {
	// At is when.
	At time.Time
	// Node and ID are where.
	Node, ID string
	// Payload is the item's, nil for a removal.
	Payload []byte
}

// New returns a network with a pubsub service of that address. Any domain that is not [Network.Set] is [Unreachable].
func New(service string) *Network {
	return &Network{
		service: service, domains: make(map[string]Behaviour), asked: make(map[string]int), nodes: make(map[string]*node),
		changed: make(chan struct{}),
	}
}

// Service returns the address of the pubsub service.
func (n *Network) Service() string { return n.service }

// Set makes a domain behave in some way from now on.
func (n *Network) Set(domain string, b Behaviour) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.domains[domain] = b
}

// Asked returns how often a domain was asked anything.
func (n *Network) Asked(domain string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[domain]
}

// Item returns the payload of the newest item of a node, nil if there is none.
func (n *Network) Item(node string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.nodes[node]; d != nil && len(d.items) > 0 {
		return slices.Clone(d.items[len(d.items)-1].payload)
	}
	return nil
}

// Publications returns what was published and removed so far, on all nodes.
func (n *Network) Publications() []Publication {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.history)
}

// Changed returns a channel that is closed by the next publication or removal.
func (n *Network) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// record adds to the history. The lock is held.
func (n *Network) record(p Publication) {
	p.At = time.Now()
	n.history = append(n.history, p)
	close(n.changed)
	n.changed = make(chan struct{})
}

// Session returns a session with that address. It owns the nodes that it makes.
func (n *Network) Session(addr jid.JID) *Session { return &Session{network: n, addr: addr} }

// Session sends requests into a network.
type Session struct {
	network *Network
	addr    jid.JID
}

// LocalAddr returns the session's address.
func (s *Session) LocalAddr() jid.JID { return s.addr }

// AcquireIQ sets no limit to the requests in flight.
func (s *Session) AcquireIQ(context.Context, jid.JID) (release func(), err error) {
	return func() {}, nil
}

// ExchangeIQ sends a request with a payload and returns the whole reply, or the error of ctx where none comes.
func (s *Session) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	to := iq.To.String()
	a, ok := s.network.answer(to, string(iq.Type), payload)
	switch {
	case !ok:
		<-ctx.Done()
		return nil, ctx.Err()
	case a.raw != "":
		return []byte(a.raw), nil
	case a.from != "":
		to = a.from
	}
	b := xmlscan.AppendAttr([]byte("<iq"), "type", a.typ)
	b = xmlscan.AppendAttr(xmlscan.AppendAttr(b, "id", iq.ID), "from", to)
	return append(append(append(b, '>'), a.inner...), "</iq>"...), nil
}

// SendIQElement sends a request and returns the reply as tokens.
func (s *Session) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	request, err := roundtrip.AppendElement(nil, payload, roundtrip.DefaultMaxBytes)
	if err != nil {
		return nil, err
	}
	reply, err := s.ExchangeIQ(ctx, iq, request)
	if err != nil {
		return nil, err
	}
	return struct {
		xml.TokenReader
		io.Closer
	}{xml.NewDecoder(strings.NewReader(string(reply))), io.NopCloser(nil)}, nil
}

// errRequest is a payload that the network can't read.
var errRequest = errors.New("peer: the request is not one element")

// answer finds who is asked, and false if no answer ever comes.
func (n *Network) answer(to, typ string, payload []byte) (answer, bool) {
	a, answers, known := n.find(to, typ, payload)
	if !known {
		return Unreachable.info(to)
	}
	return a, answers
}

// find looks for the answer, and says whether one ever comes and whether there is anybody of that address.
func (n *Network) find(to, typ string, payload []byte) (a answer, answers, known bool) {
	s := xmlscan.New(payload, xmlscan.Limits{})
	if !s.Next() {
		refusal := failure("modify", "bad-request")
		refusal.raw = fmt.Sprintf("<iq type='error'><error type='modify'><text>%v</text></error></iq>", errRequest)
		return refusal, true, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[to]++
	if n.Override != nil {
		if inner, ok := n.Override(to, string(payload)); ok {
			if strings.HasPrefix(inner, "<error") {
				return answer{typ: "error", inner: inner}, true, true
			}
			return result(inner), true, true
		}
	}
	if to == n.service {
		return n.pubsub(typ, s), true, true
	}
	if owner, ok := strings.CutPrefix(to, "pubsub."); ok && n.domains[owner] == NodeOnly {
		return n.strangersNode(s), true, true
	}
	b, known := n.domains[to]
	if !known {
		return answer{}, false, false
	}
	a, answers = b.reply(to, s)
	return a, answers, true
}

// reply answers a request to a domain, and false if it never does.
func (b Behaviour) reply(domain string, s *xmlscan.Scanner) (answer, bool) {
	switch {
	case s.Is(nsInfo, "query"):
		return b.info(domain)
	case s.Is(nsItems, "query") && b != Silent:
		return result("<query xmlns='" + nsItems + "'><item jid='pubsub." + domain + "'/></query>"), true
	case b == Silent:
		return answer{}, false
	}
	return failure("cancel", "service-unavailable"), true
}

// strangersNode is a pubsub service on which somebody made the node that would tell of consent if nodes did.
func (n *Network) strangersNode(s *xmlscan.Scanner) answer {
	switch node, _ := s.Attr("node"); {
	case s.Is(nsInfo, "query") && node == "":
		return result(query("<identity category='pubsub' type='service'/>"))
	case s.Is(nsInfo, "query"):
		return result("<query xmlns='" + nsInfo + "' node='serverinfo'><identity category='pubsub' type='leaf'/></query>")
	case s.Is(nsItems, "query"):
		return result("<query xmlns='" + nsItems + "'/>")
	}
	return result("<pubsub xmlns='" + nsPubSub + "'><items node='serverinfo'><item id='current'>" +
		"<serverinfo xmlns='urn:xmpp:serverinfo:0'/></item></items></pubsub>")
}
