package report_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestComposeSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true, "yorick.lit": false}}
		r, _ := reporter(s, "denmark.lit", "yorick.lit", "silent.lit", "conference.shakespeare.lit")
		r.Omit = []string{"conference.shakespeare.lit"}
		c, err := r.Compose(t.Context())
		require.NoError(t, err)
		require.Empty(t, s.publications())
		reasons := make(map[string]optin.Reason)
		for _, p := range c.Peers {
			reasons[p.Remote] = p.Verdict.Reason()
		}
		require.Equal(t, map[string]optin.Reason{
			"denmark.lit": optin.Advertised, "yorick.lit": optin.NoFeature, "silent.lit": optin.Unknown,
		}, reasons)
		require.Equal(t, []xep.Name{xep.MustName("denmark.lit")}, c.Redacted.Names())
		require.Equal(t, 2, c.Redacted.Unnamed())
	})
}

func TestOnceLeavesTheItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		r, _ := reporter(s)
		_, err := r.Once(t.Context())
		require.NoError(t, err)
		require.True(t, s.view().exists)
		require.NotEmpty(t, s.view().item)
		require.Zero(t, s.view().retracted)
	})
}

func TestSeveralDomainsInOneItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{advertise: map[string]bool{"denmark.lit": true, "globe.lit": true}}
		r, conns := reporter(s, "denmark.lit", "globe.lit")
		r.Also = []string{"globe.lit"}
		r.Software = func(context.Context) (xep.Software, error) { return xep.Software{Name: "Globe"}, nil }
		conns.Opened("globe.lit", "denmark.lit", xep.Incoming)
		conns.Opened("elsewhere.lit", "denmark.lit", xep.Incoming)
		c, err := r.Compose(t.Context())
		require.NoError(t, err)
		info := c.Redacted.ServerInfo()
		require.Len(t, info.Domains, 2)
		for _, d := range info.Domains {
			require.Len(t, d.Federation.RemoteDomains, 1, "a local domain is no remote one")
		}
		require.Equal(t, "Globe", info.Software.Name)
	})
}

// The claim of the whole role: no published byte holds an unconsented name, whoever is connected.
func TestPrivacyOfPublications(t *testing.T) {
	for round := range 40 {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(round), 7))
			s := &server{advertise: make(map[string]bool)}
			var peers, mute []string
			for i := range rng.IntN(30) {
				name := fmt.Sprintf("n%03dx.test", i)
				peers = append(peers, name)
				switch rng.IntN(3) {
				case 0:
					s.advertise[name] = true
				case 1:
					s.advertise[name] = false
					mute = append(mute, name)
				default:
					mute = append(mute, name)
				}
			}
			r, _ := reporter(s, peers...)
			_, err := r.Once(t.Context())
			require.NoError(t, err)
			for _, name := range mute {
				require.NotContains(t, s.view().item, name)
			}

			// The same with other unnamed peers.
			others := make([]string, len(peers))
			for i, p := range peers {
				if others[i] = p; !s.advertise[p] {
					others[i] = "other " + strings.Repeat("x", i)
				}
			}
			rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
			before := s.view().item
			r, _ = reporter(s, others...)
			_, err = r.Once(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, s.view().item)
		})
	}
}

func TestAdvertOfAReporter(t *testing.T) {
	r := &report.Reporter{Domain: "Shakespeare.lit", Service: jid.MustParse("pubsub.shakespeare.lit"), Session: &server{}, Source: new(report.Connections)}
	require.Equal(t, []string{xep.NS}, r.Features())
	uri, err := xep.FindNodeURI([]xep.Form{r.Form()})
	require.NoError(t, err)
	require.Equal(t, "serverinfo", uri.Node)
	require.Equal(t, xep.MustName("shakespeare.lit"), r.Advert().Domain)
}
