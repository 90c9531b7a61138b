package peer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/crawl"
	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/internal/testserver"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func serve(t *testing.T, n *peer.Network, c peer.Config) *peer.Server {
	t.Helper()
	srv, err := peer.Serve(n, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

func component(t *testing.T, srv *peer.Server) *connect.Session {
	t.Helper()
	s, err := connect.Component(t.Context(), connect.Config{
		JID: jid.MustParse("reporter.shakespeare.lit"), Server: srv.ComponentAddr(), Secret: "secret", Logger: quiet,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// The wire changes nothing about who consents.
func TestBehavioursOnTheWire(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	s := component(t, serve(t, n, peer.Config{}))
	for _, b := range peer.Behaviours() {
		t.Run(b.String(), func(t *testing.T) {
			name := xep.MustName(fmt.Sprintf("peer%d.lit", b))
			n.Set(name.String(), b)
			c := &optin.Checker{Session: s}
			if b == peer.Silent || b == peer.Forged {
				// A session goes on waiting for the true answer when it has dropped somebody else's.
				c.Timeout = 50 * time.Millisecond
			}
			v := c.Check(t.Context(), name)
			require.Equal(t, b.Consents(), v.Named(time.Now()), "%v", v)
			require.Equal(t, 1, n.Asked(name.String()))
		})
	}
}

func TestPublishingOnTheWire(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	seen := make(chan peer.Exchange, 100)
	srv := serve(t, n, peer.Config{Observe: func(x peer.Exchange) { seen <- x }})
	s := component(t, srv)
	p := &pubsub.Publisher{Session: s, Service: jid.MustParse(n.Service())}
	payload := "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'/></serverinfo>"
	require.NoError(t, p.Publish(t.Context(), []byte(payload)))
	require.Equal(t, payload, string(n.Item(xep.DefaultNode)))
	x := <-seen
	require.Equal(t, []string{"reporter.shakespeare.lit", n.Service()}, []string{x.From, x.To})
	require.True(t, x.Answered)
	require.Contains(t, x.Request, "disco#info", "the publisher looks at the service first")
}

func TestClientsConnect(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	n.Set("denmark.lit", peer.Advertises)
	srv := serve(t, n, peer.Config{Account: "hamlet", Password: "ghost"})
	require.Equal(t, "hamlet@shakespeare.lit", srv.Account().String())
	block, _ := pem.Decode(srv.CertPEM())
	authority, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	require.True(t, roots.Equal(srv.CertPool()))
	for name, c := range map[string]connect.Config{
		"StartTLS": {Server: srv.ClientAddr()}, "direct TLS": {Server: srv.DirectAddr(), Direct: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.JID, c.Password, c.Logger, c.TLS = srv.Account(), "ghost", quiet, &tls.Config{RootCAs: roots}
			s, err := connect.Client(t.Context(), c)
			require.NoError(t, err)
			defer s.Close()
			v := (&optin.Checker{Session: s}).Check(t.Context(), xep.MustName("denmark.lit"))
			require.True(t, v.Named(time.Now()))
		})
	}
}

// An administrator of the home domain sees its connections in the way of either software.
func TestStreams(t *testing.T) {
	streams := []peer.Stream{{Remote: "denmark.lit"}, {Remote: "verona.lit", Outgoing: true}, {Remote: "evil.lit", Pending: true}}
	home := jid.MustParse("shakespeare.lit")
	for _, tc := range []struct {
		kind   peer.Kind
		source func(report.Session) report.Source
		want   []string
	}{
		{peer.StockProsody, func(s report.Session) report.Source { return report.ProsodyAdHoc{Session: s, Host: home} },
			[]string{"denmark.lit", "verona.lit"}},
		{peer.StockEjabberd, func(s report.Session) report.Source { return report.EjabberdOutgoing{Session: s, Host: home} },
			[]string{"verona.lit"}},
	} {
		t.Run(tc.kind.String(), func(t *testing.T) {
			n := peer.New("pubsub.shakespeare.lit")
			n.Set("shakespeare.lit", peer.Advertises)
			srv := serve(t, n, peer.Config{Home: peer.Domain{Kind: tc.kind}})
			srv.SetStreams(streams...)
			all, err := tc.source(component(t, srv)).Connections(t.Context())
			require.NoError(t, err)
			var got []string
			for _, c := range all {
				got = append(got, c.Remote)
			}
			slices.Sort(got)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestKinds(t *testing.T) {
	require.Len(t, peer.Kinds(), len(testserver.Profiles()))
	for i, p := range testserver.Profiles() {
		require.Equal(t, p.String(), peer.Kinds()[i].String())
	}
	require.Equal(t, "Standard", peer.Kind(0).String())
	require.Equal(t, "Kind(99)", peer.Kind(99).String())
	require.Len(t, peer.AllQuirks(), 12)
	require.Equal(t, "TwoForms|TrailingDots", (peer.TwoForms | peer.TrailingDots).String())
	require.Equal(t, "none", peer.Quirks(0).String())
	require.Len(t, peer.AllFaults(), len(testserver.Faults()))
	require.Equal(t, "NotFound|TimedOut", (peer.NotFound | peer.TimedOut).String())
}

// The public names stand for what they say.
func TestConstants(t *testing.T) {
	for public, inner := range map[peer.Fault]testserver.Fault{
		peer.ErrorReply: testserver.ErrorReply, peer.TimedOut: testserver.Unreachable, peer.NoReply: testserver.NoReply,
		peer.HalfOpen: testserver.HalfOpen, peer.WrongFrom: testserver.WrongFrom, peer.Spoofed: testserver.Spoofed,
		peer.BadAddresses: testserver.BadAddresses, peer.ForgedReplies: testserver.ForgedReplies,
		peer.SessionFaults: testserver.SessionFaults, peer.RemoteFaults: testserver.RemoteFaults,
	} {
		require.Equal(t, uint64(inner), uint64(public), "%s", public)
	}
	require.Equal(t, uint32(testserver.FormOnly), uint32(peer.NodeWithoutFeature))
	require.Equal(t, uint32(testserver.ExposePublisher), uint32(peer.ExposePublisher))
	require.Equal(t, uint32(testserver.TrailingDots), uint32(peer.TrailingDots))
}

// A consumer finds the truth about a federation, and of each domain what readers of its kind's report see.
func TestConsumer(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	srv := serve(t, n, peer.Config{})
	truth := srv.AddFederation(1, 25)
	require.Len(t, truth, 25)
	c := &crawl.Crawler{
		Session: component(t, srv), Contact: "mailto:me@shakespeare.lit", Seeds: []string{truth[0].Name}, Once: true, Spacing: -1, Rate: -1,
	}
	g := graph.New(graph.Options{})
	for ev := range c.Run(t.Context()) {
		ev.Apply(g)
	}
	snap := g.Snapshot()
	reported := 0
	for _, d := range truth {
		found, ok := snap.Domain(xep.MustName(d.Name))
		if !ok || found.Reported.IsZero() {
			continue
		}
		reported++
		require.Equal(t, d.Report.Unnamed, found.Unnamed)
		for _, l := range d.Seen() {
			_, ok := snap.Link(found.Name, xep.MustName(l.Name))
			require.True(t, ok, "%s reports %s", d.Name, l.Name)
		}
	}
	require.NotZero(t, reported)
	require.Equal(t, reported, snap.Counts().Reporting)
}

func TestRemote(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	srv := serve(t, n, peer.Config{})
	s := component(t, srv)
	d := srv.Add(peer.Domain{Name: "denmark.lit", Quirks: peer.Extensions, Contacts: map[string][]string{"abuse-addresses": {"mailto:abuse@denmark.lit"}}})
	name := xep.MustName("denmark.lit")
	named := func() bool { return (&optin.Checker{Session: s}).Check(t.Context(), name).Named(time.Now()) }
	require.False(t, named())
	d.SetAdvertise(true)
	require.True(t, named())
	d.SetFault(peer.ErrorReply)
	require.False(t, named())
	d.SetFault(0)
	d.SetQuirks(0)
	d.Publish(peer.Report{Links: []peer.Link{{Name: "verona.lit", Directions: []xep.Direction{xep.Incoming}}}, Unnamed: 2})
	item, err := pubsub.Fetch(t.Context(), s, jid.MustParse("pubsub.denmark.lit"), xep.DefaultNode)
	require.NoError(t, err)
	require.Contains(t, string(item.Raw), "verona.lit")
	require.Empty(t, d.Subscribers())
	require.NoError(t, d.Await(t.Context(), 4))
	require.GreaterOrEqual(t, d.Requests(), 4)
	d.Delete()
	_, err = pubsub.Fetch(t.Context(), s, jid.MustParse("pubsub.denmark.lit"), xep.DefaultNode)
	require.Error(t, err)

	d.SetFault(peer.Held)
	held, before := make(chan bool, 1), d.Requests()
	go func() { held <- named() }()
	require.NoError(t, d.Await(t.Context(), before+1))
	require.Equal(t, 1, d.Release())
	require.True(t, <-held)
	srv.Remove("denmark.lit")
	require.False(t, named())
}

func ExampleServe() {
	n := peer.New("pubsub.shakespeare.lit")
	n.Set("denmark.lit", peer.Advertises)
	n.Set("verona.lit", peer.FormOnly)
	srv, err := peer.Serve(n, peer.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	// A program in any language connects to srv.ComponentAddr() or srv.ClientAddr(). Here it is the library's own session.
	s, err := connect.Component(context.Background(), connect.Config{
		JID: jid.MustParse("reporter.shakespeare.lit"), Server: srv.ComponentAddr(), Secret: "secret",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	p := &pubsub.Publisher{Session: s, Service: jid.MustParse(n.Service())}
	err = p.Publish(context.Background(), []byte("<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'/></serverinfo>"))
	fmt.Println(err)
	fmt.Println(string(n.Item("serverinfo")))
	// Output:
	// <nil>
	// <serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'/></serverinfo>
}

// A consumer is tested against domains that are as odd and as hostile as those out there.
func ExampleServer_Add() {
	srv, err := peer.Serve(peer.New("pubsub.me.test"), peer.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.Add(peer.Domain{
		Name: "denmark.lit", Kind: peer.Ejabberd, Advertise: true, Quirks: peer.TwoForms | peer.DuplicatePeers,
		Report: peer.Report{Links: []peer.Link{{Name: "verona.lit"}}, Unnamed: 3},
	})
	srv.Add(peer.Domain{Name: "evil.lit", Advertise: true, Fault: peer.WrongPayload | peer.Spoofed})

	s, err := connect.Component(context.Background(), connect.Config{
		JID: jid.MustParse("crawler.me.test"), Server: srv.ComponentAddr(), Secret: "secret", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for _, domain := range []string{"denmark.lit", "evil.lit"} {
		v := crawl.Visit(context.Background(), s, domain)
		fmt.Println(domain, v.Outcome)
	}
	// Output:
	// denmark.lit report
	// evil.lit unreachable
}
