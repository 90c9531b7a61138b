package conformance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

func session(t *testing.T, srv *testserver.Server) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse(testserver.Component), Server: srv.ComponentAddr(), Secret: testserver.Secret,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func run(t *testing.T, s conformance.Session, domain string) *conformance.Report {
	t.Helper()
	r, err := conformance.Run(t.Context(), s, domain, conformance.Options{})
	require.NoError(t, err)
	return r
}

// What the publishers of this world are known to do wrong is found by the case made for it, and nothing else is.
func TestKnownPublishers(t *testing.T) {
	var kinds []testserver.Profile
	var quirks testserver.Quirks
	busy := testserver.Report{Peers: []testserver.Peer{{Name: "friend.test", Directions: testserver.In | testserver.Out}}, Unnamed: 2}
	contacts := map[string][]string{"abuse-addresses": {"mailto:abuse@example.org"}}
	for _, tc := range []struct {
		name   string
		domain testserver.Domain
		want   []string
	}{
		{"Standard", testserver.Domain{Report: busy}, []string{}},
		{"Standard without peers", testserver.Domain{}, []string{}},
		{"Prosody", testserver.Domain{Profile: testserver.Prosody, Report: busy}, []string{"node-name"}},
		{"ProsodyOld", testserver.Domain{Profile: testserver.ProsodyOld, Report: busy}, []string{"node-persistent"}},
		{"Ejabberd", testserver.Domain{Profile: testserver.Ejabberd, Report: busy}, []string{"payload-remote-name"}},
		{"Ejabberd without peers", testserver.Domain{Profile: testserver.Ejabberd}, []string{"payload-domain"}},
		{"Openfire", testserver.Domain{Profile: testserver.Openfire, Report: busy}, []string{"disco-form", "item-id", "payload-direction"}},
		{"Tigase", testserver.Domain{Profile: testserver.Tigase}, []string{"disco-form", "item-present"}},
		{"a peer that does not opt in", testserver.Domain{
			Report: testserver.Report{Peers: []testserver.Peer{{Name: "friend.test"}, {Name: "plain.test"}, {Name: "nowhere.test"}}},
		}, []string{"privacy-peers"}},
		{"TwoForms", testserver.Domain{Quirks: testserver.TwoForms}, []string{"disco-form-single"}},
		{"TwoForms with contacts", testserver.Domain{Quirks: testserver.TwoForms, Contacts: contacts}, []string{"disco-form-merged"}},
		{"one form with contacts", testserver.Domain{Contacts: contacts}, []string{}},
		{"FormListMulti", testserver.Domain{Quirks: testserver.FormListMulti}, []string{}},
		{"FormUntyped", testserver.Domain{Quirks: testserver.FormUntyped}, []string{}},
		{"FormOnly", testserver.Domain{Quirks: testserver.FormOnly}, []string{"disco-feature"}},
		{"NoForm", testserver.Domain{Quirks: testserver.NoForm}, []string{"disco-form"}},
		{"DuplicatePeers", testserver.Domain{Quirks: testserver.DuplicatePeers, Report: busy}, []string{"payload-remote-unique"}},
		{"SeveralDomains", testserver.Domain{Quirks: testserver.SeveralDomains, Report: busy}, []string{}},
		{"Extensions", testserver.Domain{Quirks: testserver.Extensions, Report: busy}, []string{}},
		{"SoftwareVersion", testserver.Domain{Quirks: testserver.SoftwareVersion, Report: busy}, []string{}},
		{"ExposePublisher", testserver.Domain{Quirks: testserver.ExposePublisher, Report: busy}, []string{}},
		{"UpperCase", testserver.Domain{Quirks: testserver.UpperCase, Report: busy}, []string{"payload-name-form"}},
		{"TrailingDots", testserver.Domain{Quirks: testserver.TrailingDots, Report: busy}, []string{"payload-name-form"}},
		{"no pubsub service", testserver.Domain{Quirks: testserver.NoForm, Service: "-"}, []string{"disco-default-node", "disco-form"}},
		{"somebody else's payload", testserver.Domain{
			Report: testserver.Report{Raw: "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='other.test'><federation/></domain></serverinfo>"},
		}, []string{"payload-own-domain"}},
		{"only a remote domain", testserver.Domain{
			Report: testserver.Report{Raw: "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='other.test'><federation><remote-domain name='me.example'/></federation></domain></serverinfo>"},
		}, []string{"payload-own-domain"}},
		{"another payload", testserver.Domain{Report: testserver.Report{Raw: "<serverinfo xmlns='urn:xmpp:serverinfo:1'/>"}},
			[]string{"payload-element"}},
		{"an error for an answer", testserver.Domain{Fault: testserver.ErrorReply}, []string{"disco-answer"}},
		{"garbage for an answer", testserver.Domain{Fault: testserver.WrongPayload}, []string{"disco-answer"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Seed: 1})
			srv.AddDomain(testserver.Domain{Name: "friend.test", Advertise: true})
			srv.AddDomain(testserver.Domain{Name: "plain.test"})
			tc.domain.Name, tc.domain.Advertise = "me.example", true
			kinds, quirks = append(kinds, srv.AddDomain(tc.domain).Profile()), quirks|tc.domain.Quirks
			r := run(t, session(t, srv), "ME.example.")
			require.Equal(t, tc.want, failed(r), "%v", r.Results)
			require.Len(t, r.Results, liveCases())
		})
	}
	for _, p := range testserver.Profiles() {
		if p != testserver.StockProsody && p != testserver.StockEjabberd {
			require.Contains(t, kinds, p, "a kind of publisher that nobody looks at")
		}
	}
	for _, q := range peer.AllQuirks() {
		require.NotZero(t, quirks&testserver.Quirks(q), "a quirk that nobody looks at: %s", q)
	}
}

func liveCases() (n int) {
	for _, c := range conformance.Catalogue() {
		if c.Needs != conformance.NeedPublisher {
			n++
		}
	}
	return n
}

// A stock server has not opted in. That is said, and nothing else is asked.
func TestStockServers(t *testing.T) {
	for _, p := range []testserver.Profile{testserver.StockProsody, testserver.StockEjabberd} {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Seed: 1})
			h := srv.AddDomain(testserver.Domain{Name: "me.example", Profile: p})
			r := run(t, session(t, srv), "me.example")
			require.False(t, r.OptedIn)
			require.Equal(t, []string{"disco-feature"}, failed(r))
			require.Equal(t, 1, h.Requests())
			one, _ := r.Result("disco-feature")
			require.Equal(t, "the domain does not opt in, and may not be named", one.Message)
			require.NotEmpty(t, r.Strict().Failed(conformance.Should))
		})
	}
}

// The log shows what a result rests on, whatever kind of session is used.
func TestLog(t *testing.T) {
	n := domainNetwork(t, "")
	for name, s := range map[string]conformance.Session{
		"bytes":  n.Session(jid.MustParse("me.test")),
		"tokens": tokensOnly{n.Session(jid.MustParse("me.test"))},
	} {
		t.Run(name, func(t *testing.T) {
			one, ok := run(t, s, "shakespeare.lit").Result("disco-feature")
			require.True(t, ok)
			require.Len(t, one.Log, 2)
			require.True(t, one.Log[0].Sent)
			require.Contains(t, one.Log[0].XML, "disco#info")
			require.Contains(t, one.Log[1].XML, "urn:xmpp:serverinfo:0")
			require.Contains(t, one.LogText(), "→ shakespeare.lit <query")
		})
	}
}

// tokensOnly hides every power but that of *xmpp.Session.
type tokensOnly struct{ conformance.Session }

// domainNetwork has shakespeare.lit with a published payload, by default one without peers.
func domainNetwork(t *testing.T, payload string) *peer.Network {
	t.Helper()
	if payload == "" {
		payload = "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation/></domain></serverinfo>"
	}
	n := peer.New("pubsub.shakespeare.lit")
	n.Set("shakespeare.lit", peer.Advertises)
	p := &pubsub.Publisher{Session: n.Session(jid.MustParse("shakespeare.lit")), Service: jid.MustParse(n.Service())}
	require.NoError(t, p.Publish(t.Context(), []byte(payload)))
	return n
}

const (
	nodeForm = "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>%s</value></field>" +
		"<field var='serverinfo-pubsub-node'><value>%s</value></field></x>"
	goodType = "http://jabber.org/network/serverinfo"
	goodURI  = "xmpp:pubsub.shakespeare.lit?;node=serverinfo"
	feature  = "<feature var='urn:xmpp:serverinfo:0'/>"
	refusal  = "<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
)

func infoQuery(node, inner string) string {
	return "<query xmlns='http://jabber.org/protocol/disco#info'" + node + ">" + inner + "</query>"
}

func metaData(field, value string) string {
	return infoQuery(" node='serverinfo'", "<identity category='pubsub' type='leaf'/><x xmlns='jabber:x:data' type='result'>"+
		"<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#meta-data</value></field><field var='"+field+"'><value>"+
		value+"</value></field></x>")
}

// Every case of a live domain fails on exactly the fault that it is for.
func TestFaultyDomainsAreFound(t *testing.T) {
	good := infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, goodURI))
	type answers map[string]string // by "address ns [node]"
	// Peers are in a test of their own.
	found := map[string]bool{"privacy-peers": true}
	for _, tc := range []struct {
		name    string
		answers answers
		want    []string
	}{
		{"none", nil, []string{}},
		{"disco-answer", answers{"shakespeare.lit info": fmt.Sprintf(refusal, "cancel", "service-unavailable")}, []string{"disco-answer"}},
		{"disco-feature", answers{"shakespeare.lit info": infoQuery("", "")}, []string{"disco-feature"}},
		{"disco-form-single", answers{"shakespeare.lit info": infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, goodURI)+
			fmt.Sprintf(nodeForm, goodType, goodURI))}, []string{"disco-form-single"}},
		{"disco-form-merged", answers{"shakespeare.lit info": infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, goodURI)+
			strings.Replace(fmt.Sprintf(nodeForm, goodType, "mailto:abuse@shakespeare.lit"), "serverinfo-pubsub-node", "abuse-addresses", 1))},
			[]string{"disco-form-merged"}},
		{"disco-form", answers{"shakespeare.lit info": infoQuery("", feature)}, []string{"disco-form"}},
		{"disco-form-type", answers{"shakespeare.lit info": infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, goodURI)+
			fmt.Sprintf(nodeForm, "urn:xmpp:serverinfo:0", goodURI))}, []string{"disco-form-type"}},
		{"disco-form-uri", answers{"shakespeare.lit info": infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, "pubsub.shakespeare.lit"))},
			[]string{"disco-form-uri"}},
		{"disco-default-node", answers{
			"shakespeare.lit info":  infoQuery("", feature),
			"shakespeare.lit items": "<query xmlns='http://jabber.org/protocol/disco#items'/>",
		}, []string{"disco-default-node", "disco-form"}},
		{"service-identity", answers{"pubsub.shakespeare.lit info": infoQuery("", "<identity category='conference' type='text'/>")},
			[]string{"service-identity"}},
		{"node-name", answers{
			"shakespeare.lit info":             infoQuery("", feature+fmt.Sprintf(nodeForm, goodType, "xmpp:pubsub.shakespeare.lit?;node=blog")),
			"pubsub.shakespeare.lit info node": infoQuery(" node='blog'", "<identity category='pubsub' type='leaf'/>"),
			"pubsub.shakespeare.lit fetch": "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='blog'><item id='current'>" +
				"<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation/></domain></serverinfo></item></items></pubsub>",
		}, []string{"node-name"}},
		{"node-exists", answers{"pubsub.shakespeare.lit info node": fmt.Sprintf(refusal, "cancel", "item-not-found")}, []string{"node-exists"}},
		{"node-leaf", answers{"pubsub.shakespeare.lit info node": infoQuery(" node='serverinfo'", "<identity category='pubsub' type='collection'/>")},
			[]string{"node-leaf"}},
		{"node-first-level", answers{"pubsub.shakespeare.lit info node": metaData("pubsub#collection", "blogs")}, []string{"node-first-level"}},
		{"node-open", answers{"pubsub.shakespeare.lit info node": metaData("pubsub#access_model", "whitelist")}, []string{"node-open"}},
		{"node-open, as the fetch tells", answers{
			"pubsub.shakespeare.lit info node":  infoQuery(" node='serverinfo'", "<identity category='pubsub' type='leaf'/>"),
			"pubsub.shakespeare.lit fetch":      fmt.Sprintf(refusal, "auth", "forbidden"),
			"pubsub.shakespeare.lit items node": "<query xmlns='http://jabber.org/protocol/disco#items'/>",
		}, []string{"node-open"}},
		{"node-single-item", answers{"pubsub.shakespeare.lit info node": metaData("pubsub#max_items", "20")}, []string{"node-single-item"}},
		{"node-persistent", answers{"pubsub.shakespeare.lit info node": metaData("pubsub#persist_items", "0")}, []string{"node-persistent"}},
		{"item-present", answers{
			"pubsub.shakespeare.lit fetch":      "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='serverinfo'/></pubsub>",
			"pubsub.shakespeare.lit items node": "<query xmlns='http://jabber.org/protocol/disco#items' node='serverinfo'/>",
		}, []string{"item-present"}},
		{"item-id", answers{"pubsub.shakespeare.lit fetch": "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='serverinfo'><item id='x'>" +
			"<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation/></domain></serverinfo></item></items></pubsub>"},
			[]string{"item-id"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := domainNetwork(t, "")
			n.Override = func(to, payload string) (string, bool) {
				key := to + " fetch"
				if _, kind, ok := strings.Cut(payload, "disco#"); ok {
					key = to + " " + kind[:strings.IndexAny(kind, `'"`)]
				}
				if strings.Contains(payload, "node=") && !strings.HasSuffix(key, "fetch") {
					key += " node"
				}
				if inner, ok := tc.answers[key]; ok {
					return inner, true
				}
				return good, key == "shakespeare.lit info"
			}
			r := run(t, n.Session(jid.MustParse("me.test")), "shakespeare.lit")
			require.Equal(t, tc.want, failed(r), "%v", r.Results)
			for _, id := range tc.want {
				found[id] = true
			}
		})
	}
	for _, c := range conformance.Catalogue() {
		if c.Needs == conformance.NeedDomain && !found[c.ID] {
			t.Errorf("no faulty domain fails %s", c.ID)
		}
	}
}

func TestPeersAreAsked(t *testing.T) {
	payload := "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'><federation>" +
		"<remote-domain name='denmark.lit'/><remote-domain name='verona.lit'/><remote-domain name='silent.lit'/></federation></domain></serverinfo>"
	synctest.Test(t, func(t *testing.T) {
		n := domainNetwork(t, payload)
		n.Set("denmark.lit", peer.Advertises)
		n.Set("verona.lit", peer.Unaware)
		n.Set("silent.lit", peer.Silent)
		s := n.Session(jid.MustParse("me.test"))
		for _, tc := range []struct {
			peers  int
			status conformance.Status
		}{{0, conformance.Fail}, {1, conformance.Pass}, {-1, conformance.NotApplicable}} {
			r, err := conformance.Run(t.Context(), s, "shakespeare.lit", conformance.Options{Peers: tc.peers, Timeout: time.Second})
			require.NoError(t, err)
			one, _ := r.Result("privacy-peers")
			require.Equal(t, tc.status, one.Status, "%d: %s", tc.peers, one)
			require.NotContains(t, one.Message, "verona", "who does not opt in is not named by us either")
		}
		n.Set("denmark.lit", peer.Silent)
		n.Set("verona.lit", peer.Silent)
		r, err := conformance.Run(t.Context(), s, "shakespeare.lit", conformance.Options{Strict: true, Timeout: time.Second})
		require.NoError(t, err)
		one, _ := r.Result("privacy-peers")
		require.Equal(t, "could not be checked: none of 3 peers answered", one.Message)
	})
}

func TestRunErrors(t *testing.T) {
	n := domainNetwork(t, "")
	_, err := conformance.Run(t.Context(), n.Session(jid.MustParse("me.test")), "no name", conformance.Options{})
	var bad *xep.NameError
	require.ErrorAs(t, err, &bad)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = conformance.Run(ctx, n.Session(jid.MustParse("me.test")), "shakespeare.lit", conformance.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestANameThatCannotBeAddressed(t *testing.T) {
	r := run(t, peer.New("pubsub.test").Session(jid.MustParse("me.test")), "_xmpp.example")
	require.Equal(t, []string{"disco-answer"}, failed(r))
}
