package xep

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmlstream"
	"mellium.im/xmpp/jid"
)

var formType = FormField{Var: "FORM_TYPE", Type: "hidden", Values: []string{FormType}}

func nodeField(typ string, values ...string) FormField {
	return FormField{Var: FieldNode, Type: typ, Values: values}
}

func TestFindNodeURI(t *testing.T) {
	const uri = "xmpp:pubsub.a.test?;node=serverinfo"
	contact := FormField{Var: "admin-addresses", Type: "list-multi", Values: []string{"xmpp:admin@a.test"}}
	for _, tt := range []struct {
		name  string
		forms []Form
		want  string
		err   string
	}{
		{name: "no form", err: ErrNoForm.Error()},
		{name: "text-single", forms: []Form{{Fields: []FormField{formType, nodeField("text-single", uri)}}}, want: uri},
		{name: "no field type", forms: []Form{{Fields: []FormField{formType, nodeField("", uri)}}}, want: uri},
		{name: "list-multi", forms: []Form{{Fields: []FormField{formType, nodeField("list-multi", uri, "xmpp:b.test?;node=x")}}}, want: uri},
		{name: "unknown field type", forms: []Form{{Fields: []FormField{formType, nodeField("x-odd", uri)}}}, want: uri},
		{name: "FORM_TYPE that is not hidden", forms: []Form{{Fields: []FormField{{Var: "FORM_TYPE", Values: []string{FormType}}, nodeField("", uri)}}}, want: uri},
		{name: "FORM_TYPE at the end", forms: []Form{{Fields: []FormField{nodeField("", uri), formType}}}, want: uri},
		{name: "only a FORM_TYPE, as ejabberd always sends", forms: []Form{{Fields: []FormField{formType}}}, err: ErrNoForm.Error()},
		{name: "two forms of the same type", forms: []Form{{Fields: []FormField{formType, contact}}, {Fields: []FormField{formType, nodeField("", uri)}}}, want: uri},
		{name: "two nodes", forms: []Form{{Fields: []FormField{formType, nodeField("", uri)}}, {Fields: []FormField{formType, nodeField("", "xmpp:b.test?;node=x")}}}, want: uri},
		{name: "merged with contacts", forms: []Form{{Fields: []FormField{formType, contact, nodeField("", uri)}}}, want: uri},
		{name: "white space", forms: []Form{{Fields: []FormField{formType, nodeField("", "\n  "+uri+"\n")}}}, want: uri},
		{name: "empty value", forms: []Form{{Fields: []FormField{formType, nodeField("", "")}}}, err: ErrNoForm.Error()},
		{name: "no value", forms: []Form{{Fields: []FormField{formType, nodeField("")}}}, err: ErrNoForm.Error()},
		{name: "unusable before usable", forms: []Form{{Fields: []FormField{formType, nodeField("", "", "serverinfo", uri)}}}, want: uri},
		{name: "only unusable", forms: []Form{{Fields: []FormField{formType, nodeField("", "serverinfo", "xmpp:")}}}, err: `"serverinfo": does not start with xmpp:`},
		{name: "other FORM_TYPE", forms: []Form{{Fields: []FormField{{Var: "FORM_TYPE", Values: []string{"urn:other"}}, nodeField("", uri)}}}, err: ErrNoForm.Error()},
		{name: "no FORM_TYPE", forms: []Form{{Fields: []FormField{nodeField("", uri)}}}, err: ErrNoForm.Error()},
		{name: "FORM_TYPE without a value", forms: []Form{{Fields: []FormField{{Var: "FORM_TYPE"}, nodeField("", uri)}}}, err: ErrNoForm.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FindNodeURI(tt.forms)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.True(t, got.IsZero())
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got.String())
		})
	}
}

func TestBuildForm(t *testing.T) {
	uri := NodeURI{Service: jid.MustParse("pubsub.a.test"), Node: "serverinfo"}
	contacts := map[string][]string{
		"support-addresses": {"xmpp:help@a.test?message", "mailto:help@a.test"},
		"abuse-addresses":   {"mailto:abuse@a.test"},
		"sales-addresses":   nil,
		"FORM_TYPE":         {"urn:other"},
		FieldNode:           {"xmpp:evil.test?;node=x"},
	}
	f := BuildForm(uri, contacts)
	require.Equal(t, Form{Type: "result", Fields: []FormField{
		formType,
		{Var: "abuse-addresses", Type: "list-multi", Values: []string{"mailto:abuse@a.test"}},
		{Var: "support-addresses", Type: "list-multi", Values: []string{"xmpp:help@a.test?message", "mailto:help@a.test"}},
		nodeField("text-single", "xmpp:pubsub.a.test?;node=serverinfo"),
	}}, f)
	found, err := FindNodeURI([]Form{f})
	require.NoError(t, err)
	require.True(t, uri.Equal(found))

	f.Fields[1].Values[0] = "changed"
	require.Equal(t, "mailto:abuse@a.test", contacts["abuse-addresses"][0], "the form shares its values with the caller")

	require.Equal(t, Form{Type: "result", Fields: []FormField{formType}}, BuildForm(NodeURI{}, nil))
}

func TestFormXML(t *testing.T) {
	f := Form{Fields: []FormField{formType, {Var: `a"b`, Values: []string{"<&>", "x\x00y"}}, {Var: "none"}}}
	want := `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>` +
		`<field var='a&quot;b'><value>&lt;&amp;&gt;</value><value>x` + "\uFFFD" + `y</value></field><field var='none'></field></x>`
	require.Equal(t, want, string(f.AppendXML(nil)))

	var b strings.Builder
	e := xml.NewEncoder(&b)
	_, err := f.WriteXML(e)
	require.NoError(t, err)
	require.NoError(t, e.Flush())
	require.Equal(t, 1, strings.Count(b.String(), "xmlns="), b.String())

	f.Type, f.Fields[1].Values[1] = "result", "x\uFFFDy"
	for _, xml := range []string{want, b.String()} {
		back, err := ParseForm([]byte(xml))
		require.NoError(t, err)
		require.Equal(t, f, back)
	}
}

func TestParseFormRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, reason string }{
		{"nothing", "", "malformed XML"},
		{"other element", "<x xmlns='jabber:x:oob'/>", "is not a data form"},
		{"unfinished", "<x xmlns='jabber:x:data'><field>", "malformed XML"},
		{"two forms", "<x xmlns='jabber:x:data'/><x xmlns='jabber:x:data'/>", "malformed XML"},
		{"too long", strings.Repeat(" ", DefaultBytes+1), "more than 1048576 bytes"},
		{"too deep", "<x xmlns='jabber:x:data'>" + strings.Repeat("<a>", 40), "limit exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseForm([]byte(tt.in))
			require.ErrorContains(t, err, tt.reason)
		})
	}
}

func TestFormTokenReaderEndsOnce(t *testing.T) {
	tokens, err := xmlstream.ReadAll(BuildForm(NodeURI{}, nil).TokenReader())
	require.NoError(t, err)
	require.Len(t, tokens, 7)
}
