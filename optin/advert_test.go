package optin_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/form"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/mux"
	"mellium.im/xmpp/stanza"

	"github.com/xmppgraph/xmppgraph/internal/disco"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"github.com/xmppgraph/xmppgraph/optin"
	"github.com/xmppgraph/xmppgraph/xep"
)

const nsClient = "jabber:client"

func advert() *optin.Advert {
	return &optin.Advert{
		Domain:   local,
		Node:     xep.NodeURI{Service: jid.MustParse("pubsub.shakespeare.lit"), Node: "serverinfo"},
		Contacts: map[string][]string{"abuse-addresses": {"mailto:abuse@shakespeare.lit"}},
	}
}

// request sends one stanza through a multiplexer and returns what it answers.
func request(t testing.TB, m *mux.ServeMux, raw string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(raw))
	tok, err := d.Token()
	require.NoError(t, err)
	start := tok.(xml.StartElement)
	var buf bytes.Buffer
	e := xml.NewEncoder(&buf)
	require.NoError(t, m.HandleXMPP(struct {
		xml.TokenReader
		xmlstream.Encoder
	}{xmlstream.Inner(d), e}, &start))
	require.NoError(t, e.Flush())
	return buf.String()
}

func ask(from, to, node string) string {
	query := "<query xmlns='http://jabber.org/protocol/disco#info'"
	if node != "" {
		query += " node='" + node + "'"
	}
	return fmt.Sprintf("<iq xmlns='%s' type='get' id='1' from='%s' to='%s'>%s/></iq>", nsClient, from, to, query)
}

// decode reads the answer as a stranger would.
func decode(t testing.TB, reply string) *disco.Info {
	t.Helper()
	s := xmlscan.New([]byte(reply), xmlscan.Limits{})
	for s.Next() {
		if s.Kind() == xmlscan.Start && s.Is(disco.NSInfo, "query") {
			i, err := disco.DecodeInfo(s)
			require.NoError(t, err)
			return i
		}
	}
	require.NoError(t, s.Err())
	require.Fail(t, "no query", reply)
	return nil
}

func TestHandleAnswersForTheDomain(t *testing.T) {
	m := mux.New(nsClient, optin.Handle(advert()))
	reply := request(t, m, ask("denmark.lit", "shakespeare.lit", ""))
	require.Contains(t, reply, `type="result"`)
	require.Contains(t, reply, `to="denmark.lit"`)
	i := decode(t, reply)
	require.True(t, i.Has(xep.NS))
	require.True(t, i.Has(disco.NSInfo))
	require.True(t, i.Identity("server", "im"))
	require.Len(t, i.Forms, 1)
	require.Equal(t, "result", i.Forms[0].Type)
	uri, err := xep.FindNodeURI(i.Forms)
	require.NoError(t, err)
	require.Equal(t, "xmpp:pubsub.shakespeare.lit?;node=serverinfo", uri.String())
	require.Equal(t, []string{"mailto:abuse@shakespeare.lit"}, i.Forms[0].Values("abuse-addresses"))
}

func TestHandleDoesNotOptOthersIn(t *testing.T) {
	m := mux.New(nsClient, optin.Handle(advert()))
	for name, to := range map[string]string{
		"a component's own address": "reporter.shakespeare.lit",
		"a user of the domain":      "will@shakespeare.lit",
		"a resource of the domain":  "shakespeare.lit/x",
	} {
		t.Run(name, func(t *testing.T) {
			i := decode(t, request(t, m, ask("denmark.lit", to, "")))
			require.False(t, i.Has(xep.NS))
			require.Empty(t, i.Forms)
			require.NotEmpty(t, i.Identities)
		})
	}
}

func TestDelegation(t *testing.T) {
	m := mux.New(nsClient, optin.Handle(advert()))
	const me = "reporter.shakespeare.lit"
	for _, version := range []string{"1", "2"} {
		t.Run("version "+version, func(t *testing.T) {
			node := "urn:xmpp:delegation:" + version + "::urn:xmpp:serverinfo:0"
			reply := request(t, m, ask("shakespeare.lit", me, node))
			i := decode(t, reply)
			require.Equal(t, []string{xep.NS}, i.Features)
			require.Equal(t, node, i.Node)
			require.Len(t, i.Forms, 1)

			i = decode(t, request(t, m, ask("shakespeare.lit", me, "urn:xmpp:delegation:"+version+":bare:urn:xmpp:serverinfo:0")))
			require.Empty(t, i.Features, "users' addresses do not opt in")
			require.Empty(t, i.Forms)

			reply = request(t, m, ask("denmark.lit", me, node))
			require.Contains(t, reply, "item-not-found", "another server has nothing to delegate to us")
		})
	}
	for name, node := range map[string]string{
		"another namespace": "urn:xmpp:delegation:2::urn:xmpp:ping",
		"no version":        "urn:xmpp:delegation:::urn:xmpp:serverinfo:0",
		"another node":      "x",
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, request(t, m, ask("shakespeare.lit", me, node)), "item-not-found")
		})
	}
}

// neighbour is another handler on the same multiplexer.
type neighbour struct{ mux.IQHandlerFunc }

func (neighbour) ForFeatures(node string, f func(info.Feature) error) error {
	if node != "" {
		return nil
	}
	return f(info.Feature{Var: "urn:xmpp:ping"})
}

func (neighbour) ForIdentities(node string, f func(info.Identity) error) error {
	if node != "" {
		return nil
	}
	return f(info.Identity{Category: "server", Type: "im", Name: "Globe"})
}

func (neighbour) ForForms(_ string, f func(*form.Data) error) error {
	err := f(form.New(
		form.Hidden("FORM_TYPE", form.Value(xep.FormType)),
		form.ListMulti("support-addresses", form.Value("xmpp:help@shakespeare.lit")),
		form.ListMulti("abuse-addresses", form.Value("mailto:other@shakespeare.lit")),
	))
	if err != nil {
		return err
	}
	return f(form.New(form.Hidden("FORM_TYPE", form.Value("urn:xmpp:dataforms:softwareinfo")), form.Text("os", form.Value("Globe"))))
}

func withNeighbour() *mux.ServeMux {
	return mux.New(nsClient, mux.IQ(stanza.GetIQ, xml.Name{Local: "ping"}, neighbour{}), optin.Handle(advert()))
}

func TestOneFormWithTheNeighboursFields(t *testing.T) {
	i := decode(t, request(t, withNeighbour(), ask("denmark.lit", "shakespeare.lit", "")))
	require.True(t, i.Has("urn:xmpp:ping"))
	require.Equal(t, []disco.Identity{{Category: "server", Type: "im", Name: "Globe"}}, i.Identities)
	require.Len(t, i.Forms, 2)
	for _, f := range i.Forms {
		require.Equal(t, "result", f.Type)
		if f.FormType() == xep.FormType {
			require.Equal(t, []string{"xmpp:help@shakespeare.lit"}, f.Values("support-addresses"))
			require.Equal(t, []string{"mailto:abuse@shakespeare.lit"}, f.Values("abuse-addresses"), "ours win")
			require.Len(t, f.Values(xep.FieldNode), 1)
		}
	}
}

func TestHandleManyAtOnce(t *testing.T) {
	m := withNeighbour()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				request(t, m, ask("denmark.lit", "shakespeare.lit", ""))
			}
		})
	}
	wg.Wait()
}

func FuzzDelegatedNode(f *testing.F) {
	f.Add("urn:xmpp:delegation:1::urn:xmpp:serverinfo:0")
	f.Add("urn:xmpp:delegation:2:bare:urn:xmpp:serverinfo:0")
	f.Add("urn:xmpp:delegation:")
	m := mux.New(nsClient, optin.Handle(advert()))
	f.Fuzz(func(t *testing.T, node string) {
		var escaped bytes.Buffer
		require.NoError(t, xml.EscapeText(&escaped, []byte(node)))
		reply := request(t, m, ask("denmark.lit", "reporter.shakespeare.lit", escaped.String()))
		require.NotContains(t, reply, `<feature xmlns="http://jabber.org/protocol/disco#info" var="urn:xmpp:serverinfo:0"`)
	})
}
