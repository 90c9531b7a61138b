package report_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// server is a pubsub service and any number of remote domains without a wire, so that time can be simulated.
type server struct {
	mu sync.Mutex
	// advertise maps remote domains to whether they advertise the feature; those that are missing do not answer.
	advertise map[string]bool
	// delay is how long each answer takes.
	delay map[string]time.Duration
	// refuse is the condition with which publications are refused, and kind its type.
	refuse string
	kind   string
	// components are the items that the local domains list, unless they are deaf.
	components string
	deaf       bool

	published []publication
	state
}

// state is what a test looks at.
type state struct {
	exists                       bool
	item                         string
	attempts, retracted, ensured int
}

func (s *server) view() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

type publication struct {
	at      time.Time
	service string
	payload string
	info    *xep.ServerInfo
}

func (s *server) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, errors.New("this session answers with bytes only")
}

// ExchangeIQ makes it a roundtrip.Exchanger.
func (s *server) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	to := iq.To.String()
	s.mu.Lock()
	delay := s.delay[to]
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	inner, ok := s.answer(to, string(payload))
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	typ := "result"
	if strings.HasPrefix(inner, "<error") {
		typ = "error"
	}
	return fmt.Appendf(nil, "<iq type='%s' id='1' from='%s'>%s</iq>", typ, to, inner), nil
}

func (s *server) answer(to, payload string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.HasPrefix(to, "pubsub."):
		return s.pubsub(to, payload), true
	case strings.Contains(payload, "disco#items"):
		return "<query xmlns='http://jabber.org/protocol/disco#items'>" + s.components + "</query>", !s.deaf
	}
	advertise, ok := s.advertise[to]
	feature := ""
	if advertise {
		feature = "<feature var='urn:xmpp:serverinfo:0'/>"
	}
	return "<query xmlns='http://jabber.org/protocol/disco#info'>" + feature + "</query>", ok
}

const (
	notFound   = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	nodeConfig = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='serverinfo'><x xmlns='jabber:x:data' type='form'>" +
		"<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>" +
		"<field var='pubsub#access_model'><value>open</value></field><field var='pubsub#max_items'><value>1</value></field>" +
		"<field var='pubsub#persist_items'><value>1</value></field><field var='pubsub#publish_model'><value>publishers</value></field>" +
		"</x></configure></pubsub>"
)

func (s *server) pubsub(service, payload string) string {
	switch {
	case strings.Contains(payload, "disco#info"):
		s.ensured++
		return "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='pubsub' type='service' name='Prosody PubSub Service'/></query>"
	case strings.Contains(payload, "disco#items"):
		return "<query xmlns='http://jabber.org/protocol/disco#items'/>"
	case strings.Contains(payload, "<create"):
		s.exists = true
		return ""
	case strings.Contains(payload, "pubsub#owner"):
		if !s.exists {
			return notFound
		}
		return nodeConfig
	case strings.Contains(payload, "<retract"):
		s.retracted++
		s.item = ""
		return ""
	}
	s.attempts++
	if s.refuse != "" {
		return "<error type='" + s.kind + "'><" + s.refuse + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	}
	start, end := strings.Index(payload, "<serverinfo"), strings.Index(payload, "</item>")
	s.item = payload[start:end]
	info, err := xep.Unmarshal([]byte(s.item))
	if err != nil {
		panic(err)
	}
	s.published = append(s.published, publication{time.Now(), service, s.item, info})
	return ""
}

// set changes the server while it is in use.
func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *server) publications() []publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]publication(nil), s.published...)
}

// peers are the names in a publication, empty strings for the unnamed.
func (p publication) peers() []string {
	var all []string
	for _, r := range p.info.Domains[0].Federation.RemoteDomains {
		all = append(all, r.Name)
	}
	return all
}

// reporter returns one on a simulated server, with the given peers connected.
func reporter(s *server, peers ...string) (*report.Reporter, *report.Connections) {
	conns := new(report.Connections)
	for _, p := range peers {
		conns.Opened("shakespeare.lit", p, xep.Bidi)
	}
	return &report.Reporter{
		Session: s,
		Domain:  "shakespeare.lit",
		Service: jid.MustParse("pubsub.shakespeare.lit"),
		Source:  conns,
		Logger:  quiet,
		Jitter:  func() float64 { return 0.5 },
	}, conns
}

// route is how a server of one's own might carry a request: stanza in, stanza out.
func (s *server) route(ctx context.Context, r xml.TokenReader) (xmlstream.TokenReadCloser, error) {
	var buf bytes.Buffer
	e := xml.NewEncoder(&buf)
	if _, err := xmlstream.Copy(e, r); err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	var head struct {
		To jid.JID `xml:"to,attr"`
	}
	if err := xml.Unmarshal(buf.Bytes(), &head); err != nil {
		return nil, err
	}
	reply, err := s.ExchangeIQ(ctx, stanza.IQ{To: head.To}, buf.Bytes())
	if err != nil {
		return nil, err
	}
	return struct {
		xml.TokenReader
		io.Closer
	}{xml.NewDecoder(bytes.NewReader(reply)), io.NopCloser(nil)}, nil
}
