package crawl

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

// listening returns a crawler whose session's handler is its own, so that it subscribes.
func listening(n *fakeNet, seeds ...string) (*Crawler, *graph.Graph) {
	c, g := newCrawler(n, seeds...)
	c.Handle()
	return c, g
}

type encoder struct {
	xml.TokenReader
	xmlstream.Encoder
}

// notify hands a crawler a notification as its mux would.
func notify(t *testing.T, c *Crawler, service, inner string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(`<message xmlns='jabber:component:accept' from='` + service + `'>` +
		`<event xmlns='` + pubsub.NSEvent + `'>` + inner + `</event></message>`))
	tok, err := d.Token()
	require.NoError(t, err)
	msg := stanza.Message{From: jid.MustParse(service)}
	require.NoError(t, c.sub.HandleMessage(msg, encoder{TokenReader: xmlstream.MultiReader(xmlstream.Token(tok), d)}))
}

func item(node, content string) string {
	return `<items node='` + node + `'><item id='current'><serverinfo xmlns='urn:xmpp:serverinfo:0'>` + content + `</serverinfo></item></items>`
}

func TestSubscriptionsReplaceFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test", "a.test")
		c, g := listening(n, "a.test")
		events := background(t, c, g)
		pass(time.Minute)
		require.Equal(t, graph.Counts{Domains: 2, Reporting: 2, Links: 1, Mutual: 1}, g.Snapshot().Counts())
		require.Equal(t, []string{"pubsub.a.test serverinfo", "pubsub.b.test serverinfo"}, n.subscribed())
		require.Equal(t, 2, c.Stats().Subscribed)
		fetches, asked := n.count("<items"), len(n.questions("pubsub.a.test"))

		notify(t, c, "pubsub.a.test", item("serverinfo", block("a.test", "b.test", "", "", "")))
		require.Contains(t, kindsOf(events(), "a.test")[2:], ReportAccepted)
		require.Equal(t, 3, g.Snapshot().Counts().Unnamed)
		require.EqualValues(t, 1, c.Stats().Pushed)

		before := len(n.questions("a.test"))
		pass(3 * DefaultInterval)
		require.Equal(t, asked, len(n.questions("pubsub.a.test")), "the node tells by itself")
		require.GreaterOrEqual(t, len(n.questions("a.test")), before+3, "consent is asked for all the same")
		require.Equal(t, fetches, n.count("<items"))
		pass(2 * DefaultInterval)
		require.Equal(t, fetches+2, n.count("<items"), "for safety")
		require.Equal(t, 4, n.count("<subscribe"), "a service may have forgotten")
	})
}

func TestSubscribedBeforeFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		var order []string
		n.before = func(_, payload string) {
			for _, part := range []string{"<subscribe", "<items"} {
				if strings.Contains(payload, part) {
					order = append(order, part)
				}
			}
		}
		c, g := listening(n, "a.test")
		background(t, c, g)
		pass(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"<subscribe", "<items"}, order)
	})
}

// A node that keeps no items is read by subscription only.
func TestUnkeptItems(t *testing.T) {
	for name, subscribe := range map[string]bool{"subscribed": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("old.test", "b.test")
				n.report("b.test")
				n.flag(n.unkept, "pubsub.old.test serverinfo", true)
				n.flag(n.refuse, "pubsub.old.test serverinfo", !subscribe)
				c, g := listening(n, "old.test")
				events := background(t, c, g)
				pass(3 * DefaultInterval)
				require.Equal(t, !subscribe, slices.Contains(kindsOf(events(), "old.test"), VisitFailed))
				if !subscribe {
					require.Positive(t, c.Stats().Failures[FailureNotPersistent])
					require.EqualValues(t, 1, c.Stats().Failures[FailureSubscription], "who refused is left alone for a while")
					return
				}
				require.Positive(t, c.Stats().Visits[OutcomeSubscribed])
				require.Empty(t, shown(g))
				notify(t, c, "pubsub.old.test", item("serverinfo", block("old.test", "b.test", "")))
				pass(time.Minute)
				require.Equal(t, []string{"b.test", "old.test"}, shown(g))
				require.Equal(t, 1, g.Snapshot().Counts().Links)

				notify(t, c, "pubsub.old.test", `<retract/>`)
				notify(t, c, "pubsub.old.test", `<purge node='serverinfo'/>`)
				require.Contains(t, kindsOf(events(), "old.test"), ReportWithdrawn)
			})
		})
	}
}

// An event binds to the domains whose own disco points at the node, and to nobody else.
func TestEventsBind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		const uri = "xmpp:pubsub.host.test?;node=shared"
		n.set("a.test", &fakeDomain{feature: true, uri: uri})
		n.set("b.test", &fakeDomain{feature: true, uri: uri})
		n.set("thief.test", &fakeDomain{feature: true, uri: uri})
		n.set("shy.test", &fakeDomain{})
		n.report("victim.test")
		n.publish("pubsub.host.test shared", block("a.test")+block("b.test"))
		c, g := listening(n, "a.test", "b.test", "thief.test", "shy.test", "victim.test")
		events := background(t, c, g)
		pass(time.Minute)
		require.Len(t, n.subscribed(), 2, "one node, one subscription")
		seen := len(events())

		content := block("a.test", "b.test") + block("b.test", "") + block("victim.test", "evil.test") + block("shy.test", "")
		notify(t, c, "pubsub.host.test", item("shared", content))
		got := events()[seen:]
		require.Equal(t, []Kind{ReportAccepted, ReportQuarantined}, kindsOf(got, "a.test"))
		require.Equal(t, []Kind{ReportAccepted, ReportQuarantined}, kindsOf(got, "b.test"))
		require.Equal(t, []Kind{VisitFailed, ReportQuarantined}, kindsOf(got, "thief.test"))
		require.Empty(t, kindsOf(got, "victim.test"))
		require.Empty(t, kindsOf(got, "shy.test"))
		for _, ev := range got {
			if ev.Kind == ReportQuarantined && ev.Domain.String() == "a.test" {
				require.Equal(t, []Quarantined{
					{Domain: xep.MustName("victim.test"), Written: "victim.test", Reason: ReasonElsewhere},
					{Domain: xep.MustName("shy.test"), Written: "shy.test", Reason: ReasonNotAdvertised},
				}, ev.Quarantined)
			}
		}
		stats := c.Stats()
		require.Positive(t, stats.Quarantined[ReasonElsewhere])
		require.Positive(t, stats.Failures[FailureForeign])
	})
}

func TestEventsOfOthersDontCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		n.report("b.test")
		c, g := listening(n, "a.test", "b.test")
		events := background(t, c, g)
		pass(time.Minute)
		seen := len(events())
		lie := block("a.test", "evil.test", "")
		notify(t, c, "pubsub.evil.test", item("serverinfo", lie))
		notify(t, c, "pubsub.b.test", item("serverinfo", lie))
		notify(t, c, "pubsub.b.test", item("other", lie))
		notify(t, c, "a.test", item("serverinfo", lie))
		got := events()[seen:]
		require.Empty(t, kindsOf(got, "a.test"), "the right node from the wrong service")
		require.Equal(t, []Kind{VisitFailed, ReportQuarantined}, kindsOf(got, "b.test"))
		require.EqualValues(t, 2, c.Stats().Notices.WrongService)
		require.EqualValues(t, 1, c.Stats().Notices.WrongNode)
		require.Zero(t, g.Snapshot().Counts().Unnamed)
	})
}

func TestSubscriptionsEnd(t *testing.T) {
	tests := map[string]func(n *fakeNet, c *Crawler){
		"consent lost": func(n *fakeNet, _ *Crawler) { n.set("b.test", &fakeDomain{}) },
		"silence":      func(n *fakeNet, _ *Crawler) { n.set("b.test", &fakeDomain{silent: true}) },
		"another node": func(n *fakeNet, _ *Crawler) {
			n.set("b.test", &fakeDomain{feature: true, uri: "xmpp:pubsub.c.test?;node=x"})
		},
		"no publishing": func(n *fakeNet, _ *Crawler) { n.set("b.test", &fakeDomain{feature: true, host: "elsewhere.test"}) },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test", "b.test")
				n.report("b.test")
				n.publish("pubsub.c.test x", block("b.test"))
				c, g := listening(n, "a.test")
				background(t, c, g)
				pass(time.Minute)
				require.Contains(t, n.subscribed(), "pubsub.b.test serverinfo")
				end(n, c)
				pass(6 * DefaultInterval)
				require.NotContains(t, n.subscribed(), "pubsub.b.test serverinfo")
				require.Contains(t, n.subscribed(), "pubsub.a.test serverinfo")
			})
		})
	}
}

func TestFarewell(t *testing.T) {
	tests := map[string]struct {
		farewell time.Duration
		want     int
	}{"by default": {0, 0}, "left in place": {-1, 2}}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test", "b.test")
				n.report("b.test")
				c, _ := listening(n, "a.test")
				c.Farewell = tc.farewell
				left := 2
				for ev := range c.Run(t.Context()) {
					if ev.Kind == ReportAccepted {
						left--
					}
					if left == 0 {
						break
					}
				}
				require.Len(t, n.subscribed(), tc.want)
			})
		})
	}
}

func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "b.test")
		n.report("b.test")
		c, g := listening(n, "a.test")
		background(t, c, g)
		pass(time.Minute)
		require.Equal(t, 2, n.count("<subscribe"), "the connection that there is needs no renewal")
		// While there was no session, the service forgot us and something was published.
		n.remove("pubsub.b.test serverinfo")
		n.publish("pubsub.b.test serverinfo", block("b.test", "", ""))
		n.reconnect()
		pass(reconnectSpread + time.Minute)
		require.Equal(t, 4, n.count("<subscribe"))
		require.Len(t, n.subscribed(), 2)
		require.Equal(t, 2, g.Snapshot().Counts().Unnamed)
	})
}

func TestNodeGoesAndReturns(t *testing.T) {
	for name, tell := range map[string]bool{"with an event, as Prosody": true, "without, as ejabberd": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test", "", "")
				c, g := listening(n, "a.test")
				events := background(t, c, g)
				pass(time.Minute)
				require.Equal(t, 2, g.Snapshot().Counts().Unnamed)
				n.remove("pubsub.a.test serverinfo")
				n.publish("pubsub.a.test another", "")
				if tell {
					notify(t, c, "pubsub.a.test", `<delete node='serverinfo'/>`)
					synctest.Wait()
				} else {
					pass(5 * DefaultInterval)
				}
				require.Contains(t, kindsOf(events(), "a.test"), ReportWithdrawn)
				require.Zero(t, g.Snapshot().Counts().Unnamed)
				require.Zero(t, c.Stats().Subscribed)

				n.publish("pubsub.a.test serverinfo", block("a.test", "", "", ""))
				pass(2 * DefaultInterval)
				require.Equal(t, 3, g.Snapshot().Counts().Unnamed)
				require.Equal(t, 1, c.Stats().Subscribed)
			})
		})
	}
}

// An event without a payload costs a fetch, however many come.
func TestEventsWithoutPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test")
		c, g := listening(n, "a.test")
		background(t, c, g)
		pass(time.Minute)
		n.report("a.test", "")
		for range 100 {
			notify(t, c, "pubsub.a.test", `<items node='serverinfo'><item id='current'/></items>`)
			synctest.Wait()
			pass(10 * time.Second)
		}
		require.Equal(t, 1, g.Snapshot().Counts().Unnamed)
		require.Less(t, n.count("<items"), 9, "a node can have itself visited only so often")
	})
}

// What a visit fetched must not replace what came meanwhile.
func TestOvertakenVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet()
		n.report("a.test", "")
		c, g := listening(n, "a.test")
		n.before = func(_, payload string) {
			if strings.Contains(payload, "<items") {
				notify(t, c, "pubsub.a.test", item("serverinfo", block("a.test", "", "", "")))
				time.Sleep(time.Second)
			}
		}
		background(t, c, g)
		pass(time.Minute)
		synctest.Wait()
		require.Equal(t, 3, g.Snapshot().Counts().Unnamed)
	})
}

func TestNoSubscriptions(t *testing.T) {
	tests := map[string]func(*Crawler){
		"switched off": func(c *Crawler) { c.Handle(); c.NoSubscriptions = true },
		"single round": func(c *Crawler) { c.Handle(); c.Once = true },
		"no handler":   func(*Crawler) {},
	}
	for name, set := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet()
				n.report("a.test")
				c, g := newCrawler(n, "a.test")
				set(c)
				background(t, c, g)
				pass(time.Hour)
				require.Zero(t, n.count("subscribe"))
				require.Positive(t, n.count("<items"))
			})
		})
	}
}
