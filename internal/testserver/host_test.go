package testserver_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/testserver"
)

func TestReportsOfTheProfiles(t *testing.T) {
	report := testserver.Report{Unnamed: 1, Peers: []testserver.Peer{
		{Name: "in.example", Directions: testserver.In},
		{Name: "out.example", Directions: testserver.Out},
		{Name: "both.example", Directions: testserver.In | testserver.Out},
		{Name: "bidi.example", Directions: testserver.Bidi},
	}}
	const head, tail = "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='a.example'><federation>", "</federation></domain></serverinfo>"
	const in, out = "<connection type='incoming'/>", "<connection type='outgoing'/>"
	peer := func(name string, conns ...string) string {
		if len(conns) == 0 {
			return "<remote-domain name='" + name + "'/>"
		}
		return "<remote-domain name='" + name + "'>" + strings.Join(conns, "") + "</remote-domain>"
	}
	for _, tc := range []struct {
		profile testserver.Profile
		node    string
		want    string
	}{
		{testserver.Standard, "serverinfo", head + peer("in.example", in) + peer("out.example", out) + peer("both.example", in, out) +
			peer("bidi.example", "<connection type='bidi'/>") + "<remote-domain/>" + tail},
		{testserver.Prosody, "serverinfo/a.example", head + peer("in.example") + peer("out.example") + peer("both.example") +
			peer("bidi.example") + "<remote-domain/>" + tail},
		{testserver.Ejabberd, "serverinfo", head + peer("in.example", in, out) + peer("out.example", in, out) + peer("both.example", in, out) +
			peer("bidi.example", in, out) + peer("", in, out) + tail},
		{testserver.Openfire, "serverinfo", head + peer("in.example", in) + peer("out.example", in) +
			peer("both.example", "<connection type='both'/>") + peer("bidi.example", "<connection type='both'/>") +
			"<remote-domain><connection type='both'/></remote-domain>" + tail},
	} {
		t.Run(tc.profile.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			h := srv.AddDomain(testserver.Domain{Name: "a.example", Profile: tc.profile, Report: report})
			require.Equal(t, tc.node, h.Node())
			s := rawSession(t, srv, testserver.Component)
			got := s.ask(get("q", "pubsub.a.example", items(tc.node)))
			require.Contains(t, got, tc.want)
		})
	}
}

func TestProfilesWithoutAReport(t *testing.T) {
	for _, p := range []testserver.Profile{testserver.Tigase, testserver.StockProsody, testserver.StockEjabberd} {
		t.Run(p.String(), func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			srv.AddDomain(testserver.Domain{Name: "a.example", Profile: p, Advertise: true})
			s := rawSession(t, srv, testserver.Component)
			require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "item-not-found")
			require.Contains(t, s.ask(get("q", "a.example", infoPayload)), "<feature var='urn:xmpp:serverinfo:0'/>")
		})
	}
}

func TestIdleEjabberdNamesNoDomain(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "a.example", Profile: testserver.Ejabberd})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "><serverinfo xmlns='urn:xmpp:serverinfo:0'/></item>")
}

func TestQuirks(t *testing.T) {
	const (
		info  = "the domain's disco#info"
		fetch = "the item"
	)
	contacts := map[string][]string{"admin-addresses": {"mailto:admin@a.example"}}
	for _, tc := range []struct {
		name  string
		d     testserver.Domain
		ask   string
		has   []string
		lacks []string
	}{
		{"two forms", testserver.Domain{Advertise: true, Contacts: contacts, Quirks: testserver.TwoForms}, info,
			[]string{"admin-addresses", "</x><x ", "serverinfo-pubsub-node"}, nil},
		{"one form", testserver.Domain{Advertise: true, Contacts: contacts}, info,
			[]string{"admin-addresses", "serverinfo-pubsub-node"}, []string{"</x><x "}},
		{"list-multi", testserver.Domain{Advertise: true, Quirks: testserver.FormListMulti}, info,
			[]string{"var='serverinfo-pubsub-node' type='list-multi'"}, nil},
		{"untyped", testserver.Domain{Advertise: true, Quirks: testserver.FormUntyped}, info,
			[]string{"var='serverinfo-pubsub-node'>"}, nil},
		{"form without feature", testserver.Domain{Advertise: true, Quirks: testserver.FormOnly}, info,
			[]string{"serverinfo-pubsub-node"}, []string{"<feature var='urn:xmpp:serverinfo:0'/>"}},
		{"feature without form", testserver.Domain{Advertise: true, Quirks: testserver.NoForm}, info,
			[]string{"<feature var='urn:xmpp:serverinfo:0'/>"}, []string{"serverinfo-pubsub-node"}},
		{"neither", testserver.Domain{}, info, nil, []string{"serverinfo-pubsub-node", "urn:xmpp:serverinfo:0"}},
		{"stock ejabberd's form", testserver.Domain{Profile: testserver.StockEjabberd}, info,
			[]string{"http://jabber.org/network/serverinfo"}, []string{"serverinfo-pubsub-node", "urn:xmpp:serverinfo:0"}},
		{"duplicates", testserver.Domain{Quirks: testserver.DuplicatePeers}, fetch,
			[]string{"<remote-domain name='p.example'/><remote-domain name='p.example'/>"}, nil},
		{"several domains", testserver.Domain{Quirks: testserver.SeveralDomains}, fetch, []string{"<domain name='vhost.a.example'>"}, nil},
		{"extensions", testserver.Domain{Quirks: testserver.Extensions}, fetch, []string{"urn:example:ext", "urn:example:note", "urn:example:tag"}, nil},
		{"software", testserver.Domain{Quirks: testserver.SoftwareVersion}, fetch, []string{"<query xmlns='jabber:iq:version'>"}, nil},
		{"publisher", testserver.Domain{Quirks: testserver.ExposePublisher}, fetch, []string{"publisher='a.example'"}, nil},
		{"upper case and dots", testserver.Domain{Quirks: testserver.UpperCase | testserver.TrailingDots}, fetch, []string{"'A.EXAMPLE.'", "'P.EXAMPLE.'"}, nil},
		{"users", testserver.Domain{Report: testserver.Report{Users: 7}}, fetch, []string{"<active>7</active>"}, nil},
		{"raw", testserver.Domain{Report: testserver.Report{Raw: "<zork xmlns='urn:example:zork'/>"}}, fetch, []string{"><zork xmlns='urn:example:zork'/></item>"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{})
			tc.d.Name = "a.example"
			if tc.d.Report.Raw == "" {
				tc.d.Report.Peers = []testserver.Peer{{Name: "p.example"}}
			}
			h := srv.AddDomain(tc.d)
			s := rawSession(t, srv, testserver.Component)
			q := get("q", "a.example", infoPayload)
			if tc.ask == fetch {
				q = get("q", h.Service(), items(h.Node()))
			}
			got := s.ask(q)
			for _, part := range tc.has {
				require.Contains(t, got, part)
			}
			for _, part := range tc.lacks {
				require.NotContains(t, got, part)
			}
		})
	}
}

func TestLiveChanges(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	h := srv.AddDomain(testserver.Domain{Name: "a.example", Advertise: true})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(set("s", "pubsub.a.example", subscribe("serverinfo"))), "subscribed")
	require.Equal(t, []string{testserver.Component}, h.Subscribers("serverinfo"))

	h.SetAdvertise(false)
	require.NotContains(t, s.ask(get("q", "a.example", infoPayload)), "urn:xmpp:serverinfo:0")

	h.Link("b.example", testserver.Out)
	require.NotContains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "b.example", "not published yet")
	h.Publish()
	require.Contains(t, s.next(), "<event ")
	require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "b.example")
	require.Contains(t, h.Items("serverinfo")["current"], "b.example")

	h.Unlink("b.example")
	h.Publish()
	require.NotContains(t, s.next(), "b.example")

	h.DeleteNode()
	require.Contains(t, s.next(), "<delete node='serverinfo'/>")
	require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "item-not-found")
	require.Nil(t, h.Items("serverinfo"))
	h.Publish()
	require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "<serverinfo ")

	srv.RemoveDomain("a.example")
	require.Contains(t, s.ask(get("q", "a.example", infoPayload)), "remote-server-not-found")
}

func TestOldProsodyOnlyTellsSubscribers(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	h := srv.AddDomain(testserver.Domain{Name: "a.example", Profile: testserver.ProsodyOld, Report: testserver.Report{Unnamed: 1}})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(get("q", "pubsub.a.example", items("serverinfo"))), "<persistent-items ")
	require.Contains(t, s.ask(set("s", "pubsub.a.example", subscribe("serverinfo"))), "subscribed")
	h.Publish()
	require.Contains(t, s.next(), "<remote-domain/>")
}

func TestOwnService(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	srv.AddDomain(testserver.Domain{Name: "a.example", Advertise: true, Service: "events.b.example", Node: "n&m"})
	srv.AddDomain(testserver.Domain{Name: "none.example", Advertise: true, Service: "-"})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(get("q", "a.example", infoPayload)), "<value>xmpp:events.b.example?;node=n&amp;m</value>")
	require.Contains(t, s.ask(get("q", "events.b.example", items("n&amp;m"))), "<serverinfo ")
	require.Contains(t, s.ask(get("q", "pubsub.a.example", infoPayload)), "remote-server-not-found")
	require.Contains(t, s.ask(get("q", "pubsub.none.example", infoPayload)), "remote-server-not-found")
}

func TestPublishByASession(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	const node = "serverinfo"
	publish := "<pubsub xmlns='" + nsPubSub + "'><publish node='" + node + "'><item id='current'><a xmlns='urn:example:a'/></item></publish></pubsub>"
	require.Contains(t, s.ask(set("q1", srv.Home().Service(), publish)), "item-not-found")
	require.Contains(t, s.ask(set("q2", srv.Home().Service(), "<pubsub xmlns='"+nsPubSub+"'><create node='"+node+"'/></pubsub>")), "result")
	require.Contains(t, s.ask(set("q3", srv.Home().Service(), publish)), "<item id='current'/>")
	require.Equal(t, map[string]string{"current": "<a xmlns='urn:example:a'/>"}, srv.Home().Items(node))
	require.Equal(t, "open", srv.Home().NodeConfig(node)["pubsub#access_model"])
}

func TestNetworkOverTheWire(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	f := testserver.Network(3, 40)
	srv.AddNetwork(f)
	s := rawSession(t, srv, testserver.Component)
	for _, m := range f.Domains {
		h := srv.Domain(m.Name)
		require.Contains(t, s.ask(get("q", m.Name, infoPayload)), "urn:xmpp:serverinfo:0")
		if !m.Profile.Publishes() || m.Profile == testserver.ProsodyOld {
			continue
		}
		got := s.ask(get("q", h.Service(), items(h.Node())))
		unnamed := strings.Count(got, "<remote-domain/>") + strings.Count(got, "<remote-domain>") + strings.Count(got, "<remote-domain name=''>")
		require.Equal(t, m.Unnamed, unnamed, m)
		for _, p := range m.Peers {
			require.Contains(t, got, "name='"+p.Name+"'")
		}
		require.Equal(t, len(m.Peers), strings.Count(got, "<remote-domain name='")-strings.Count(got, "name=''"))
	}
	require.True(t, slices.IsSortedFunc(f.Links(), func(a, b [2]string) int { return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1]) }))
}

func TestAccessModels(t *testing.T) {
	const owner, stranger = "crawler." + testserver.HomeName, "stranger.a.example"
	for _, tc := range []struct {
		profile testserver.Profile
		model   string
		want    []string
	}{
		{testserver.StockProsody, "open", []string{"type='result'", "<items "}},
		{testserver.StockProsody, "whitelist", []string{"<error type='auth'><forbidden "}},
		{testserver.StockProsody, "authorize", []string{"<forbidden "}},
		{testserver.StockEjabberd, "whitelist", []string{"<error type='cancel'><closed-node ", "<not-allowed "}},
		{testserver.StockEjabberd, "presence", []string{"<presence-subscription-required ", "<not-authorized "}},
		{testserver.StockEjabberd, "roster", []string{"<not-in-roster-group ", "<not-authorized "}},
		{testserver.StockEjabberd, "authorize", []string{"<forbidden "}},
	} {
		t.Run(tc.profile.String()+" "+tc.model, func(t *testing.T) {
			srv := testserver.Start(t, testserver.Config{Home: testserver.Domain{Profile: tc.profile}})
			srv.AddDomain(testserver.Domain{Name: "a.example"})
			service := srv.Home().Service()
			s, other := rawSession(t, srv, owner), rawSession(t, srv, stranger)
			ask := get("q", service, items("n"))
			foreign := strings.Replace(ask, owner, stranger, 1)
			require.Contains(t, s.ask(set("1", service, "<pubsub xmlns='"+nsPubSub+"'><create node='n'/></pubsub>")), "result")
			form := "<x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>" + tc.model + "</value></field></x>"
			require.Contains(t, s.ask(set("2", service, "<pubsub xmlns='"+nsPubSub+"#owner'><configure node='n'>"+form+"</configure></pubsub>")), "result")
			require.Contains(t, s.ask(ask), "<items ")
			got := other.ask(foreign)
			for _, part := range tc.want {
				require.Contains(t, got, part)
			}
			member := "<affiliations node='n'><affiliation jid='" + stranger + "' affiliation='member'/></affiliations>"
			require.Contains(t, s.ask(set("3", service, "<pubsub xmlns='"+nsPubSub+"#owner'>"+member+"</pubsub>")), "result")
			require.Contains(t, other.ask(foreign), "<items ")
			outcast := strings.Replace(member, "'member'", "'outcast'", 1)
			require.Contains(t, s.ask(set("4", service, "<pubsub xmlns='"+nsPubSub+"#owner'>"+outcast+"</pubsub>")), "result")
			require.Contains(t, other.ask(foreign), "<forbidden ")
		})
	}
}

func TestOwnerEndsASubscription(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	service := srv.Home().Service()
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(set("1", service, "<pubsub xmlns='"+nsPubSub+"'><create node='n'/></pubsub>")), "result")
	require.Contains(t, s.ask(set("2", service, subscribe("n"))), "subscribed")
	end := "<subscriptions node='n'><subscription jid='" + testserver.Component + "' subscription='none'/></subscriptions>"
	require.Contains(t, s.ask(set("3", service, "<pubsub xmlns='"+nsPubSub+"#owner'>"+end+"</pubsub>")), "result")
	require.Empty(t, srv.Home().Subscribers("n"))
}

func TestCounts(t *testing.T) {
	srv := testserver.Start(t, testserver.Config{})
	s := rawSession(t, srv, testserver.Component)
	require.Contains(t, s.ask(get("q", testserver.HomeName, pingPayload)), "result")
	require.Equal(t, testserver.Counts{Received: 1, Sent: 1, Connections: 1, Sessions: 1}, srv.Counts())
}
