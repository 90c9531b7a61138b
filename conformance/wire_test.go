package conformance_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
	"github.com/xmppgraph/xmppgraph/connect"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/report"
)

// connected is our reporter as a program of its own would be: a component that looks at the server's connections as an
// administrator does. It looks every 100 ms, and its consent is as short.
func connected(source func(conformance.Environment, *connect.Session) report.Source) func(context.Context, conformance.Environment) error {
	return func(ctx context.Context, e conformance.Environment) error {
		s, err := connect.Component(ctx, connect.Config{
			JID: jid.MustParse("reporter." + e.Domain), Server: e.Server.ComponentAddr(), Secret: "secret", Logger: quiet,
		})
		if err != nil {
			return err
		}
		defer s.Close()
		r := &report.Reporter{
			Session: s, Domain: e.Domain, Service: e.Service, Node: e.Node, Source: source(e, s), Logger: quiet,
			Interval: 100 * time.Millisecond, Warmup: 100 * time.Millisecond,
			Consent: &optin.Checker{Session: s, NamedTTL: time.Second, UnnamedTTL: time.Second, Timeout: 200 * time.Millisecond},
		}
		return r.Run(ctx)
	}
}

// A program that connects passes the cases that do not take long, in real time, and so would one in any other language.
func TestPublisherOnTheWire(t *testing.T) {
	for kind, source := range map[peer.Kind]func(conformance.Environment, *connect.Session) report.Source{
		peer.StockProsody: func(e conformance.Environment, s *connect.Session) report.Source {
			return report.ProsodyAdHoc{Session: s, Host: jid.MustParse(e.Domain)}
		},
		peer.StockEjabberd: func(e conformance.Environment, s *connect.Session) report.Source {
			return report.EjabberdOutgoing{Session: s, Host: jid.MustParse(e.Domain)}
		},
	} {
		for _, id := range []string{"publisher-node", "publisher-peer-named", "publisher-peer-gone", "publisher-peer-withdrawn"} {
			t.Run(kind.String()+" "+id, func(t *testing.T) {
				t.Parallel()
				seen := make(chan peer.Exchange, 1000)
				r, err := conformance.Publisher(t.Context(), conformance.Subject{
					Run: connected(source), Settle: 15 * time.Second, Withdrawal: 30 * time.Second,
					Wire: &peer.Config{Home: peer.Domain{Kind: kind}, Observe: func(x peer.Exchange) {
						select {
						case seen <- x:
						default:
						}
					}},
				}, id)
				require.NoError(t, err)
				require.Len(t, r.Results, 1)
				require.Equal(t, conformance.Pass, r.Results[0].Status, "%s", r.Results[0])
				require.NotEmpty(t, r.Results[0].Log)
				require.NotEmpty(t, seen)
			})
		}
	}
}

// Faults are found there, too.
func TestFaultyPublisherOnTheWire(t *testing.T) {
	always := func(ctx context.Context, e conformance.Environment) error {
		s, err := connect.Component(ctx, connect.Config{
			JID: jid.MustParse("reporter." + e.Domain), Server: e.Server.ComponentAddr(), Secret: "secret", Logger: quiet,
		})
		if err != nil {
			return err
		}
		defer s.Close()
		e.Session = s
		for {
			changed := e.Changed()
			if err := publishAll(ctx, e); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
		}
	}
	r, err := conformance.Publisher(t.Context(), conformance.Subject{
		Run: always, Settle: time.Second, Window: time.Second, Rate: 30, Wire: new(peer.Config),
	}, "publisher-peer-without-feature", "publisher-rate")
	require.NoError(t, err)
	require.Equal(t, []string{"publisher-peer-without-feature", "publisher-rate"}, failed(r), "%v", r.Results)
}

// publishAll names everybody, at once.
func publishAll(ctx context.Context, e conformance.Environment) error {
	peers, err := e.Connections.Connections(ctx)
	if err != nil {
		return err
	}
	listed, verdicts := map[string]bool{}, map[string]bool{}
	for _, c := range peers {
		listed[c.Remote], verdicts[c.Remote] = true, true
	}
	return publishAs("current")(ctx, e, fault{}.compose(e, listed, verdicts))
}

// What can't listen tests nothing, and says so.
func TestWireErrors(t *testing.T) {
	r, err := conformance.Publisher(t.Context(), conformance.Subject{Run: runReporter, Wire: &peer.Config{Listen: "no address"}}, "publisher-item")
	require.NoError(t, err)
	require.Equal(t, conformance.Skip, r.Results[0].Status)
	require.NotEmpty(t, r.Strict().Failed(conformance.Must))
}
