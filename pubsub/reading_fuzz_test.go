package pubsub

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/xep"
)

// Whatever a service answers, an item that is taken from it holds a payload that stands alone.
func FuzzReadItems(f *testing.F) {
	for _, items := range []string{
		`<items node='serverinfo'/>`,
		`<items node='serverinfo'><item id='current'>` + payload + `</item></items>`,
		`<set xmlns='http://jabber.org/protocol/rsm'/><items node='serverinfo'><item xmlns='http://jabber.org/protocol/pubsub' id='current' publisher='example.org'>` + payload + `</item></items>`,
		`<items node='serverinfo'><item id='a'/><item id='b'><other xmlns='urn:example'/></item></items>`,
		`<p:items xmlns:p='http://jabber.org/protocol/pubsub' node='serverinfo'><p:item><s:serverinfo xmlns:s='urn:xmpp:serverinfo:0'/></p:item></p:items>`,
	} {
		f.Add([]byte(pubsubReply(items)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := xmlscan.New(b, xmlscan.Limits{})
		if !s.Next() {
			return
		}
		it, err := readItems(s, "serverinfo")
		if err != nil {
			require.Nil(t, it)
			return
		}
		again, err := xep.Unmarshal(it.Raw)
		require.NoError(t, err)
		require.Equal(t, it.Info, again)
	})
}
