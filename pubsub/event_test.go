package pubsub

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"
)

// vector is one file of testdata/events; its README describes them.
type vector struct {
	about, service, node, addr, subid string
	steps                             []vectorStep
}

type vectorStep struct{ stanza, want string }

func readVectors(t testing.TB) map[string]vector {
	t.Helper()
	files, err := filepath.Glob("testdata/events/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := make(map[string]vector)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		all[name], err = parseVector(string(b))
		require.NoError(t, err, name)
	}
	return all
}

func parseVector(text string) (v vector, err error) {
	fields := map[string]*string{"about": &v.about, "service": &v.service, "node": &v.node, "addr": &v.addr, "subid": &v.subid}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		want, isWant := strings.CutPrefix(line, "=> ")
		name, value, _ := strings.Cut(line, ": ")
		switch field := fields[name]; {
		case line == "":
		case strings.HasPrefix(line, "<"):
			v.steps = append(v.steps, vectorStep{stanza: line})
		case isWant && len(v.steps) > 0:
			v.steps[len(v.steps)-1].want = want
		case field != nil:
			*field = value
		default:
			return v, fmt.Errorf("what is %q?", line)
		}
	}
	if len(v.steps) == 0 {
		return v, errors.New("no stanza")
	}
	return v, nil
}

// deliver gives a stanza to a handler the way a session does.
func deliver(t testing.TB, h interface {
	HandleXMPP(xmlstream.TokenReadEncoder, *xml.StartElement) error
}, raw string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader("<stream xmlns='jabber:client'>" + raw + "</stream>"))
	_, err := d.Token()
	require.NoError(t, err)
	tok, err := d.Token()
	require.NoError(t, err)
	start := tok.(xml.StartElement)
	require.NoError(t, h.HandleXMPP(struct {
		xml.TokenReader
		xmlstream.Encoder
	}{TokenReader: xmlstream.MultiReader(xmlstream.Inner(d), xmlstream.Token(start.End()))}, &start))
}

// subscribed returns a subscriber with a live subscription to a vector's node, and its mux.
func subscribed(t testing.TB, v vector) (*Subscriber, *mux.ServeMux) {
	t.Helper()
	id := ""
	if v.subid != "" {
		id = " subid='" + v.subid + "'"
	}
	s := &Subscriber{
		Session: &script{answers: []answer{{to: v.service, holds: "<subscribe ", reply: pubsubReply(
			"<subscription node='" + v.node + "' jid='" + v.addr + "' subscription='subscribed'" + id + "/>")}}},
		Addr: jid.MustParse(v.addr),
	}
	sub, err := s.Subscribe(t.Context(), jid.MustParse(v.service), v.node)
	require.NoError(t, err)
	require.Equal(t, v.subid, sub.ID)
	return s, mux.New(stanza.NSClient, Handle(s))
}

// outcome describes what has come of a stanza in the words of the vectors.
func outcome(s *Subscriber, before EventCounters) string {
	p, _ := s.take()
	after := s.Counters()
	if p == nil {
		for _, name := range []string{"Evicted", "WrongService", "WrongNode", "NotLive", "TooLarge", "Malformed", "Errors", "Panics", "Accepted"} {
			was := reflect.ValueOf(before).FieldByName(name).Uint()
			if is := reflect.ValueOf(after).FieldByName(name).Uint(); is == was+1 {
				return "nothing, counted as: " + name
			}
		}
		return "nothing"
	}
	if after.Accepted != before.Accepted+1 {
		return "not accepted"
	}
	return describe(p.event())
}

func describe(e Event) string {
	what := e.Kind.String()
	switch e.Kind {
	case ItemPublished:
		what = fmt.Sprintf("%s %q: ", what, e.ID)
		switch {
		case errors.Is(e.Err, ErrPayload):
			what += ErrPayload.Error()
		case e.Err != nil:
			what += e.Err.Error()
		default:
			what += fmt.Sprintf("%d domains", len(e.Item.Info.Domains))
		}
	case ItemRetracted:
		what = fmt.Sprintf("%s %q", what, e.ID)
	case SubscriptionChanged:
		what += ": " + e.State.String()
	}
	if !e.Stamp.IsZero() {
		what += ", stamp " + e.Stamp.Format(time.RFC3339Nano)
	}
	return what
}

func TestEventVectors(t *testing.T) {
	for name, v := range readVectors(t) {
		t.Run(name, func(t *testing.T) {
			s, m := subscribed(t, v)
			for i, step := range v.steps {
				before := s.Counters()
				deliver(t, m, step.stanza)
				require.Equal(t, step.want, outcome(s, before), "stanza %d: %s", i+1, step.stanza)
			}
			require.EqualValues(t, len(v.steps), s.Counters().Received)
			require.Zero(t, s.waitingBytes)
		})
	}
}

// TestEventVectorsDecode drives the decoder alone, which must judge the same without a subscription.
func TestEventVectorsDecode(t *testing.T) {
	for name, v := range readVectors(t) {
		t.Run(name, func(t *testing.T) {
			for i, step := range v.steps {
				n, err := decodeNotice([]byte(step.stanza))
				bad := strings.HasSuffix(step.want, "Malformed") || strings.HasSuffix(step.want, "TooLarge")
				require.Equal(t, bad, err != nil, "stanza %d: %v", i+1, err)
				require.Equal(t, bad, n == nil)
			}
		})
	}
}

func TestEventCarriesTheItem(t *testing.T) {
	const stamp = "2026-11-21T19:56:07.738498Z"
	v := readVectors(t)["ejabberd-last-item"]
	s, m := subscribed(t, v)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	deliver(t, m, v.steps[0].stanza)
	deliver(t, m, v.steps[1].stanza)
	e, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, "pubsub.b.test", e.Service.String())
	require.Equal(t, "serverinfo", e.Node)
	require.Equal(t, "current", e.ID)
	require.Equal(t, "current", e.Item.ID)
	require.Equal(t, "b.test", e.Item.Info.Domains[0].Name)
	require.True(t, strings.HasPrefix(string(e.Item.Raw), "<serverinfo"), "%s", e.Item.Raw)
	require.Equal(t, SubscriptionActive, e.State)
	require.Equal(t, now, e.At)
	require.Equal(t, stamp, e.Stamp.Format(time.RFC3339Nano))
	require.Equal(t, 1, e.Superseded)
	sub, ok := s.Subscription(e.Service, e.Node)
	require.True(t, ok)
	require.Equal(t, now, sub.LastEvent)
}

func TestEventPublisher(t *testing.T) {
	n, err := decodeNotice([]byte(`<message><event xmlns='` + NSEvent + `'><items node='n'><item publisher='a@b.test'/></items></event></message>`))
	require.NoError(t, err)
	require.Equal(t, "a@b.test", n.item.Publisher)
	n, err = decodeNotice([]byte(`<message><event xmlns='` + NSEvent + `'><items node='n'><item publisher='` +
		strings.Repeat("a", maxItemID+1) + `'/></items></event></message>`))
	require.NoError(t, err)
	require.Empty(t, n.item.Publisher)
}

func TestEventRetractsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<message><event xmlns='` + NSEvent + `'><items node='n'>`)
	for i := range 10_000 {
		fmt.Fprintf(&b, "<retract id='%d'/>", i)
	}
	b.WriteString("<retract id='current'/></items></event></message>")
	n, err := decodeNotice([]byte(b.String()))
	require.NoError(t, err)
	require.Len(t, n.gone, maxRetracts)
	require.Contains(t, n.gone, "current")
}

func TestEventKindStrings(t *testing.T) {
	for k := ItemPublished; k <= SubscriptionChanged; k++ {
		require.NotContains(t, k.String(), "event(")
	}
	require.Equal(t, "event(0)", EventKind(0).String())
	require.Equal(t, "event(200)", EventKind(200).String())
	for s := SubscriptionNone; s <= SubscriptionActive; s++ {
		b, err := s.MarshalText()
		require.NoError(t, err)
		got, ok := parseState(string(b))
		require.True(t, ok)
		require.Equal(t, s, got)
	}
	require.Equal(t, "subscription(9)", SubscriptionState(9).String())
}

// TestMessageOfManyNotifications sends what makes the mux call the handler again and again for one message.
func TestMessageOfManyNotifications(t *testing.T) {
	v := readVectors(t)["types"]
	s, m := subscribed(t, v)
	reads := 0
	h := mux.MessageHandlerFunc(func(msg stanza.Message, r xmlstream.TokenReadEncoder) error {
		return s.HandleMessage(msg, struct {
			xml.TokenReader
			xmlstream.Encoder
		}{TokenReader: xmlstream.ReaderFunc(func() (xml.Token, error) {
			reads++
			return r.Token()
		})})
	})
	counting := mux.New(stanza.NSClient, mux.Message(stanza.HeadlineMessage, xml.Name{Space: NSEvent, Local: "event"}, h))
	const many = 2000
	raw := "<message type='headline' from='pubsub.b.test'>" + strings.Repeat("<event xmlns='"+NSEvent+"'/>", many) + "</message>"
	deliver(t, counting, raw)
	require.Less(t, reads, 4*many, "the cost must not be that of the square")
	require.EqualValues(t, 1, s.Counters().Received)
	require.EqualValues(t, 1, s.Counters().Malformed)
	deliver(t, m, v.steps[0].stanza)
	require.EqualValues(t, 1, s.Counters().Accepted)
}

func TestFeatureIsListedOnce(t *testing.T) {
	m := mux.New(stanza.NSClient, Handle(new(Subscriber)))
	for node, want := range map[string][]string{"": {NSEvent}, "other": nil} {
		var got []string
		require.NoError(t, m.ForFeatures(node, func(f info.Feature) error {
			got = append(got, f.Var)
			return nil
		}))
		require.Equal(t, want, got, "nothing that would opt a domain in or ask for the events of contacts")
	}
}

// panics is a reader with a fault.
type panics struct{ xmlstream.Encoder }

func (panics) Token() (xml.Token, error) { panic("a fault") }

func TestHandlerSurvivesAFault(t *testing.T) {
	s := new(Subscriber)
	require.NoError(t, s.HandleMessage(stanza.Message{}, panics{}))
	require.EqualValues(t, 1, s.Counters().Panics)
	_, err := s.Next(canceled())
	require.ErrorIs(t, err, context.Canceled)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
