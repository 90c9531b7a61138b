package optin_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

func TestLossesTellOfConsentThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		c := &optin.Checker{Session: &n}
		losses, stop := c.Losses()
		lost := func() bool {
			select {
			case <-losses:
				return true
			default:
				return false
			}
		}
		c.Check(t.Context(), denmark)
		c.Record(optin.Evidence{Domain: xep.MustName("yorick.lit"), Answered: true})
		c.Record(optin.Evidence{Domain: denmark, Answered: true, Feature: true})
		require.False(t, lost(), "who was never named has lost nothing")

		c.Record(optin.Evidence{Domain: denmark})
		require.False(t, lost(), "a failure is no loss: the verdict goes on to its end")

		c.Record(optin.Evidence{Domain: denmark, Answered: true})
		require.True(t, lost())
		c.Record(optin.Evidence{Domain: denmark, Answered: true})
		require.False(t, lost(), "once")

		c.Record(optin.Evidence{Domain: denmark, Answered: true, Feature: true})
		stop()
		c.Record(optin.Evidence{Domain: denmark, Answered: true})
		require.False(t, lost(), "nobody listens any more")
	})
}

func TestAListThatComesLateCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", no)
		list := new(optin.Set)
		c := &optin.Checker{Session: &n, Policy: optin.Policy{Listed: list.Has}}
		require.Equal(t, optin.NoFeature, c.Check(t.Context(), denmark).Reason())
		list.Replace([]xep.Name{denmark})
		v := c.Check(t.Context(), denmark)
		require.Equal(t, optin.Listed, v.Reason())
		require.True(t, v.Named(time.Now()))
		require.Contains(t, v.String(), "listed")
		list.Replace(nil)
		require.False(t, c.Verdict(denmark).Named(time.Now()), "and so does one that has shrunk")
	})
}

func TestStatsOfAChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n network
		n.answer("denmark.lit", yes)
		c := &optin.Checker{Session: &n}
		c.Check(t.Context(), denmark)
		c.Check(t.Context(), denmark)
		c.Record(optin.Evidence{Domain: xep.MustName("yorick.lit"), Answered: true})
		require.Equal(t, optin.CheckerStats{Asked: 1, Verdicts: map[optin.Reason]int{optin.Advertised: 1, optin.NoFeature: 1}}, c.Stats())
		time.Sleep(20 * time.Minute)
		require.Equal(t, map[optin.Reason]int{optin.Advertised: 1}, c.Stats().Verdicts, "what has lapsed is not counted")
	})
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(`["denmark.lit","bücher.example",""]`))
	f.Add([]byte(`[1]`))
	f.Add([]byte(`{"a":"denmark.lit"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, skipped, err := optin.ParseList(b)
		if err != nil {
			require.Empty(t, names)
			return
		}
		var raw []string
		require.NoError(t, json.Unmarshal(b, &raw))
		require.Len(t, raw, len(names)+skipped)
		for _, n := range names {
			again, err := xep.ParseName(n.String())
			require.NoError(t, err)
			require.Equal(t, n, again)
		}
	})
}
