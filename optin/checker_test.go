package optin_test

import (
	"context"
	"encoding/xml"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

// network answers disco#info without a wire, so that time can be simulated.
type network struct {
	mu      sync.Mutex
	answers map[string]func(ctx context.Context) (string, error)
	asked   map[string]int
	busy    int
	most    int
}

func (n *network) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, errors.New("this session answers with bytes only")
}

// ExchangeIQ makes it a roundtrip.Exchanger.
func (n *network) ExchangeIQ(ctx context.Context, iq stanza.IQ, _ []byte) ([]byte, error) {
	to := iq.To.String()
	n.mu.Lock()
	if n.asked == nil {
		n.asked = make(map[string]int)
	}
	n.asked[to]++
	n.busy++
	n.most = max(n.most, n.busy)
	answer := n.answers[to]
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.busy--
		n.mu.Unlock()
	}()
	if answer == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inner, err := answer(ctx)
	if err != nil {
		return nil, err
	}
	return []byte("<iq type='result' id='1' from='" + to + "'>" + inner + "</iq>"), nil
}

func (n *network) answer(domain, inner string) {
	n.answerFunc(domain, func(context.Context) (string, error) { return inner, nil })
}

func (n *network) answerFunc(domain string, f func(context.Context) (string, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answers == nil {
		n.answers = make(map[string]func(context.Context) (string, error))
	}
	n.answers[domain] = f
}

func (n *network) count(domain string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[domain]
}

const (
	yes = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:serverinfo:0'/></query>"
	no  = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:ping'/></query>"
	// formOnly is what every stock ejabberd sends.
	formOnly = "<query xmlns='http://jabber.org/protocol/disco#info'><x xmlns='jabber:x:data' type='result'>" +
		"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field></x></query>"
)

func TestCheckReadsTheExactFeatureOnly(t *testing.T) {
	for _, tc := range []struct {
		name, inner string
		reason      optin.Reason
	}{
		{"feature", yes, optin.Advertised},
		{"other features", no, optin.NoFeature},
		{"a form alone", formOnly, optin.NoFeature},
		{"nothing", "", optin.Malformed},
		{"another version", "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:serverinfo:1'/></query>", optin.NoFeature},
		{"case matters", "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='URN:xmpp:serverinfo:0'/></query>", optin.NoFeature},
		{"another namespace", "<query xmlns='urn:x'><feature var='urn:xmpp:serverinfo:0'/></query>", optin.Malformed},
		{"garbage", "<query", optin.Malformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n network
			n.answer("denmark.lit", tc.inner)
			v := (&optin.Checker{Session: &n}).Check(t.Context(), denmark)
			require.Equal(t, tc.reason, v.Reason())
		})
	}
}

func TestVerdictsLapseAndAreRenewedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		c := &optin.Checker{Session: &n, Jitter: func() float64 { return 0 }}
		first := c.Check(t.Context(), denmark)
		require.True(t, first.Named(time.Now()))
		require.Equal(t, time.Now().Add(time.Hour), first.Until())

		time.Sleep(44 * time.Minute)
		require.Equal(t, first, c.Check(t.Context(), denmark))
		require.Equal(t, 1, n.count("denmark.lit"))

		time.Sleep(2 * time.Minute)
		second := c.Check(t.Context(), denmark)
		require.Equal(t, 2, n.count("denmark.lit"), "asked again ahead of its end")
		require.Equal(t, first.Since(), second.Since())
		require.True(t, second.Until().After(first.Until()))

		time.Sleep(2 * time.Hour)
		require.False(t, c.Verdict(denmark).Named(time.Now()), "nothing lasts without being asked for")
	})
}

// Once a yes has lapsed, a failure is a verdict of its own: the operator must not read "advertised" for ever.
func TestAFailureAfterTheEndIsNoLongerAYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		c := &optin.Checker{Session: &n, Jitter: func() float64 { return 0 }}
		require.Equal(t, optin.Advertised, c.Check(t.Context(), denmark).Reason())
		time.Sleep(2 * time.Hour)
		n.answer("denmark.lit", "<x")
		v := c.Check(t.Context(), denmark)
		require.False(t, v.Named(time.Now()))
		require.Equal(t, optin.Malformed, v.Reason())
		require.True(t, v.Until().After(time.Now()), "and holds until it is worth to ask again")
	})
}

func TestAFailedRefreshProlongsNothing(t *testing.T) {
	for name, fail := range map[string]func(*network){
		"time out": func(n *network) { n.answerFunc("denmark.lit", nil) },
		"garbage":  func(n *network) { n.answer("denmark.lit", "<x") },
		"disconnected": func(n *network) {
			n.answerFunc("denmark.lit", func(context.Context) (string, error) { return "", roundtrip.ErrDisconnected })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n network
				n.answer("denmark.lit", yes)
				c := &optin.Checker{Session: &n, Jitter: func() float64 { return 0 }}
				first := c.Check(t.Context(), denmark)
				fail(&n)
				time.Sleep(50 * time.Minute)
				second := c.Check(t.Context(), denmark)
				require.GreaterOrEqual(t, n.count("denmark.lit"), 2)
				require.Equal(t, first, second, "the yes stays as it was")
				time.Sleep(time.Until(first.Until()))
				require.False(t, c.Check(t.Context(), denmark).Named(time.Now()))
			})
		})
	}
}

func TestAnAnsweredNoRevokesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		c := &optin.Checker{Session: &n}
		require.True(t, c.Check(t.Context(), denmark).Named(time.Now()))
		n.answer("denmark.lit", no)
		time.Sleep(46 * time.Minute)
		v := c.Check(t.Context(), denmark)
		require.Equal(t, optin.Revoked, v.Reason())
		require.False(t, v.Named(time.Now()))

		require.True(t, c.Record(optin.Evidence{Domain: denmark, Answered: true, Feature: true}).Named(time.Now()))
		require.Equal(t, optin.Revoked, c.Record(optin.Evidence{Domain: denmark, Answered: true}).Reason())
	})
}

func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answerFunc("denmark.lit", func(context.Context) (string, error) {
			time.Sleep(time.Second)
			return yes, nil
		})
		c := &optin.Checker{Session: &n}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if !c.Check(t.Context(), denmark).Named(time.Now()) {
					t.Error("not named")
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, n.count("denmark.lit"))
	})
}

func TestWhoGivesUpDoesNotTakeTheOthersAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answerFunc("denmark.lit", func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				return yes, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		c := &optin.Checker{Session: &n}
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if c.Check(impatient, denmark).Named(time.Now()) {
				t.Error("named without an answer")
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if !c.Check(t.Context(), denmark).Named(time.Now()) {
				t.Error("not named")
			}
		})
		wg.Wait()
		require.Equal(t, 2, n.count("denmark.lit"))
	})
}

func TestProbesInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		c := &optin.Checker{Session: &n, InFlight: 3, Timeout: time.Second}
		var wg sync.WaitGroup
		for i := range 20 {
			name := xep.MustName(string(rune('a'+i)) + ".test")
			wg.Go(func() { c.Check(t.Context(), name) })
		}
		wg.Wait()
		require.Equal(t, 3, n.most)
	})
}

func TestPolicyOfAChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		excluded, listed := new(optin.Set), optin.NewSet(xep.MustName("provider.test"))
		c := &optin.Checker{Session: &n, Policy: optin.Policy{Excluded: excluded.Has, Listed: listed.Has}, Timeout: time.Second}
		require.True(t, c.Check(t.Context(), denmark).Named(time.Now()))
		excluded.Replace([]xep.Name{denmark})
		require.False(t, c.Verdict(denmark).Named(time.Now()), "an exclusion works at once")
		require.Equal(t, optin.Excluded, c.Check(t.Context(), denmark).Reason())
		require.Equal(t, 1, n.count("denmark.lit"), "and nobody is asked")
		excluded.Replace(nil)
		require.Equal(t, optin.Advertised, c.Check(t.Context(), denmark).Reason())

		provider := xep.MustName("provider.test")
		require.Equal(t, optin.Listed, c.Check(t.Context(), provider).Reason())
		listed.Replace(nil)
		require.False(t, c.Verdict(provider).Named(time.Now()))

		odd := xep.MustName("_odd.test")
		require.Equal(t, optin.NoAnswer, c.Check(t.Context(), odd).Reason(), "a name that can't be asked")
		require.Equal(t, optin.Verdict{}, c.Check(t.Context(), xep.Name{}))
	})
}

func TestCacheIsBounded(t *testing.T) {
	var n network
	c := &optin.Checker{Session: &n, MaxEntries: 10}
	for i := range 100 {
		c.Record(optin.Evidence{Domain: xep.MustName(string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".test"), Answered: true, Feature: true})
	}
	known := 0
	for i := range 100 {
		if c.Verdict(xep.MustName(string(rune('a'+i%26))+string(rune('a'+i/26))+".test")).Reason() != optin.Unknown {
			known++
		}
	}
	require.LessOrEqual(t, known, 10)
	require.Positive(t, known)
}

func TestForget(t *testing.T) {
	var n network
	n.answer("denmark.lit", yes)
	c := &optin.Checker{Session: &n}
	c.Check(t.Context(), denmark)
	c.Forget(denmark)
	require.Equal(t, optin.Unknown, c.Verdict(denmark).Reason())
	c.Check(t.Context(), denmark)
	require.Equal(t, 2, n.count("denmark.lit"))
}

func TestParseList(t *testing.T) {
	names, skipped, err := optin.ParseList([]byte(`["denmark.lit", "DENMARK.lit.", "not a name", ""]`))
	require.NoError(t, err)
	require.Equal(t, []xep.Name{denmark, denmark}, names)
	require.Equal(t, 2, skipped)
	require.Equal(t, 1, optin.NewSet(names...).Len())
	for name, bad := range map[string]string{"object": `{}`, "numbers": `[1]`, "garbage": `[`, "huge": "[" + string(make([]byte, 1<<20)) + "]"} {
		t.Run(name, func(t *testing.T) {
			_, _, err := optin.ParseList([]byte(bad))
			require.Error(t, err)
		})
	}
}
