package xep

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

func TestStanzaHasNoDuplicateNamespaces(t *testing.T) {
	info := &ServerInfo{Domains: []Domain{{Name: "a.test", Federation: &Federation{RemoteDomains: []RemoteDomain{{Name: "b.test"}}}}}}
	var b strings.Builder
	e := xml.NewEncoder(&b)
	_, err := xmlstream.Copy(e, stanza.IQ{ID: "1", Type: stanza.ResultIQ}.Wrap(info.TokenReader()))
	require.NoError(t, err)
	require.NoError(t, e.Flush())
	require.Equal(t, `<iq type="result" id="1"><serverinfo xmlns="urn:xmpp:serverinfo:0"><domain name="a.test"><federation>`+
		`<remote-domain name="b.test"></remote-domain></federation></domain></serverinfo></iq>`, b.String())

	var iq struct {
		stanza.IQ
		Info ServerInfo `xml:"urn:xmpp:serverinfo:0 serverinfo"`
	}
	require.NoError(t, xml.Unmarshal([]byte(b.String()), &iq))
	require.Equal(t, *info, iq.Info)

	again, err := xml.Marshal(iq)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(again), `xmlns="urn:xmpp:serverinfo:0"`), "%s", again)
}

// What mellium hands on has been decoded once already: names are resolved, and the declarations are still there.
func TestUnmarshalXMLOfDecodedTokens(t *testing.T) {
	const in = "<serverinfo xmlns='" + NS + "' xmlns:e='urn:e'><domain name='a.test'><federation/><e:x e:y='z' xml:lang='en'><w xmlns=''/></e:x></domain></serverinfo>"
	tokens, err := xmlstream.ReadAll(xml.NewDecoder(strings.NewReader(in)))
	require.NoError(t, err)
	var info ServerInfo
	require.NoError(t, xml.NewTokenDecoder(replay(tokens...)).Decode(&info))
	require.Len(t, info.Domains, 1)
	require.Len(t, info.Domains[0].Extensions, 1)
	require.Equal(t, "<x xmlns='urn:e' xmlns:a0='urn:e' a0:y='z' xml:lang='en'><w xmlns=''></w></x>", string(info.Domains[0].Extensions[0].XML))
}

func replay(tokens ...xml.Token) xml.TokenReader {
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		if len(tokens) == 0 {
			return nil, io.EOF
		}
		tok := tokens[0]
		tokens = tokens[1:]
		return tok, nil
	})
}

func TestUnmarshalXMLRefuses(t *testing.T) {
	start := xml.StartElement{Name: xml.Name{Space: NS, Local: "serverinfo"}}
	element := func(local string, attrs ...xml.Attr) xml.StartElement {
		return xml.StartElement{Name: xml.Name{Space: "urn:x", Local: local}, Attr: attrs}
	}
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		r    xml.TokenReader
		want error
	}{
		{"comment", replay(xml.Comment("x")), ErrSyntax},
		{"processing instruction", replay(xml.ProcInst{Target: "x"}), ErrSyntax},
		{"directive", replay(xml.Directive("x")), ErrSyntax},
		{"element name that is markup", replay(element("a b='c'")), ErrSyntax},
		{"element without a name", replay(element("")), ErrSyntax},
		{"namespace with a control character", replay(xml.StartElement{Name: xml.Name{Space: "\x00", Local: "x"}}), ErrSyntax},
		{"attribute name that is markup", replay(element("a", xml.Attr{Name: xml.Name{Local: "b='c' d"}})), ErrSyntax},
		{"attribute with a control character", replay(element("a", xml.Attr{Name: xml.Name{Local: "b"}, Value: "\x00"})), ErrSyntax},
		{"text with a control character", replay(xml.CharData("\x00")), ErrSyntax},
		{"text that is not UTF-8", replay(xml.CharData("\xff")), ErrSyntax},
		{"end of the stream", replay(), io.ErrUnexpectedEOF},
		{"broken stream", xmlstream.ReaderFunc(func() (xml.Token, error) { return nil, broken }), broken},
		{"stream that does nothing", xmlstream.ReaderFunc(func() (xml.Token, error) { return nil, nil }), io.ErrNoProgress},
		{"endless text", xmlstream.ReaderFunc(func() (xml.Token, error) { return xml.CharData("0123456789"), nil }), ErrLimit},
		{"endless nesting", xmlstream.ReaderFunc(func() (xml.Token, error) { return element("x"), nil }), ErrLimit},
		{"endless attributes", replay(element("x", make([]xml.Attr, 1<<20)...)), ErrSyntax},
		{"long attributes", replay(element("x", xml.Attr{Name: xml.Name{Space: strings.Repeat("u", 1<<20), Local: "y"}})), ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := flatten(tt.r, start, Limits{}.withDefaults())
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func TestUnmarshalXMLOtherElement(t *testing.T) {
	kept := ServerInfo{Domains: []Domain{{Name: "a.test"}}}
	require.ErrorIs(t, xml.Unmarshal([]byte("<query xmlns='jabber:iq:version'/>"), &kept), ErrNotServerInfo)
	require.Len(t, kept.Domains, 1)
}
