package roundtrip_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
)

// bytesSession answers through the byte lane.
type bytesSession func(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error)

func (f bytesSession) ExchangeIQ(ctx context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	return f(ctx, iq, payload)
}

func (bytesSession) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	panic("the byte lane was not used")
}

func (bytesSession) LocalAddr() jid.JID { return jid.MustParse("me@example.org/r") }

// tokenSession answers with tokens, as *xmpp.Session does.
type tokenSession struct {
	reply string
	delay time.Duration

	mu      sync.Mutex
	closed  int
	request string
}

func (s *tokenSession) SendIQElement(ctx context.Context, payload xml.TokenReader, iq stanza.IQ) (xmlstream.TokenReadCloser, error) {
	var b strings.Builder
	e := xml.NewEncoder(&b)
	if _, err := xmlstream.Copy(e, iq.Wrap(payload)); err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.request = b.String()
	s.mu.Unlock()
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &closer{TokenReader: xml.NewDecoder(strings.NewReader(s.reply)), s: s}, nil
}

func (s *tokenSession) LocalAddr() jid.JID { return jid.MustParse("me@example.org/r") }

type closer struct {
	xml.TokenReader
	s *tokenSession
}

func (c *closer) Close() error {
	c.s.closed++
	return nil
}

var peer = jid.MustParse("peer.example")

const query = `<query xmlns='q'/>`

// replies are what either kind of session may get.
var replies = []struct {
	name, reply string
	want        string // the payload's name, - for none
	err         error
}{
	{"result", `<iq type='result' from='peer.example'><a xmlns='u'/></iq>`, "a", nil},
	{"declared namespace", `<iq xmlns='jabber:client' type='result' from='peer.example'><a xmlns='u'/></iq>`, "a", nil},
	{"empty result", `<iq type='result' from='peer.example'/>`, "-", nil},
	{"white space only", "<iq type='result' from='peer.example'>\n</iq>", "-", nil},
	{"white space first", "<iq type='result' from='peer.example'>\n<a/></iq>", "a", nil},
	{"from in another form", `<iq type='result' from='PEER.example'><a/></iq>`, "a", nil},
	{"text first", `<iq type='result' from='peer.example'>x<a/></iq>`, "", roundtrip.ErrMalformed},
	{"text only", `<iq type='result' from='peer.example'>x</iq>`, "", roundtrip.ErrMalformed},
	{"wrong from", `<iq type='result' from='evil.example'><a/></iq>`, "", roundtrip.ErrWrongFrom},
	{"wrong resource", `<iq type='result' from='peer.example/x'><a/></iq>`, "", roundtrip.ErrWrongFrom},
	{"no from", `<iq type='result'><a/></iq>`, "", roundtrip.ErrWrongFrom},
	{"bad from", `<iq type='result' from='☃@peer.example'><a/></iq>`, "", roundtrip.ErrWrongFrom},
	{"type get", `<iq type='get' from='peer.example'><a/></iq>`, "", roundtrip.ErrMalformed},
	{"no type", `<iq from='peer.example'><a/></iq>`, "", roundtrip.ErrMalformed},
	{"message", `<message type='result' from='peer.example'><a/></message>`, "", roundtrip.ErrMalformed},
	{"error", `<iq type='error' from='peer.example'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`, "", stanza.Error{Condition: stanza.ItemNotFound, Type: stanza.Cancel}},
	{"error after the request", `<iq type='error' from='peer.example'><query xmlns='q'/><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`, "", stanza.Error{Condition: stanza.Forbidden}},
	{"error after text", `<iq type='error' from='peer.example'>x<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a@b</gone></error></iq>`, "", stanza.Error{Condition: stanza.Gone}},
	{"error without a condition", `<iq type='error' from='peer.example'><error by='☃@x'/></iq>`, "", stanza.Error{Condition: stanza.UndefinedCondition}},
	{"empty error", `<iq type='error' from='peer.example'/>`, "", stanza.Error{Condition: stanza.UndefinedCondition}},
	{"too large", `<iq type='result' from='peer.example'><a>` + strings.Repeat("x", 2000) + `</a></iq>`, "", roundtrip.ErrTooLarge},
}

// TestErrorTextIsOneLine shows that a stranger's words are quoted wherever they are not of a fixed vocabulary.
func TestErrorTextIsOneLine(t *testing.T) {
	s := bytesSession(func(context.Context, stanza.IQ, []byte) ([]byte, error) {
		return []byte(`<iq type='error' from='peer.example'><error type='&#10;level=ERROR'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` +
			`<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>&#10;text</text><unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='&#10;f'/></error></iq>`), nil
	})
	_, err := roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
	require.EqualError(t, err, `"peer.example" answered forbidden ("\nlevel=ERROR") + unsupported "\nf": "\ntext"`)
}

func TestDoBytes(t *testing.T) {
	for _, c := range replies {
		t.Run(c.name, func(t *testing.T) {
			s := bytesSession(func(_ context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
				require.Equal(t, stanza.IQ{Type: stanza.GetIQ, To: peer}, iq)
				require.Equal(t, query, string(payload))
				return []byte(c.reply), nil
			})
			checkReply(t, s, c.want, c.err)
		})
	}
}

func TestDoTokens(t *testing.T) {
	for _, c := range replies {
		t.Run(c.name, func(t *testing.T) {
			s := &tokenSession{reply: c.reply}
			checkReply(t, s, c.want, c.err)
			require.Equal(t, 1, s.closed, "a reply is closed once")
			require.Equal(t, `<iq type="get" to="peer.example"><query xmlns="q"></query></iq>`, s.request)
		})
	}
	t.Run("unfinished", func(t *testing.T) {
		s := &tokenSession{reply: `<iq type='result' from='peer.example'><a>`}
		checkReply(t, s, "", &xml.SyntaxError{Msg: "unexpected EOF", Line: 1})
		require.Equal(t, 1, s.closed)
	})
	t.Run("too deep", func(t *testing.T) {
		s := &tokenSession{reply: `<iq type='result' from='peer.example'>` + strings.Repeat("<a>", 99) + strings.Repeat("</a>", 99) + `</iq>`}
		checkReply(t, s, "", roundtrip.ErrTooLarge)
	})
}

func checkReply(t *testing.T, s roundtrip.Session, want string, wantErr error) {
	t.Helper()
	reply, err := roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query), MaxBytes: 1000})
	if wantErr != nil {
		require.Nil(t, reply)
		if se, ok := wantErr.(*xml.SyntaxError); ok {
			require.ErrorContains(t, err, se.Msg)
			return
		}
		require.ErrorIs(t, err, wantErr)
		return
	}
	require.NoError(t, err)
	if want == "-" {
		require.Nil(t, reply.Payload())
		return
	}
	require.Equal(t, want, reply.Payload().Local())
	require.NoError(t, reply.Payload().Skip())
	require.False(t, reply.Payload().Child(1))
	require.NoError(t, reply.Payload().Err())
}

func TestErrorReplyKeepsWhatItSays(t *testing.T) {
	s := bytesSession(func(context.Context, stanza.IQ, []byte) ([]byte, error) {
		return []byte(`<iq type='error' from='peer.example'><error type='cancel' by='x.example'>
			<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>
			<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='persistent-items'/>
			<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>No.</text>
			<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='de'>Nein.</text></error></iq>`), nil
	})
	_, err := roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
	var e *roundtrip.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "peer.example", e.From)
	require.Equal(t, stanza.FeatureNotImplemented, e.Stanza.Condition)
	require.Equal(t, "x.example", e.Stanza.By.String())
	require.True(t, e.HasApp(roundtrip.NSPubSubErrors, "unsupported"))
	require.Equal(t, "persistent-items", e.Feature)
	require.Equal(t, map[string]string{"en": "No.", "de": "Nein."}, e.Stanza.Text)
	require.EqualError(t, err, `"peer.example" answered feature-not-implemented (cancel) + unsupported "persistent-items": "No."`)
}

func TestSameSender(t *testing.T) {
	local := jid.MustParse("me@example.org/r")
	for _, c := range []struct {
		name, to, from string
		want           bool
	}{
		{"own server, none", "", "", true},
		{"own server, bare", "", "me@example.org", true},
		{"own server, full", "", "me@example.org/r", true},
		{"own server, domain", "", "example.org", true},
		{"own server, stranger", "", "evil.example", false},
		{"own domain, none", "example.org", "", true},
		{"own account, none", "me@example.org", "", true},
		{"stranger, none", "peer.example", "", false},
		{"stranger, domain of ours", "peer.example", "example.org", false},
		{"full to bare", "a@peer.example", "a@peer.example/r", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var to jid.JID
			if c.to != "" {
				to = jid.MustParse(c.to)
			}
			require.Equal(t, c.want, roundtrip.SameSender(to, c.from, local))
		})
	}
}

// A stranger's answer may not end somebody else's request, but that there was one is worth to know once the time is up.
func TestTimeoutTellsOfStrangers(t *testing.T) {
	s := bytesSession(func(ctx context.Context, _ stanza.IQ, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, errors.Join(ctx.Err(), roundtrip.ErrWrongFrom)
	})
	synctest.Test(t, func(t *testing.T) {
		_, err := roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
		require.ErrorIs(t, err, roundtrip.ErrTimeout)
		require.ErrorIs(t, err, roundtrip.ErrWrongFrom)
	})
}

func TestTimeout(t *testing.T) {
	silent := bytesSession(func(ctx context.Context, _ stanza.IQ, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for _, c := range []struct {
		name string
		s    roundtrip.Session
	}{{"bytes", silent}, {"tokens", &tokenSession{delay: time.Hour}}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, err := roundtrip.Do(t.Context(), c.s, roundtrip.Request{To: peer, Payload: []byte(query)})
				require.ErrorIs(t, err, roundtrip.ErrTimeout)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, roundtrip.DefaultTimeout, time.Since(begin))

				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err = roundtrip.Do(ctx, c.s, roundtrip.Request{To: peer, Payload: []byte(query)})
				require.ErrorIs(t, err, context.Canceled)
				require.NotErrorIs(t, err, roundtrip.ErrTimeout)

				_, err = roundtrip.Do(ctx, c.s, roundtrip.Request{To: peer, Payload: []byte(query)})
				require.ErrorIs(t, err, context.Canceled, "nothing is sent once the context has ended")
				time.Sleep(2 * time.Second) // the abandoned requests end
			})
		})
	}
}

func TestPanicOfSession(t *testing.T) {
	s := sessionFunc(func() (xmlstream.TokenReadCloser, error) { panic("boom") })
	_, err := roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
	require.ErrorContains(t, err, "boom")
	s = func() (xmlstream.TokenReadCloser, error) { return nil, io.ErrClosedPipe }
	_, err = roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	s = func() (xmlstream.TokenReadCloser, error) { return nil, nil }
	_, err = roundtrip.Do(t.Context(), s, roundtrip.Request{To: peer, Payload: []byte(query)})
	require.ErrorIs(t, err, roundtrip.ErrMalformed)
}

type sessionFunc func() (xmlstream.TokenReadCloser, error)

func (f sessionFunc) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return f()
}

func TestBadRequests(t *testing.T) {
	s := &tokenSession{}
	for _, c := range []struct {
		name string
		s    roundtrip.Session
		r    roundtrip.Request
	}{
		{"no session", nil, roundtrip.Request{To: peer, Payload: []byte(query)}},
		{"a result", s, roundtrip.Request{Type: stanza.ResultIQ, To: peer, Payload: []byte(query)}},
		{"no payload", s, roundtrip.Request{To: peer}},
		{"malformed payload", s, roundtrip.Request{To: peer, Payload: []byte(`<a>`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := roundtrip.Do(t.Context(), c.s, c.r)
			require.Error(t, err)
		})
	}
}
