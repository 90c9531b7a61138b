package conformance_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

var quiet = slog.New(slog.DiscardHandler)

func reporter(e conformance.Environment) *report.Reporter {
	return &report.Reporter{
		Session: e.Session, Domain: e.Domain, Service: e.Service, Node: e.Node, Source: e.Connections,
		Logger: quiet,
	}
}

func runReporter(ctx context.Context, e conformance.Environment) error { return reporter(e).Run(ctx) }

// check runs one case, or all, in simulated time.
func check(t *testing.T, s conformance.Subject, ids ...string) (r *conformance.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		r, err = conformance.Publisher(t.Context(), s, ids...)
		require.NoError(t, err)
	})
	return r
}

func TestTheReporterPassesAllCases(t *testing.T) {
	r := check(t, conformance.Subject{Run: runReporter})
	for _, one := range r.Results {
		require.Equal(t, conformance.Pass, one.Status, "%s", one)
		require.NotEmpty(t, one.Log, one.ID)
	}
	require.True(t, r.Conforms())
}

// fault is how the simple publisher of this test goes wrong.
type fault struct {
	// consents is how it judges what came of disco#info.
	consents func(domain string, info *disco.Info, err error) bool
	// forever keeps a yes for good, and stubborn keeps it when there is no answer.
	forever, stubborn bool
	// siblings names the server's own domains.
	siblings bool
	// eager publishes as often as it looks, every 5 s.
	eager bool
	// idle publishes an item without a domain when there are no peers, and silent nothing at all.
	idle, silent bool
	// write changes the payload.
	write func([]byte) []byte
	// publish does it in another way.
	publish func(ctx context.Context, e conformance.Environment, payload []byte) error
	// clingy keeps listing peers whose connections are down.
	clingy bool
	// shy names nobody.
	shy bool
}

// simple is a publisher as somebody else might write it: no schedule but a loop, no memory but a map.
func (f fault) run(ctx context.Context, e conformance.Environment) error {
	if f.silent {
		return errors.New("not today")
	}
	pub := &pubsub.Publisher{Session: e.Session, Service: e.Service, Node: e.Node}
	verdicts, listed, last := map[string]bool{}, map[string]bool{}, ""
	pause := 5 * time.Minute
	if f.eager {
		pause = 5 * time.Second
	}
	for ctx.Err() == nil {
		peers, err := e.Connections.Connections(ctx)
		if err != nil {
			return err
		}
		if !f.clingy {
			clear(listed)
		}
		for _, c := range peers {
			listed[c.Remote] = true
			if !verdicts[c.Remote] || !f.forever {
				verdicts[c.Remote] = f.verdict(ctx, e, c.Remote, verdicts[c.Remote])
			}
		}
		payload := f.compose(e, listed, verdicts)
		if string(payload) != last {
			publish := f.publish
			if publish == nil {
				publish = func(ctx context.Context, _ conformance.Environment, b []byte) error { return pub.Publish(ctx, b) }
			}
			if err := publish(ctx, e, payload); err != nil && ctx.Err() == nil {
				return err
			}
			last = string(payload)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (f fault) verdict(ctx context.Context, e conformance.Environment, domain string, before bool) bool {
	if f.siblings && slices.Contains(e.Siblings, domain) {
		return true
	}
	if f.shy {
		return false
	}
	to, err := xep.MustName(domain).JID()
	if err != nil {
		return false
	}
	info, err := disco.GetInfo(ctx, e.Session, to, "")
	if f.stubborn && errors.Is(err, context.DeadlineExceeded) && before {
		return true
	}
	if f.consents != nil && f.consents(domain, info, err) {
		return true
	}
	return err == nil && info.Has(xep.NS)
}

func (f fault) compose(e conformance.Environment, listed, verdicts map[string]bool) []byte {
	if f.idle && len(listed) == 0 {
		return []byte("<serverinfo xmlns='" + xep.NS + "'/>")
	}
	fed := &xep.Federation{}
	for domain := range listed {
		r := xep.RemoteDomain{Connections: []xep.Connection{{Direction: xep.Bidi}}}
		if verdicts[domain] {
			r.Name = domain
		}
		fed.RemoteDomains = append(fed.RemoteDomains, r)
	}
	slices.SortFunc(fed.RemoteDomains, func(a, b xep.RemoteDomain) int { return strings.Compare(a.Name, b.Name) })
	b, err := xep.Marshal(&xep.ServerInfo{Domains: []xep.Domain{{Name: e.Domain, Federation: fed}}})
	if err != nil {
		panic(err)
	}
	if f.write != nil {
		b = f.write(b)
	}
	return b
}

// publishAs publishes without any of the library's care, under another id.
func publishAs(id string) func(context.Context, conformance.Environment, []byte) error {
	return func(ctx context.Context, e conformance.Environment, payload []byte) error {
		if _, err := (&pubsub.Publisher{Session: e.Session, Service: e.Service, Node: e.Node}).Ensure(ctx); err != nil {
			return err
		}
		b := "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='serverinfo'><item id='" + id + "'>" + string(payload) +
			"</item></publish></pubsub>"
		_, err := roundtrip.Do(ctx, e.Session, roundtrip.Request{Type: stanza.SetIQ, To: e.Service, Payload: []byte(b)})
		return err
	}
}

func replace(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), old, with)) }
}

// raw asks for disco#info and looks no further than for the text of the feature, as careless programs do.
func hasFeatureText(ctx context.Context, s conformance.Session, domain string) bool {
	to, err := xep.MustName(domain).JID()
	if err != nil {
		return false
	}
	payload := []byte("<query xmlns='" + disco.NSInfo + "'/>")
	reply, err := roundtrip.Do(ctx, s, roundtrip.Request{To: to, Payload: payload})
	return err == nil && strings.Contains(string(reply.Bytes()), "'"+xep.NS+"'")
}

// careless is a session that hands any reply on as if it had been one, the way careless programs read them.
type careless struct {
	conformance.Session
	errorsToo, forgedToo bool
}

func (c careless) read(ctx context.Context, domain string) bool {
	x, ok := c.Session.(roundtrip.Exchanger)
	if !ok {
		return false
	}
	to := xep.MustName(domain)
	addr, err := to.JID()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	b, err := x.ExchangeIQ(ctx, stanza.IQ{Type: stanza.GetIQ, To: addr}, []byte("<query xmlns='"+disco.NSInfo+"'/>"))
	reply := string(b)
	forged := !strings.Contains(reply, "from=\""+domain+"\"") && !strings.Contains(reply, "from='"+domain+"'")
	refused := strings.Contains(reply, "<error")
	return err == nil && forged == c.forgedToo && refused == c.errorsToo && strings.Contains(reply, "'"+xep.NS+"'")
}

// Each fault is found by the case made for it, and by nothing else.
func TestFaultyPublishersAreFound(t *testing.T) {
	never := func(string, *disco.Info, error) bool { return false }
	found := map[string]bool{}
	for _, tc := range []struct {
		name string
		// with makes the publisher, from the environment where it has to.
		with func(ctx context.Context, e conformance.Environment) fault
		want []string
	}{
		{"none", func(context.Context, conformance.Environment) fault { return fault{consents: never} }, []string{}},
		{"publishes nothing", func(context.Context, conformance.Environment) fault { return fault{silent: true} }, []string{"publisher-item"}},
		{"an item under another id", func(context.Context, conformance.Environment) fault {
			return fault{publish: publishAs("newest")}
		}, []string{"publisher-node"}},
		{"a direction of its own", func(context.Context, conformance.Environment) fault { return fault{write: replace("bidi", "both")} },
			[]string{"publisher-payload"}},
		{"no domain while idle", func(context.Context, conformance.Environment) fault { return fault{idle: true} }, []string{"publisher-zero-peers"}},
		{"names nobody", func(context.Context, conformance.Environment) fault { return fault{shy: true} }, []string{"publisher-peer-named"}},
		{"lists who has gone", func(context.Context, conformance.Environment) fault { return fault{clingy: true} }, []string{"publisher-peer-gone"}},
		{"names who answers", func(context.Context, conformance.Environment) fault {
			return fault{consents: func(d string, i *disco.Info, err error) bool {
				return err == nil && len(i.Forms) == 0 && len(i.Features) == 1 && strings.HasSuffix(d, "verona.lit")
			}}
			// A node makes no difference to such a publisher, so it fails that case for the same reason.
		}, []string{"publisher-peer-node", "publisher-peer-without-feature"}},
		{"takes a form for consent", func(context.Context, conformance.Environment) fault {
			return fault{consents: func(_ string, i *disco.Info, err error) bool { return err == nil && len(i.Forms) > 0 }}
		}, []string{"publisher-peer-form"}},
		{"takes a node for consent", func(ctx context.Context, e conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, err error) bool {
				to, bad := xep.MustName("pubsub." + d).JID()
				if bad != nil || err != nil {
					return false
				}
				_, err = disco.GetInfo(ctx, e.Session, to, xep.DefaultNode)
				return err == nil
			}}
		}, []string{"publisher-peer-node"}},
		{"compares the beginning of the feature", func(context.Context, conformance.Environment) fault {
			return fault{consents: func(_ string, i *disco.Info, err error) bool {
				return err == nil && slices.ContainsFunc(i.Features, func(f string) bool { return strings.HasPrefix(f, "urn:xmpp:serverinfo") })
			}}
		}, []string{"publisher-peer-similar"}},
		{"names who is silent", func(context.Context, conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, err error) bool {
				return errors.Is(err, context.DeadlineExceeded) && d != "denmark.lit"
			}}
		}, []string{"publisher-peer-timeout"}},
		{"keeps naming who has become silent", func(context.Context, conformance.Environment) fault { return fault{stubborn: true} },
			[]string{"publisher-peer-vanished"}},
		{"reads errors for answers", func(ctx context.Context, e conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, err error) bool {
				return err != nil && careless{Session: e.Session, errorsToo: true}.read(ctx, d)
			}}
		}, []string{"publisher-peer-error"}},
		{"looks for the text of the feature", func(ctx context.Context, e conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, err error) bool {
				return err != nil && hasFeatureText(ctx, e.Session, d)
			}}
		}, []string{"publisher-peer-garbage"}},
		{"does not look who answers", func(ctx context.Context, e conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, err error) bool {
				return err != nil && careless{Session: e.Session, forgedToo: true}.read(ctx, d)
			}}
		}, []string{"publisher-peer-forged"}},
		{"asks the domain above", func(ctx context.Context, e conformance.Environment) fault {
			return fault{consents: func(d string, _ *disco.Info, _ error) bool {
				_, above, _ := strings.Cut(d, ".")
				to, err := jid.Parse(above)
				if err != nil {
					return false
				}
				info, err := disco.GetInfo(ctx, e.Session, to, "")
				return err == nil && info.Has(xep.NS)
			}}
		}, []string{"publisher-peer-subdomain"}},
		{"names its siblings", func(context.Context, conformance.Environment) fault { return fault{siblings: true} }, []string{"publisher-sibling"}},
		{"never asks again", func(context.Context, conformance.Environment) fault { return fault{forever: true} },
			[]string{"publisher-peer-vanished", "publisher-peer-withdrawn"}},
		{"tells all about everybody", func(context.Context, conformance.Environment) fault {
			return fault{publish: publishAs("current"), write: replace("<connection type='bidi'/>",
				"<connection type='incoming'/><connection type='outgoing'/><connection type='bidi'/>")}
		}, []string{"publisher-size"}},
		{"publishes on every event", func(context.Context, conformance.Environment) fault { return fault{eager: true} }, []string{"publisher-rate"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := check(t, conformance.Subject{Run: func(ctx context.Context, e conformance.Environment) error { return tc.with(ctx, e).run(ctx, e) }})
			require.Equal(t, tc.want, failed(r), "%v", r.Results)
			for _, id := range tc.want {
				found[id] = true
			}
		})
	}
	for _, c := range conformance.Catalogue() {
		if c.Needs == conformance.NeedPublisher && !found[c.ID] {
			t.Errorf("no faulty publisher fails %s", c.ID)
		}
	}
}

func TestPublisherErrors(t *testing.T) {
	_, err := conformance.Publisher(t.Context(), conformance.Subject{Run: runReporter}, "payload-xml")
	require.ErrorContains(t, err, "payload-xml")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = conformance.Publisher(ctx, conformance.Subject{Run: runReporter}, "publisher-item")
	require.ErrorIs(t, err, context.Canceled)
}

// The time that a publisher states is what counts.
func TestAStatedTimeIsTested(t *testing.T) {
	slow := func(ctx context.Context, e conformance.Environment) error {
		r := reporter(e)
		r.Consent = &optin.Checker{Session: e.Session, NamedTTL: 6 * time.Hour}
		return r.Run(ctx)
	}
	r := check(t, conformance.Subject{Run: slow}, "publisher-peer-withdrawn")
	require.Equal(t, []string{"publisher-peer-withdrawn"}, failed(r))
	r = check(t, conformance.Subject{Run: slow, Withdrawal: 7 * time.Hour}, "publisher-peer-withdrawn")
	require.Empty(t, failed(r))
}
