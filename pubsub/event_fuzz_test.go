package pubsub

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/xep"
)

// FuzzDecodeNotice lets anything be a message.
// What is accepted is bounded, and means the same on the way through a session that knows nothing but tokens.
func FuzzDecodeNotice(f *testing.F) {
	for _, v := range readVectors(f) {
		for _, step := range v.steps {
			f.Add([]byte(step.stanza))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNotice(b)
		if err != nil {
			require.Nil(t, n)
			require.ErrorIs(t, err, roundtrip.ErrMalformed)
			return
		}
		checkNotice(t, n)
		again, err := roundtrip.AppendReply(nil, xml.NewDecoder(strings.NewReader(string(b))), 8*len(b)+1024)
		if errors.Is(err, roundtrip.ErrTooLarge) {
			return
		}
		require.NoError(t, err)
		n2, err := decodeNotice(again)
		require.NoError(t, err, "%s", again)
		requireSameInfo(t, n.raw, n2.raw)
		n.raw, n2.raw = nil, nil
		require.Equal(t, n, n2)
	})
}

func checkNotice(t *testing.T, n *notice) {
	require.LessOrEqual(t, len(n.node), maxNodeName)
	require.LessOrEqual(t, len(n.gone), maxRetracts)
	require.GreaterOrEqual(t, n.kind, ItemPublished)
	require.LessOrEqual(t, n.kind, SubscriptionChanged)
	require.Equal(t, n.kind == ItemPublished, n.item != nil)
	require.Equal(t, n.kind == ItemRetracted, len(n.gone) > 0)
	require.Equal(t, n.item != nil && n.err == nil, n.raw != nil)
}

func requireSameInfo(t *testing.T, a, b []byte) {
	require.Equal(t, a == nil, b == nil)
	if a == nil {
		return
	}
	infoA, errA := xep.Unmarshal(a)
	infoB, errB := xep.Unmarshal(b)
	require.Equal(t, errA == nil, errB == nil, "%v, %v", errA, errB)
	require.Equal(t, len(domains(infoA)), len(domains(infoB)))
}

func domains(info *xep.ServerInfo) []xep.Domain {
	if info == nil {
		return nil
	}
	return info.Domains
}

// FuzzSubscriber lets a subscribed service say anything, and then something proper.
// Everything is counted once, nothing is forgotten and the proper event still arrives.
func FuzzSubscriber(f *testing.F) {
	for _, v := range readVectors(f) {
		var all []byte
		for _, step := range v.steps {
			all = append(append(all, step.stanza...), '\n')
		}
		f.Add(all)
	}
	from := addressOf(pubsubHost)
	f.Fuzz(func(t *testing.T, script []byte) {
		s, _, m := newSubscriber()
		_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
		require.NoError(t, err)
		var notices uint64
		for line := range strings.Lines(string(script)) {
			if n, err := decodeNotice([]byte(line)); err == nil {
				notices++
				s.apply(from, n)
			}
		}
		c := s.Counters()
		require.Equal(t, notices, c.Accepted+c.WrongNode+c.NotLive)
		require.GreaterOrEqual(t, c.Accepted, c.Evicted+c.Superseded+waiting(s))
		sub, ok := s.Subscription(pubsubHost, theNode)
		require.True(t, ok)
		if sub.State == SubscriptionActive {
			deliver(t, m, itemFrom("pubsub.b.test", "proper"))
			e, err := s.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, "proper", e.ID)
			require.NotNil(t, e.Item.Info)
		}
		for p, _ := s.take(); p != nil; p, _ = s.take() {
			_ = p.event()
		}
		require.Zero(t, s.waitingBytes)
		require.Zero(t, s.queue.Len())
	})
}

func waiting(s *Subscriber) (n uint64) {
	for _, sub := range s.book {
		for _, p := range sub.waiting {
			if p != nil {
				n++
			}
		}
	}
	return n
}
