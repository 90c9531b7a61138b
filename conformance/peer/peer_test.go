package peer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/pubsub"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Of all behaviours only one is consent, and a checker sees it so.
func TestBehaviours(t *testing.T) {
	for _, b := range peer.Behaviours() {
		t.Run(b.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := peer.New("pubsub.shakespeare.lit")
				n.Set("denmark.lit", b)
				c := &optin.Checker{Session: n.Session(jid.MustParse("shakespeare.lit"))}
				v := c.Check(t.Context(), xep.MustName("denmark.lit"))
				require.Equal(t, b.Consents(), v.Named(time.Now()))
				require.Equal(t, 1, n.Asked("denmark.lit"))
			})
		})
	}
	require.Equal(t, "Behaviour(99)", peer.Behaviour(99).String())
}

func TestPublishing(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	p := &pubsub.Publisher{Session: n.Session(jid.MustParse("shakespeare.lit")), Service: jid.MustParse(n.Service())}
	report, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.True(t, report.Created)
	require.Empty(t, report.Deviations)
	changed := n.Changed()
	payload := "<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='shakespeare.lit'/></serverinfo>"
	require.NoError(t, p.Publish(t.Context(), []byte(payload)))
	<-changed
	require.Equal(t, payload, string(n.Item(xep.DefaultNode)))

	it, err := pubsub.Fetch(t.Context(), n.Session(jid.MustParse("me.test")), jid.MustParse(n.Service()), xep.DefaultNode)
	require.NoError(t, err)
	require.Equal(t, xep.ItemCurrent, it.ID)
	require.NoError(t, p.Retract(t.Context()))
	require.NoError(t, p.Retract(t.Context()), "there is none any more")
	require.Nil(t, n.Item(xep.DefaultNode))
	require.Len(t, n.Publications(), 2)
	require.Nil(t, n.Publications()[1].Payload)
	require.NoError(t, p.Delete(t.Context()))
	_, err = pubsub.Fetch(t.Context(), n.Session(jid.MustParse("me.test")), jid.MustParse(n.Service()), xep.DefaultNode)
	require.ErrorIs(t, err, stanza.Error{Condition: stanza.ItemNotFound})
}

func TestAnExistingNodeIsConfigured(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	s := n.Session(jid.MustParse("shakespeare.lit"))
	_, err := s.ExchangeIQ(t.Context(), stanza.IQ{Type: stanza.SetIQ, To: jid.MustParse(n.Service())},
		[]byte("<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='serverinfo'/></pubsub>"))
	require.NoError(t, err)
	p := &pubsub.Publisher{Session: s, Service: jid.MustParse(n.Service())}
	report, err := p.Ensure(t.Context())
	require.NoError(t, err)
	require.False(t, report.Created)
	require.Equal(t, "1", report.Config["pubsub#max_items"])
}

func TestNobodyAnswers(t *testing.T) {
	n := peer.New("pubsub.shakespeare.lit")
	s := n.Session(jid.MustParse("shakespeare.lit"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.ExchangeIQ(ctx, stanza.IQ{To: jid.MustParse("denmark.lit")}, []byte("<x xmlns='urn:example:x'/>"))
	require.ErrorIs(t, err, context.Canceled)
	b, err := s.ExchangeIQ(t.Context(), stanza.IQ{To: jid.MustParse("denmark.lit")}, []byte("not xml"))
	require.NoError(t, err)
	require.Contains(t, string(b), "type='error'")
}

func Example() {
	n := peer.New("pubsub.shakespeare.lit")
	n.Set("denmark.lit", peer.Advertises)
	n.Set("verona.lit", peer.FormOnly)
	c := &optin.Checker{Session: n.Session(jid.MustParse("shakespeare.lit"))}
	for _, domain := range []string{"denmark.lit", "verona.lit", "nowhere.lit"} {
		v := c.Check(context.Background(), xep.MustName(domain))
		fmt.Println(domain, v.Named(time.Now()), v.Reason())
	}
	// Output:
	// denmark.lit true advertised
	// verona.lit false no-feature
	// nowhere.lit false no-answer
}
