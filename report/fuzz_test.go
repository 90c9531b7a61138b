package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

func on(b []byte) *xmlscan.Scanner {
	s := xmlscan.New(b, xmlscan.Limits{})
	if !s.Next() || s.Kind() != xmlscan.Start {
		return nil
	}
	return s
}

func FuzzDecodeSoftware(f *testing.F) {
	f.Add([]byte(`<query xmlns='jabber:iq:version'><name>Prosody</name><version>0.12.3</version><os>Linux</os></query>`))
	f.Add([]byte(`<query xmlns='jabber:iq:version'><name><b/>x</name></query>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeSoftware(on(b))
		if err != nil {
			require.Zero(t, got)
			return
		}
		require.LessOrEqual(t, max(len(got.Name), len(got.Version)), maxVersionText)
		require.Empty(t, got.OS)
	})
}

func FuzzCommandForm(f *testing.F) {
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' node='http://prosody.im/protocol/s2s#list' status='completed'>` +
		`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://prosody.im/protocol/s2s#list</value></field>` +
		`<field var='sessions' type='text-multi'><value> -&gt; b.test [s2sout1] (authenticated, encrypted)</value></field></x></command>`))
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands'/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		form, err := commandForm(on(b))
		if err != nil {
			require.Equal(t, xep.Form{}, form)
			return
		}
		require.Equal(t, nodeS2S, form.FormType())
	})
}
