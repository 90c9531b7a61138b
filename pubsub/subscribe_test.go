package pubsub

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// theService is a pubsub service that answers as a test says.
type theService struct {
	answer func(ctx context.Context, iq stanza.IQ, payload string) (string, error)

	mu    sync.Mutex
	asked []string
}

func (s *theService) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, errors.New("the reply lane should be used")
}

func (s *theService) LocalAddr() jid.JID { return jid.MustParse("me.test") }

func (s *theService) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	s.mu.Lock()
	s.asked = append(s.asked, iq.To.String()+" "+string(payload))
	s.mu.Unlock()
	reply, err := s.answer(ctx, iq, string(payload))
	if err != nil {
		return nil, err
	}
	typ := "result"
	if strings.HasPrefix(reply, "<error") {
		typ = "error"
	}
	return fmt.Appendf(nil, `<iq xmlns='jabber:client' type='%s' from='%s' id='1'>%s</iq>`, typ, iq.To, reply), nil
}

// requests returns what was asked since the last call.
func (s *theService) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *theService) replies(replies ...string) {
	s.answer = func(context.Context, stanza.IQ, string) (string, error) {
		if len(replies) == 0 {
			return "", roundtrip.ErrDisconnected
		}
		reply := replies[0]
		if len(replies) > 1 {
			replies = replies[1:]
		}
		return reply, nil
	}
}

const theNode = "serverinfo"

var pubsubHost = jid.MustParse("pubsub.b.test")

func granted(attrs string) string {
	return pubsubReply("<subscription node='serverinfo' jid='me.test' " + attrs + "/>")
}

func pubsubError(typ, condition, app string) string {
	if app != "" {
		app = "<" + app + " xmlns='" + roundtrip.NSPubSubErrors + "'/>"
	}
	return stanzaError(typ, condition, app)
}

var (
	active   = granted("subscription='subscribed'")
	notFound = pubsubError("cancel", "item-not-found", "")
)

func itemFrom(service, id string) string {
	return "<message type='headline' from='" + service + "'><event xmlns='" + NSEvent + "'><items node='serverinfo'><item id='" + id + "'>" +
		payload + "</item></items></event></message>"
}

func change(inner string) string {
	return "<message from='pubsub.b.test'><event xmlns='" + NSEvent + "'>" + inner + "</event></message>"
}

func newSubscriber() (*Subscriber, *theService, *mux.ServeMux) {
	svc := new(theService)
	svc.replies(active)
	s := &Subscriber{Session: svc}
	return s, svc, mux.New(stanza.NSClient, Handle(s))
}

func TestSubscribeAnswers(t *testing.T) {
	tests := map[string]struct {
		reply string
		state SubscriptionState
		id    string
		err   error
		// kept tells whether the subscription is remembered, and remedy what is advised.
		kept   bool
		remedy string
	}{
		"Prosody":         {reply: active, state: SubscriptionActive, kept: true},
		"ejabberd":        {reply: granted("subscription='subscribed' subid='7'"), state: SubscriptionActive, id: "7", kept: true},
		"an empty result": {reply: "", state: SubscriptionActive, kept: true},
		"nothing said":    {reply: granted(""), state: SubscriptionActive, kept: true},
		"pending": {
			reply: granted("subscription='pending' subid='8'"), state: SubscriptionPending, id: "8", err: ErrPending, kept: true,
			remedy: "approve me.test",
		},
		"pending, as an error": {
			reply: pubsubError("auth", "not-authorized", CondPendingSubscription), state: SubscriptionPending,
			err: &Error{Condition: stanza.NotAuthorized, PubSub: CondPendingSubscription}, kept: true, remedy: "approve me.test",
		},
		"options are required": {
			reply: granted("subscription='unconfigured'"), err: &Error{PubSub: CondConfigurationRequired}, remedy: "access_model",
		},
		"refused in a result": {
			reply: granted("subscription='none'"), err: &Error{Op: OpSubscribe, Condition: stanza.NotAllowed}, remedy: "access_model",
		},
		"a closed node": {
			reply: pubsubError("cancel", "not-allowed", CondClosedNode), err: &Error{PubSub: CondClosedNode}, remedy: "access_model",
		},
		"no node": {
			reply: notFound, err: &Error{Op: OpSubscribe, Service: pubsubHost, Node: theNode, Condition: stanza.ItemNotFound},
			remedy: `"serverinfo" does not exist`,
		},
		"too many": {
			reply: pubsubError("wait", "policy-violation", CondTooManySubscriptions), err: &Error{PubSub: CondTooManySubscriptions},
			remedy: "max_subscriptions_node",
		},
		"no service": {
			reply: pubsubError("cancel", "service-unavailable", ""), err: &Error{Condition: stanza.ServiceUnavailable},
			remedy: "no pubsub service at pubsub.b.test",
		},
		"unreachable":     {reply: pubsubError("cancel", "remote-server-timeout", ""), err: &Error{Condition: stanza.RemoteServerTimeout}},
		"another node":    {reply: pubsubReply("<subscription node='other' subscription='subscribed'/>"), err: roundtrip.ErrMalformed},
		"another state":   {reply: granted("subscription='maybe'"), err: roundtrip.ErrMalformed},
		"another payload": {reply: "<query xmlns='jabber:iq:version'/>", err: roundtrip.ErrMalformed},
		"cut off":         {reply: "<pubsub xmlns='" + nsPubSub + "'><subscription", err: roundtrip.ErrMalformed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, svc, _ := newSubscriber()
			svc.replies(tc.reply)
			sub, err := s.Subscribe(t.Context(), pubsubHost, theNode)
			require.Equal(t, []string{"pubsub.b.test <pubsub xmlns='" + nsPubSub + "'><subscribe node='serverinfo' jid='me.test'/></pubsub>"}, svc.requests())
			require.Equal(t, tc.state, sub.State)
			require.Equal(t, tc.id, sub.ID)
			if tc.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tc.err)
			}
			kept, ok := s.Subscription(pubsubHost, theNode)
			require.Equal(t, tc.kept, ok)
			if ok {
				require.Equal(t, sub, kept)
			}
			require.Equal(t, tc.kept, len(s.services) == 1)
			if tc.remedy != "" {
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Contains(t, e.Remedy, tc.remedy)
				require.NotContains(t, e.Remedy, "%!")
			}
		})
	}
}

func TestSubscribeRefusesBadTargets(t *testing.T) {
	s, svc, _ := newSubscriber()
	for name, f := range map[string]func() error{
		"no service":   func() error { _, err := s.Subscribe(t.Context(), jid.JID{}, theNode); return err },
		"no node":      func() error { _, err := s.Subscribe(t.Context(), pubsubHost, ""); return err },
		"a long node":  func() error { return s.Unsubscribe(t.Context(), pubsubHost, strings.Repeat("n", maxNodeName+1)) },
		"no session":   func() error { _, err := new(Subscriber).Subscribe(t.Context(), pubsubHost, theNode); return err },
		"no address":   func() error { return (&Subscriber{Session: &script{}}).Unsubscribe(t.Context(), pubsubHost, theNode) },
		"canceled":     func() error { _, err := s.Subscribe(canceled(), pubsubHost, theNode); return err },
		"and unending": func() error { return s.Unsubscribe(canceled(), pubsubHost, theNode) },
	} {
		require.Error(t, f(), name)
	}
	require.Empty(t, svc.requests())
	require.Empty(t, s.Subscriptions())
}

func TestRenewalOutcomes(t *testing.T) {
	tests := map[string]struct {
		reply string // empty: no answer
		state SubscriptionState
		live  bool
	}{
		"granted again":    {active, SubscriptionActive, true},
		"no answer":        {"", SubscriptionActive, true},
		"unreachable":      {pubsubError("wait", "remote-server-timeout", ""), SubscriptionActive, true},
		"the node is gone": {notFound, SubscriptionNone, false},
		"now pending":      {granted("subscription='pending'"), SubscriptionPending, false},
	}
	for name, tc := range tests {
		for _, how := range []string{"Subscribe", "Resubscribe"} {
			t.Run(name+", "+how, func(t *testing.T) {
				s, svc, m := newSubscriber()
				first, err := s.Subscribe(t.Context(), pubsubHost, theNode)
				require.NoError(t, err)
				svc.replies()
				if tc.reply != "" {
					svc.replies(tc.reply)
				}
				if how == "Subscribe" {
					_, err = s.Subscribe(t.Context(), pubsubHost, theNode)
				} else {
					err = s.Resubscribe(t.Context())
				}
				require.Equal(t, tc.reply != active, err != nil, "%v", err)
				sub, ok := s.Subscription(pubsubHost, theNode)
				require.True(t, ok, "what was subscribed once is tried again")
				require.Equal(t, tc.state, sub.State)
				require.Equal(t, err != nil, sub.Err != nil)
				if tc.live && err != nil {
					require.Equal(t, first.Confirmed, sub.Confirmed)
				}
				if how == "Resubscribe" && tc.state != SubscriptionActive {
					require.Equal(t, "subscription changed: "+tc.state.String(), outcome(s, EventCounters{Accepted: s.Counters().Accepted - 1}))
				}
				before := s.Counters()
				deliver(t, m, itemFrom("pubsub.b.test", "current"))
				want := "nothing, counted as: NotLive"
				if tc.live {
					want = `item published "current": 1 domains`
				}
				require.Equal(t, want, outcome(s, before))
			})
		}
	}
}

// TestLastItemBeforeTheAnswer is what ejabberd does.
func TestLastItemBeforeTheAnswer(t *testing.T) {
	approval := change("<subscription node='serverinfo' jid='me.test' subscription='subscribed'/>")
	tests := map[string]struct {
		before []string
		reply  string
		want   string
	}{
		"kept":                   {[]string{itemFrom("pubsub.b.test", "current")}, active, `item published "current": 1 domains`},
		"the latest wins":        {[]string{itemFrom("pubsub.b.test", "a"), itemFrom("pubsub.b.test", "b")}, active, `item published "b": 1 domains`},
		"gone before the answer": {[]string{itemFrom("pubsub.b.test", "current"), change("<purge node='serverinfo'/>")}, active, ""},
		"of another service":     {[]string{itemFrom("pubsub.evil.test", "current")}, active, ""},
		"refused after all":      {[]string{itemFrom("pubsub.b.test", "current")}, notFound, ""},
		"pending after all":      {[]string{itemFrom("pubsub.b.test", "current")}, granted("subscription='pending'"), ""},
		"approved at once": {[]string{itemFrom("pubsub.b.test", "current"), approval}, granted("subscription='pending'"),
			`item published "current": 1 domains`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, svc, m := newSubscriber()
			svc.answer = func(context.Context, stanza.IQ, string) (string, error) {
				for _, raw := range tc.before {
					deliver(t, m, raw)
				}
				p, _ := s.take()
				require.Nil(t, p, "nothing counts before the answer")
				return tc.reply, nil
			}
			_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
			require.Equal(t, tc.reply == notFound || tc.want == "" && strings.Contains(tc.reply, "pending"), err != nil, "%v", err)
			p, _ := s.take()
			if tc.want == "" {
				require.Nil(t, p)
			} else {
				require.Equal(t, tc.want, describe(p.event()))
			}
			require.Zero(t, s.waitingBytes)
			c := s.Counters()
			require.Equal(t, c.Received, c.Accepted+c.WrongService+c.NotLive, "each is counted once")
		})
	}
}

func TestApprovalComesAsAnEvent(t *testing.T) {
	s, svc, m := newSubscriber()
	svc.replies(granted("subscription='pending' subid='8'"))
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.ErrorIs(t, err, ErrPending)
	deliver(t, m, change("<subscription node='serverinfo' jid='me.test' subscription='subscribed'/>"))
	e, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, SubscriptionChanged, e.Kind)
	require.Equal(t, SubscriptionActive, e.State)
	sub, _ := s.Subscription(pubsubHost, theNode)
	require.Equal(t, "8", sub.ID)
	require.NoError(t, sub.Err)
	before := s.Counters()
	deliver(t, m, itemFrom("pubsub.b.test", "current"))
	require.Equal(t, `item published "current": 1 domains`, outcome(s, before))
}

func TestNodeReturns(t *testing.T) {
	s, svc, m := newSubscriber()
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.NoError(t, err)
	deliver(t, m, change("<delete node='serverinfo'/>"))
	svc.replies(notFound)
	require.ErrorIs(t, s.Resubscribe(t.Context()), &Error{Condition: stanza.ItemNotFound})
	svc.replies(active)
	require.NoError(t, s.Resubscribe(t.Context()))
	require.NoError(t, s.Resubscribe(t.Context()), "twice is as good as once")
	var got []string
	for p, _ := s.take(); p != nil; p, _ = s.take() {
		got = append(got, describe(p.event()))
	}
	require.Equal(t, []string{"node deleted", "subscription changed: subscribed"}, got)
	before := s.Counters()
	deliver(t, m, itemFrom("pubsub.b.test", "current"))
	require.Equal(t, `item published "current": 1 domains`, outcome(s, before))
}

// TestRetractionAfterAGap makes sure that a withdrawal is believed whose item came while there was no connection.
func TestRetractionAfterAGap(t *testing.T) {
	s, _, m := newSubscriber()
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.NoError(t, err)
	deliver(t, m, itemFrom("pubsub.b.test", "a"))
	_, err = s.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Resubscribe(t.Context()))
	before := s.Counters()
	deliver(t, m, change("<items node='serverinfo'><retract id='b'/></items>"))
	require.Equal(t, `item retracted "b"`, outcome(s, before))
}

func TestUnsubscribe(t *testing.T) {
	const (
		plain  = "<unsubscribe node='serverinfo' jid='me.test'/>"
		with   = "<unsubscribe node='serverinfo' jid='me.test' subid='%s'/>"
		list   = "<subscriptions node='serverinfo'/>"
		listed = "<subscriptions><subscription jid='me.test' subid='7' subscription='subscribed'/>" +
			"<subscription node='serverinfo' jid='me.test' subid='8' subscription='subscribed'/>" +
			"<subscription jid='other@me.test' subid='9' subscription='subscribed'/>" +
			"<subscription node='other' jid='me.test' subid='10' subscription='subscribed'/></subscriptions>"
	)
	tests := map[string]struct {
		subscribed string // the answer to the subscription, none if empty
		replies    []string
		asked      []string
		err        error
	}{
		"Prosody":               {active, []string{granted("subscription='none'")}, []string{plain}, nil},
		"ejabberd, with its id": {granted("subscription='subscribed' subid='7'"), []string{""}, []string{fmt.Sprintf(with, "7")}, nil},
		"not known here":        {"", []string{""}, []string{plain}, nil},
		"not known there":       {"", []string{pubsubError("wait", "unexpected-request", CondNotSubscribed)}, []string{plain}, nil},
		"no such node":          {active, []string{notFound}, []string{plain}, nil},
		"an id is required": {"", []string{pubsubError("modify", "bad-request", CondSubIDRequired), pubsubReply(listed), ""},
			[]string{plain, list, fmt.Sprintf(with, "7"), fmt.Sprintf(with, "8")}, nil},
		"the id is an old one": {granted("subscription='subscribed' subid='6'"),
			[]string{pubsubError("modify", "not-acceptable", CondInvalidSubID), pubsubReply(listed), ""},
			[]string{fmt.Sprintf(with, "6"), list, fmt.Sprintf(with, "7"), fmt.Sprintf(with, "8")}, nil},
		"no list": {"", []string{pubsubError("modify", "bad-request", CondSubIDRequired), pubsubError("cancel", "feature-not-implemented", "")},
			[]string{plain, list}, &Error{Op: OpUnsubscribe, PubSub: CondSubIDRequired}},
		"refused": {active, []string{pubsubError("auth", "forbidden", "")}, []string{plain},
			&Error{Op: OpUnsubscribe, Condition: stanza.Forbidden}},
		"no answer": {active, nil, []string{plain}, roundtrip.ErrDisconnected},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, svc, m := newSubscriber()
			if tc.subscribed != "" {
				svc.replies(tc.subscribed)
				_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
				require.NoError(t, err)
				deliver(t, m, itemFrom("pubsub.b.test", "current"))
				svc.requests()
			}
			svc.replies(tc.replies...)
			err := s.Unsubscribe(t.Context(), pubsubHost, theNode)
			if tc.err == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tc.err)
			}
			asked := svc.requests()
			for i, inner := range tc.asked {
				tc.asked[i] = "pubsub.b.test <pubsub xmlns='" + nsPubSub + "'>" + inner + "</pubsub>"
			}
			require.Equal(t, tc.asked, asked)
			require.Empty(t, s.Subscriptions())
			require.Empty(t, s.services)
			require.Zero(t, s.queue.Len())
			require.Zero(t, s.waitingBytes)
			before := s.Counters()
			deliver(t, m, itemFrom("pubsub.b.test", "current"))
			require.Equal(t, "nothing, counted as: WrongService", outcome(s, before))
		})
	}
}

// TestSecondSubscriptionIsEnded is about services that make another subscription whenever they are asked.
func TestSecondSubscriptionIsEnded(t *testing.T) {
	grant := func(id string) string { return granted("subscription='subscribed' subid='" + id + "'") }
	both := pubsubReply("<subscriptions node='serverinfo'><subscription jid='me.test' subid='1' subscription='subscribed'/>" +
		"<subscription jid='me.test' subid='2' subscription='subscribed'/></subscriptions>")
	one := pubsubReply("<subscriptions node='serverinfo'><subscription jid='me.test' subid='2' subscription='subscribed'/></subscriptions>")
	for name, tc := range map[string]struct {
		list string
		ends bool
	}{"it keeps both": {both, true}, "it replaced the first": {one, false}, "it tells nothing": {notFound, false}} {
		t.Run(name, func(t *testing.T) {
			s, svc, _ := newSubscriber()
			svc.replies(grant("1"), grant("2"), tc.list, "")
			for range 2 {
				_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
				require.NoError(t, err)
			}
			asked := svc.requests()
			require.Equal(t, tc.ends, strings.Contains(asked[len(asked)-1], "<unsubscribe node='serverinfo' jid='me.test' subid='1'/>"))
			sub, _ := s.Subscription(pubsubHost, theNode)
			require.Equal(t, "2", sub.ID)
		})
	}
}

func TestAddressOfAComponent(t *testing.T) {
	s, svc, _ := newSubscriber()
	s.Addr = jid.MustParse("x@me.test/res")
	from := jid.JID{}
	svc.answer = func(_ context.Context, iq stanza.IQ, _ string) (string, error) {
		from = iq.From
		return active, nil
	}
	_, err := s.Subscribe(t.Context(), pubsubHost, theNode)
	require.NoError(t, err)
	require.Equal(t, "x@me.test/res", from.String(), "services let nobody subscribe others")
	require.Contains(t, svc.requests()[0], "jid='x@me.test/res'")
}

// TestOneRequestPerNodeAtATime makes sure that the book ends up with the answer to the last request.
func TestOneRequestPerNodeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, svc, _ := newSubscriber()
		release := make(chan struct{})
		svc.answer = func(_ context.Context, _ stanza.IQ, payload string) (string, error) {
			<-release
			return active, nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = s.Subscribe(t.Context(), pubsubHost, theNode) })
		synctest.Wait()
		wg.Go(func() { _ = s.Unsubscribe(t.Context(), pubsubHost, theNode) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wg.Go(func() {
			_, err := s.Subscribe(ctx, pubsubHost, theNode)
			require.ErrorIs(t, err, context.DeadlineExceeded, "one that waits in vain gives up")
		})
		other := jid.MustParse("pubsub.c.test")
		wg.Go(func() { _, _ = s.Subscribe(t.Context(), other, theNode) })
		synctest.Wait()
		require.Len(t, svc.requests(), 2, "another node need not wait")
		<-ctx.Done()
		synctest.Wait()
		close(release)
		wg.Wait()
		subs := s.Subscriptions()
		require.Len(t, subs, 1)
		require.Equal(t, other, subs[0].Service)
		require.Empty(t, s.busy)
	})
}
