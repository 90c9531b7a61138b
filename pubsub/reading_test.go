package pubsub

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/xep"
)

// answer is what a scripted peer says to the first question that holds a text.
type answer struct {
	to, holds string
	// reply is the content of the result, or the whole error element.
	reply string
	err   error
}

// script is a session whose peers say what a test wants.
type script struct {
	answers []answer

	mu    sync.Mutex
	asked []string
}

func (s *script) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, errors.New("the reply lane should be used")
}

func (s *script) ExchangeIQ(_ context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, iq.To.String()+" "+string(payload))
	for _, a := range s.answers {
		if a.to != iq.To.String() || !strings.Contains(string(payload), a.holds) {
			continue
		}
		if a.err != nil {
			return nil, a.err
		}
		typ := "result"
		if strings.HasPrefix(a.reply, "<error") {
			typ = "error"
		}
		return fmt.Appendf(nil, `<iq xmlns='jabber:client' type='%s' from='%s' id='1'>%s</iq>`, typ, a.to, a.reply), nil
	}
	return fmt.Appendf(nil, `<iq xmlns='jabber:client' type='error' from='%s' id='1'>%s</iq>`, iq.To, stanzaError("cancel", "service-unavailable")), nil
}

func stanzaError(typ, condition string, app ...string) string {
	return `<error type='` + typ + `'><` + condition + ` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` + strings.Join(app, "") + `</error>`
}

const (
	holdsInfo  = `http://jabber.org/protocol/disco#info`
	holdsItems = `http://jabber.org/protocol/disco#items`
)

func infoReply(content string) string {
	return `<query xmlns='http://jabber.org/protocol/disco#info'>` + content + `</query>`
}

func itemsReply(content string) string {
	return `<query xmlns='http://jabber.org/protocol/disco#items'>` + content + `</query>`
}

func form(uri string) string {
	return `<x xmlns='jabber:x:data' type='result'>` +
		`<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>` +
		`<field var='serverinfo-pubsub-node'><value>` + uri + `</value></field></x>`
}

const (
	feature = `<feature var='urn:xmpp:serverinfo:0'/>`
	service = `<identity category='pubsub' type='service'/>`
	leaf    = `<identity category='pubsub' type='leaf'/>`
	pep     = `<identity category='pubsub' type='pep'/>`
	im      = `<identity category='server' type='im' name='Prosody'/>`
	// emptyForm is what a stock ejabberd says everywhere.
	emptyForm = `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field></x>`
)

func TestLocate(t *testing.T) {
	const domain = "example.org"
	tests := map[string]struct {
		answers  []answer
		want     Location
		err      error
		askedAll int
		steps    []string // name:status
	}{
		"named in the form": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(im + feature + form("xmpp:pubsub.example.org?;node=serverinfo"))},
				{to: "pubsub.example.org", holds: "node='serverinfo'", reply: infoReply(leaf)},
			},
			want:     Location{Answered: true, Advertised: true, Identity: "Prosody", Service: jid.MustParse("pubsub.example.org"), Node: "serverinfo", Leaf: true},
			askedAll: 2,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:ok", "node-info:ok"},
		},
		"a slash in the node, on a host of its own choice": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(feature + form("xmpp:nodes.example.net?;node=serverinfo/example.org"))},
				{to: "nodes.example.net", holds: "node='serverinfo/example.org'", reply: infoReply(leaf)},
			},
			want:     Location{Answered: true, Advertised: true, Service: jid.MustParse("nodes.example.net"), Node: "serverinfo/example.org", Leaf: true},
			askedAll: 2,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:ok", "node-info:ok"},
		},
		"the default node on the first service": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(pep + feature + emptyForm)},
				{to: domain, holds: holdsItems, reply: itemsReply(`<item jid='muc.example.org'/><item jid='example.org' node='users'/><item jid='pubsub.example.org'/><item jid='other.example.org'/>`)},
				{to: "muc.example.org", holds: holdsInfo, reply: infoReply(`<identity category='conference' type='text'/>`)},
				{to: "pubsub.example.org", holds: "node='serverinfo'", reply: infoReply(leaf)},
				{to: "pubsub.example.org", holds: holdsInfo, reply: infoReply(service)},
			},
			want:     Location{Answered: true, Advertised: true, Service: jid.MustParse("pubsub.example.org"), Node: "serverinfo", Default: true, Leaf: true},
			askedAll: 5,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:skipped", "domain-items:ok", "service-info:skipped", "service-info:ok", "node-info:ok"},
		},
		"pep is no service": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(pep + feature)},
				{to: domain, holds: holdsItems, reply: itemsReply(`<item jid='pep.example.org'/>`)},
				{to: "pep.example.org", holds: holdsInfo, reply: infoReply(pep)},
			},
			want:     Location{Answered: true, Advertised: true, Default: true},
			err:      ErrNoService,
			askedAll: 3,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:skipped", "domain-items:ok", "service-info:skipped", "service-info:failed"},
		},
		"the domain is its own service": {
			answers: []answer{
				{to: domain, holds: "node='serverinfo'", reply: infoReply(leaf)},
				{to: domain, holds: holdsInfo, reply: infoReply(service + feature)},
				{to: domain, holds: holdsItems, reply: itemsReply(``)},
			},
			want:     Location{Answered: true, Advertised: true, Service: jid.MustParse(domain), Node: "serverinfo", Default: true, Leaf: true},
			askedAll: 3,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:skipped", "domain-items:ok", "service-info:ok", "node-info:ok"},
		},
		"no feature, whatever the form says": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(im + form("xmpp:pubsub.example.org?;node=serverinfo"))},
			},
			want:     Location{Answered: true, Identity: "Prosody"},
			err:      ErrNotAdvertised,
			askedAll: 1,
			steps:    []string{"domain-info:ok", "opt-in:failed"},
		},
		"an unusable URI is no reason for the default": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(feature + form("https://example.org/"))},
			},
			want:     Location{Answered: true, Advertised: true},
			err:      new(xep.URIError),
			askedAll: 1,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:failed"},
		},
		"a node that calls itself a collection is noted": {
			answers: []answer{
				{to: domain, holds: holdsInfo, reply: infoReply(feature + form("xmpp:pubsub.example.org?;node=serverinfo"))},
				{to: "pubsub.example.org", holds: holdsInfo, reply: infoReply(`<identity category='pubsub' type='collection'/>`)},
			},
			want:     Location{Answered: true, Advertised: true, Service: jid.MustParse("pubsub.example.org"), Node: "serverinfo"},
			askedAll: 2,
			steps:    []string{"domain-info:ok", "opt-in:ok", "form:ok", "node-info:failed"},
		},
		"no answer": {
			answers:  []answer{{to: domain, holds: holdsInfo, reply: stanzaError("cancel", "remote-server-not-found")}},
			err:      stanza.Error{Condition: stanza.RemoteServerNotFound},
			askedAll: 1,
			steps:    []string{"domain-info:failed"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: tc.answers}
			loc, err := Locate(t.Context(), s, xep.MustName(domain))
			switch want := tc.err.(type) {
			case nil:
				require.NoError(t, err)
			case *xep.URIError:
				require.ErrorAs(t, err, &want)
			default:
				require.ErrorIs(t, err, tc.err)
			}
			require.Len(t, s.asked, tc.askedAll)
			var steps []string
			for _, st := range loc.Trace {
				steps = append(steps, st.Name+":"+st.Status.String())
			}
			require.Equal(t, tc.steps, steps)
			require.Equal(t, err, loc.Err)
			tc.want.Domain, tc.want.Err, tc.want.Trace = loc.Domain, loc.Err, loc.Trace
			require.Equal(t, &tc.want, loc)
		})
	}
}

// A domain must not be able to have us query a crowd of strangers for it.
func TestLocateAsksFewServices(t *testing.T) {
	var items strings.Builder
	for i := range 500 {
		fmt.Fprintf(&items, `<item jid='victim%d.example'/>`, i)
	}
	s := &script{answers: []answer{
		{to: "example.org", holds: holdsInfo, reply: infoReply(feature)},
		{to: "example.org", holds: holdsItems, reply: itemsReply(items.String())},
	}}
	_, err := Locate(t.Context(), s, xep.MustName("example.org"))
	require.ErrorIs(t, err, ErrNoService)
	require.Len(t, s.asked, 2+maxServices)
}

// What is known already is not asked again, and the domain is believed all the same.
func TestLocateKnown(t *testing.T) {
	pubsub, elsewhere := jid.MustParse("pubsub.example.org"), jid.MustParse("elsewhere.example")
	tests := map[string]struct {
		info  string
		known Location
		asked int
		want  jid.JID
		err   error
	}{
		"default node":    {feature, Location{Service: pubsub, Node: "serverinfo", Default: true, Leaf: true}, 1, pubsub, nil},
		"same node":       {feature + form("xmpp:pubsub.example.org?;node=x"), Location{Service: pubsub, Node: "x", Leaf: true}, 1, pubsub, nil},
		"another node":    {feature + form("xmpp:elsewhere.example?;node=x"), Location{Service: pubsub, Node: "x"}, 2, elsewhere, nil},
		"now the default": {feature, Location{Service: elsewhere, Node: "serverinfo"}, 4, pubsub, nil},
		"feature gone":    {im, Location{Service: pubsub, Node: "serverinfo", Default: true}, 1, jid.JID{}, ErrNotAdvertised},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []answer{
				{to: "example.org", holds: holdsInfo, reply: infoReply(tc.info)},
				{to: "example.org", holds: holdsItems, reply: itemsReply(`<item jid='pubsub.example.org'/>`)},
				{to: "pubsub.example.org", holds: "node=", reply: infoReply(leaf)},
				{to: "pubsub.example.org", holds: holdsInfo, reply: infoReply(service)},
				{to: "elsewhere.example", holds: "node=", reply: infoReply(leaf)},
			}}
			loc, err := (&Locator{Session: s, Known: &tc.known}).Locate(t.Context(), xep.MustName("example.org"))
			require.ErrorIs(t, err, tc.err)
			require.Len(t, s.asked, tc.asked)
			require.Equal(t, tc.want.String(), loc.Service.String())
			require.Equal(t, tc.err == nil, loc.Leaf)
		})
	}
}

func TestLocateUnaddressable(t *testing.T) {
	s := new(script)
	loc, err := Locate(t.Context(), s, xep.MustName("_xmpp.example.org"))
	require.ErrorIs(t, err, ErrNotAddressable)
	require.False(t, loc.Answered)
	require.Empty(t, s.asked)
}

func TestLocateTellsSteps(t *testing.T) {
	s := &script{answers: []answer{{to: "example.org", holds: holdsInfo, reply: infoReply(im)}}}
	var told Trace
	now := time.Date(2025, 11, 13, 12, 0, 0, 0, time.UTC)
	l := &Locator{
		Session: s,
		OnStep:  func(s Step) { told = append(told, s) },
		Now:     func() time.Time { now = now.Add(84 * time.Millisecond); return now },
	}
	loc, err := l.Locate(t.Context(), xep.MustName("example.org"))
	require.ErrorIs(t, err, ErrNotAdvertised)
	require.Equal(t, loc.Trace, told)
	require.Equal(t, ""+
		"ok      disco#info of example.org                             Prosody, 0 features, 0 forms (84ms)\n"+
		"failed  feature urn:xmpp:serverinfo:0                         the domain does not advertise urn:xmpp:serverinfo:0\n",
		loc.Trace.String())
	failed, ok := loc.Trace.Failed()
	require.True(t, ok)
	require.Equal(t, StepOptIn, failed.Name)
}

func TestTraceIsHarmless(t *testing.T) {
	s := Step{Asked: "a\x1b[2Jb\u202ec", Got: strings.Repeat("é", 1000)}
	out := s.String()
	require.NotContains(t, out, "\x1b")
	require.NotContains(t, out, "\u202e")
	require.Less(t, len(out), 900)
}

const payload = `<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='example.org'><federation><remote-domain/></federation></domain></serverinfo>`

func pubsubReply(content string) string {
	return `<pubsub xmlns='http://jabber.org/protocol/pubsub'>` + content + `</pubsub>`
}

func TestFetch(t *testing.T) {
	const notPersistent = `<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>`
	tests := map[string]struct {
		current, newest string
		id              string
		asked           int
		err             error
	}{
		"current": {
			current: pubsubReply(`<items node='serverinfo'><item id='current'>` + payload + `</item></items>`),
			id:      "current", asked: 1,
		},
		"a result set first, as from ejabberd": {
			current: pubsubReply(`<set xmlns='http://jabber.org/protocol/rsm'><first>x</first></set><items node='serverinfo'><item id='current'>` + payload + `</item></items>`),
			id:      "current", asked: 1,
		},
		"redeclared namespace and publisher": {
			current: pubsubReply(`<items node='serverinfo'><item xmlns='http://jabber.org/protocol/pubsub' publisher='example.org' id='current'>` + payload + `</item></items>`),
			id:      "current", asked: 1,
		},
		"the newest under another id": {
			current: pubsubReply(`<items node='serverinfo'/>`),
			newest:  pubsubReply(`<items node='serverinfo'><item id='a7f'>` + payload + `</item></items>`),
			id:      "a7f", asked: 2,
		},
		"the newest, where an unknown id is an error": {
			current: stanzaError("cancel", "item-not-found"),
			newest:  pubsubReply(`<items node='serverinfo'><item id='b'/><item id='c'><other xmlns='urn:example'/></item><item id='d'>` + payload + `</item></items>`),
			id:      "d", asked: 2,
		},
		"current among many": {
			current: pubsubReply(`<items node='serverinfo'/>`),
			newest:  pubsubReply(`<items node='serverinfo'><item id='b'>` + payload + `</item><item id='current'>` + payload + `</item></items>`),
			id:      "current", asked: 2,
		},
		"nothing": {
			current: pubsubReply(`<items node='serverinfo'/>`),
			newest:  pubsubReply(`<items node='serverinfo'/>`),
			asked:   2, err: ErrNoItem,
		},
		"an empty result": {asked: 2, err: ErrNoItem},
		"no such node": {
			current: stanzaError("cancel", "item-not-found"),
			newest:  stanzaError("cancel", "item-not-found"),
			asked:   2, err: &Error{Condition: stanza.ItemNotFound},
		},
		"not persistent, as from Prosody": {
			current: notPersistent + `<persistent-items xmlns='http://jabber.org/protocol/pubsub#errors'/></error>`,
			asked:   1, err: ErrNotPersistent,
		},
		"not persistent, as in XEP-0060": {
			current: notPersistent + `<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='persistent-items'/></error>`,
			asked:   1, err: ErrNotPersistent,
		},
		"forbidden": {
			current: stanzaError("auth", "forbidden"),
			asked:   1, err: &Error{Condition: stanza.Forbidden},
		},
		"malformed payload": {
			current: pubsubReply(`<items node='serverinfo'><item id='current'><serverinfo xmlns='urn:xmpp:serverinfo:0'>` + strings.Repeat(`<domain/>`, xep.DefaultDomains+1) + `</serverinfo></item></items>`),
			asked:   1, err: ErrPayload,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: []answer{
				{to: "pubsub.example.org", holds: "id='current'", reply: tc.current},
				{to: "pubsub.example.org", holds: "max_items='1'", reply: tc.newest},
			}}
			it, err := Fetch(t.Context(), s, jid.MustParse("pubsub.example.org"), "serverinfo")
			require.Len(t, s.asked, tc.asked)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				require.Nil(t, it)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.id, it.ID)
			require.Equal(t, payload, string(it.Raw))
			require.Equal(t, "example.org", it.Info.Domains[0].Name)
		})
	}
}

func TestFetchRefusesAnotherNode(t *testing.T) {
	s := &script{answers: []answer{{to: "pubsub.example.org", reply: pubsubReply(`<items node='other'><item id='current'>` + payload + `</item></items>`)}}}
	_, err := Fetch(t.Context(), s, jid.MustParse("pubsub.example.org"), "serverinfo")
	require.ErrorContains(t, err, `"other"`)
}

func TestFetchEscapesTheNode(t *testing.T) {
	s := new(script)
	_, err := Fetch(t.Context(), s, jid.MustParse("pubsub.example.org"), "a'/><b x='")
	require.Error(t, err)
	require.Contains(t, s.asked[0], "node='a&apos;/&gt;&lt;b x=&apos;'")
}
