package optin_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

var (
	denmark = xep.MustName("denmark.lit")
	start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func only(name xep.Name) func(xep.Name) bool { return optin.NewSet(name).Has }

func TestDecide(t *testing.T) {
	answered := func(c stanza.Condition) error {
		return fmt.Errorf("asked: %w", &roundtrip.Error{Stanza: stanza.Error{Type: stanza.Cancel, Condition: c}})
	}
	for _, tc := range []struct {
		name     string
		evidence optin.Evidence
		policy   optin.Policy
		reason   optin.Reason
		named    bool
	}{
		{name: "the feature", evidence: optin.Evidence{Answered: true, Feature: true}, reason: optin.Advertised, named: true},
		{name: "no feature", evidence: optin.Evidence{Answered: true}, reason: optin.NoFeature},
		{name: "nothing at all", reason: optin.NoAnswer},
		{name: "a feature from nowhere", evidence: optin.Evidence{Feature: true}, reason: optin.NoAnswer},
		{name: "a feature and an error", evidence: optin.Evidence{Answered: true, Feature: true, Err: errors.New("x")}, reason: optin.Failed},
		{name: "time out", evidence: optin.Evidence{Err: roundtrip.ErrTimeout}, reason: optin.NoAnswer},
		{name: "deadline", evidence: optin.Evidence{Err: context.DeadlineExceeded}, reason: optin.NoAnswer},
		{name: "disconnected", evidence: optin.Evidence{Err: roundtrip.ErrDisconnected}, reason: optin.NoAnswer},
		{name: "unreachable", evidence: optin.Evidence{Err: answered(stanza.RemoteServerNotFound)}, reason: optin.NoAnswer},
		{name: "remote time out", evidence: optin.Evidence{Err: answered(stanza.RemoteServerTimeout)}, reason: optin.NoAnswer},
		{name: "refused", evidence: optin.Evidence{Err: answered(stanza.Forbidden)}, reason: optin.Failed},
		{name: "garbage", evidence: optin.Evidence{Err: fmt.Errorf("x: %w", roundtrip.ErrMalformed)}, reason: optin.Malformed},
		{name: "too much", evidence: optin.Evidence{Err: roundtrip.ErrTooLarge}, reason: optin.Malformed},
		{name: "somebody else", evidence: optin.Evidence{Err: roundtrip.ErrWrongFrom}, reason: optin.Malformed},

		{name: "excluded and advertised", evidence: optin.Evidence{Answered: true, Feature: true},
			policy: optin.Policy{Excluded: only(denmark)}, reason: optin.Excluded},
		{name: "excluded, listed and own", policy: optin.Policy{Excluded: only(denmark), Listed: only(denmark), Own: only(denmark)}, reason: optin.Excluded},
		{name: "listed without feature", evidence: optin.Evidence{Answered: true}, policy: optin.Policy{Listed: only(denmark)}, reason: optin.Listed, named: true},
		{name: "listed without answer", policy: optin.Policy{Listed: only(denmark)}, reason: optin.Listed, named: true},
		{name: "listed and advertised", evidence: optin.Evidence{Answered: true, Feature: true},
			policy: optin.Policy{Listed: only(denmark)}, reason: optin.Advertised, named: true},
		{name: "own", policy: optin.Policy{Own: only(denmark)}, reason: optin.Own, named: true},
		{name: "somebody else is listed", policy: optin.Policy{Listed: only(xep.MustName("yorick.lit"))}, reason: optin.NoAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.evidence.Domain = denmark
			v := optin.Decide(tc.evidence, tc.policy, start)
			require.Equal(t, tc.reason, v.Reason(), v.String())
			require.Equal(t, denmark, v.Domain())
			require.Equal(t, tc.named, v.Named(start))
			require.False(t, v.Named(v.Until()), "the end is not part of its life")
			require.False(t, v.Named(start.Add(-1)), "nor is what was before")
			require.Equal(t, start, v.Since())
		})
	}
}

func TestZeroValuesNameNobody(t *testing.T) {
	require.False(t, optin.Verdict{}.Named(start))
	require.False(t, optin.Verdict{}.Named(time.Time{}))
	require.Equal(t, "no verdict", optin.Verdict{}.String())

	v := optin.Decide(optin.Evidence{Answered: true, Feature: true}, optin.Policy{}, start)
	require.Equal(t, optin.Verdict{}, v, "evidence about no domain")

	_, err := optin.Redacted{}.Payload()
	require.ErrorIs(t, err, optin.ErrNothing)
	require.Nil(t, optin.Redacted{}.ServerInfo())
	require.True(t, optin.Redact(xep.Name{}, []optin.Peer{{Remote: denmark}}, everyone, start, optin.CountExact).IsZero())
	require.True(t, optin.Join().IsZero())
}

func TestReasonStrings(t *testing.T) {
	require.Equal(t, "no-feature", optin.NoFeature.String())
	require.Equal(t, "revoked", optin.Revoked.String())
	require.Equal(t, "reason(99)", optin.Reason(99).String())
}

// everyone is a verdict function under which all may be named.
func everyone(n xep.Name) optin.Verdict {
	return optin.Decide(optin.Evidence{Domain: n, Answered: true, Feature: true}, optin.Policy{}, start)
}
