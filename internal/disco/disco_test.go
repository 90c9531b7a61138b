package disco_test

import (
	"context"
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/roundtrip"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// answer is a session that gives the same payload to every request.
type answer struct {
	payload string
	asked   string
}

func (a *answer) ExchangeIQ(_ context.Context, iq stanza.IQ, payload []byte) ([]byte, error) {
	a.asked = string(payload)
	return []byte(`<iq type='result' from='` + iq.To.String() + `'>` + a.payload + `</iq>`), nil
}

func (*answer) SendIQElement(context.Context, xml.TokenReader, stanza.IQ) (xmlstream.TokenReadCloser, error) {
	return nil, os.ErrInvalid
}

var peer = jid.MustParse("peer.example")

func TestGetInfo(t *testing.T) {
	s := &answer{payload: `<query xmlns='http://jabber.org/protocol/disco#info' node='n&amp;m'>
		<identity category='server' type='im' name='P' xml:lang='en'/>
		<feature var='a'/><feature/><feature xmlns='urn:other' var='hidden'/><unknown><feature var='nested'/></unknown>
		<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>t</value></field>
			<field var='f'><required/><value>1</value><value/></field><reported/></x>
		<x xmlns='jabber:x:data'/><feature var='b'/></query>`}
	info, err := disco.GetInfo(t.Context(), s, peer, "n&m")
	require.NoError(t, err)
	require.Equal(t, `<query xmlns='http://jabber.org/protocol/disco#info' node='n&amp;m'/>`, s.asked)
	require.Equal(t, &disco.Info{
		Node:       "n&m",
		Identities: []disco.Identity{{Category: "server", Type: "im", Name: "P", Lang: "en"}},
		Features:   []string{"a", "b"},
		Forms: []xep.Form{
			{Type: "result", Fields: []xep.FormField{
				{Var: "FORM_TYPE", Type: "hidden", Values: []string{"t"}},
				{Var: "f", Values: []string{"1", ""}},
			}},
			{},
		},
	}, info)
	require.True(t, info.Has("b"))
	require.False(t, info.Has("nested"))
	require.True(t, info.Identity("server", "im"))
	require.False(t, info.Identity("server", "pubsub"))
}

func TestGetItems(t *testing.T) {
	s := &answer{payload: `<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a_b.example' node='n' name='N'/>
		<item jid='c.example'/><set xmlns='http://jabber.org/protocol/rsm'><last>x</last></set></query>`}
	items, err := disco.GetItems(t.Context(), s, peer, "")
	require.NoError(t, err)
	require.Equal(t, []disco.Item{{JID: "a_b.example", Node: "n", Name: "N"}, {JID: "c.example"}}, items)

	s.payload = `<query xmlns='http://jabber.org/protocol/disco#items'>` + strings.Repeat(`<item jid='r@muc'/>`, disco.MaxItems+1) + `</query>`
	items, err = disco.GetItems(t.Context(), s, peer, "")
	require.NoError(t, err)
	require.Len(t, items, disco.MaxItems)
}

func TestHostileAnswers(t *testing.T) {
	const info = `<query xmlns='http://jabber.org/protocol/disco#info'>`
	form := info + `<x xmlns='jabber:x:data'>`
	for _, c := range []struct {
		name, payload string
		want          error
	}{
		{"nothing", ``, roundtrip.ErrMalformed},
		{"another namespace", `<query xmlns='urn:x'/>`, roundtrip.ErrMalformed},
		{"items instead", `<query xmlns='http://jabber.org/protocol/disco#items'/>`, roundtrip.ErrMalformed},
		{"not well-formed", info + `<a></b></query>`, roundtrip.ErrMalformed},
		{"too deep", info + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + `</query>`, roundtrip.ErrMalformed},
		{"too large", info + `<a x='` + strings.Repeat("x", disco.MaxBytes) + `'/></query>`, roundtrip.ErrTooLarge},
		{"too many features", info + strings.Repeat(`<feature var=''/>`, disco.MaxFeatures+1) + `</query>`, roundtrip.ErrMalformed},
		{"too many identities", info + strings.Repeat(`<identity/>`, disco.MaxIdentities+1) + `</query>`, roundtrip.ErrMalformed},
		{"too many forms", info + strings.Repeat(`<x xmlns='jabber:x:data'/>`, disco.MaxForms+1) + `</query>`, roundtrip.ErrMalformed},
		{"too many fields", form + strings.Repeat(`<field/>`, disco.MaxFields+1) + `</x></query>`, roundtrip.ErrMalformed},
		{"too many values", form + `<field>` + strings.Repeat(`<value/>`, disco.MaxValues+1) + `</field></x></query>`, roundtrip.ErrMalformed},
		{"unfinished value", form + `<field><value>`, roundtrip.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := disco.GetInfo(t.Context(), &answer{payload: c.payload}, peer, "")
			require.ErrorIs(t, err, c.want)
		})
	}
}

// FuzzDecode shows that no answer makes the decoders panic or exceed their bounds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`<query xmlns='http://jabber.org/protocol/disco#info' node='n'><identity category='a' type='b' xml:lang='c'/><feature var='d'/><x xmlns='jabber:x:data'><field var='e'><value>f</value></field></x></query>`))
	f.Add([]byte(`<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a' node='b' name='c'/></query>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, decode := range []func(*xmlscan.Scanner) (int, error){
			func(s *xmlscan.Scanner) (int, error) {
				info, err := disco.DecodeInfo(s)
				if err != nil {
					require.Nil(t, info)
					return 0, err
				}
				return max(len(info.Features)-disco.MaxFeatures, len(info.Identities)-disco.MaxIdentities, len(info.Forms)-disco.MaxForms), nil
			},
			func(s *xmlscan.Scanner) (int, error) {
				items, err := disco.DecodeItems(s)
				return len(items) - disco.MaxItems, err
			},
		} {
			s := xmlscan.New(b, xmlscan.Limits{})
			if !s.Next() {
				return
			}
			over, err := decode(s)
			if err == nil {
				require.LessOrEqual(t, over, 0)
				require.Equal(t, xmlscan.End, s.Kind(), "what follows the element is left to the caller")
			}
		}
	})
}
