package roundtrip_test

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/leak"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

func TestMain(m *testing.M) { leak.Main(m) }

// FuzzReply shows that no reply makes either way to read it panic, and that the slower one accepts no other sender,
// error or payload than the faster one.
func FuzzReply(f *testing.F) {
	for _, r := range replies {
		f.Add(r.reply)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		req := roundtrip.Request{To: peer, Payload: []byte(query), MaxBytes: 1 << 14}
		lane := bytesSession(func(context.Context, stanza.IQ, []byte) ([]byte, error) { return []byte(reply), nil })
		fast, fastErr := roundtrip.Do(context.Background(), lane, req)
		slow, slowErr := roundtrip.Do(context.Background(), &tokenSession{reply: reply}, req)
		require.True(t, (fast == nil) != (fastErr == nil))
		require.True(t, (slow == nil) != (slowErr == nil))

		var a, b *roundtrip.Error
		if errors.As(fastErr, &a) && errors.As(slowErr, &b) {
			require.Equal(t, a.Stanza.Condition, b.Stanza.Condition)
			require.Equal(t, a.App, b.App)
			require.NotEmpty(t, a.Error())
		}
		if fast == nil || slow == nil || fast.Payload() == nil {
			return
		}
		require.Equal(t, fast.From, slow.From)
		if fast.Payload().Skip() == nil {
			require.NotNil(t, slow.Payload())
			require.Equal(t, fast.Payload().Local(), slow.Payload().Local())
		}
	})
}

// words writes the tokens of a document in a form that is easy to compare.
func words(b []byte) (string, error) {
	s := xmlscan.New(b, xmlscan.Limits{})
	var out strings.Builder
	for s.Next() {
		switch s.Kind() {
		case xmlscan.Start:
			out.WriteString("<{" + s.Space() + "}" + s.Local())
			for a := range s.Attrs() {
				out.WriteString(" {" + a.Space + "}" + a.Local + "=" + a.Value)
			}
			out.WriteString(">")
		case xmlscan.End:
			out.WriteString("</>")
		case xmlscan.Text:
			out.Write(s.Text())
		}
	}
	return out.String(), s.Err()
}

// FuzzTokens shows that a payload says the same after it has been turned into tokens and back, and after mellium's way of
// writing it.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		`<a/>`, `<a xmlns='u' x='1'><b xmlns=''/><c>t&amp;</c></a>`, `<p:a xmlns:p='u' p:x='1' xml:lang='en'><b/></p:a>`,
		`<a xmlns='u'><p:b xmlns:p='v'><c xmlns='w'/></p:b></a>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, err := words(b)
		if err != nil {
			return
		}
		for _, write := range []func([]byte, xml.TokenReader, int) ([]byte, error){roundtrip.AppendReply, roundtrip.AppendElement} {
			tokens, err := roundtrip.Tokens(b)
			require.NoError(t, err)
			out, err := write(nil, tokens, 1<<20)
			require.NoError(t, err)
			got, err := words(out)
			require.NoError(t, err, "%s", out)
			require.Equal(t, want, got, "%s", out)
		}
	})
}
