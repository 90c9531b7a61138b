package xmlscan

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dump writes the tokens of a document in a form that is easy to compare.
func dump(t testing.TB, doc string) (string, error) {
	t.Helper()
	s := New([]byte(doc), Limits{})
	var out strings.Builder
	for s.Next() {
		switch s.Kind() {
		case Start:
			out.WriteString("<{" + s.Space() + "}" + s.Local())
			for a := range s.Attrs() {
				out.WriteString(" {" + a.Space + "}" + a.Local + "=" + a.Value)
			}
			out.WriteString(">")
		case End:
			out.WriteString("</{" + s.Space() + "}" + s.Local() + ">")
		case Text:
			out.Write(s.Text())
		}
	}
	return out.String(), s.Err()
}

func TestScannerAccepts(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"self-closing", `<a/>`, `<{}a></{}a>`},
		{"white space around", " \n<a></a>\t", `<{}a></{}a>`},
		{"default namespace", `<a xmlns='u'><b/></a>`, `<{u}a><{u}b></{u}b></{u}a>`},
		{"default namespace undone", `<a xmlns='u'><b xmlns=''/><c/></a>`, `<{u}a><{}b></{}b><{u}c></{u}c></{u}a>`},
		{"prefixes", `<p:a xmlns:p='u' p:x='1' x='2'><p:b xmlns:p='v'/></p:a>`, `<{u}a {u}x=1 {}x=2><{v}b></{v}b></{u}a>`},
		{"xml prefix", `<a xml:lang='en'/>`, `<{}a {http://www.w3.org/XML/1998/namespace}lang=en></{}a>`},
		{"references", `<a x='&lt;&#65;&#x42;'>&amp;&apos;&quot;&gt;</a>`, `<{}a {}x=<AB>&'"></{}a>`},
		{"line ends", "<a x='1\r\n2'>1\r2&#13;</a>", "<{}a {}x=1\n2>1\n2\r</{}a>"},
		{"CDATA", `<a>1<![CDATA[<&]]]>2</a>`, `<{}a>1<&]2</{}a>`},
		{"space in tags", "<a x = '1'\n></a >", `<{}a {}x=1></{}a>`},
		{"other characters", `<a>☃𐀀</a>`, `<{}a>☃𐀀</{}a>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := dump(t, c.in)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestScannerRefuses(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"empty", ``},
		{"space only", ` `},
		{"unfinished tag", `<a`},
		{"unfinished element", `<a><b/>`},
		{"unfinished text", `<a>x`},
		{"unfinished value", `<a x='`},
		{"unfinished CDATA", `<a><![CDATA[x]]</a>`},
		{"mismatch", `<a></b>`},
		{"same name other prefix", `<p:a xmlns:p='u' xmlns:q='u'></q:a>`},
		{"two elements", `<a/><b/>`},
		{"text before", `x<a/>`},
		{"text after", `<a/>x`},
		{"end tag first", `</a>`},
		{"comment", `<a><!-- c --></a>`},
		{"processing instruction", `<a><?x y?></a>`},
		{"XML declaration", `<?xml version='1.0'?><a/>`},
		{"document type", `<!DOCTYPE a><a/>`},
		{"undefined entity", `<a>&foo;</a>`},
		{"entity without semicolon", `<a>&amp</a>`},
		{"bare ampersand", `<a>& </a>`},
		{"reference to nothing", `<a>&#;</a>`},
		{"reference to control", `<a>&#1;</a>`},
		{"reference to surrogate", `<a>&#xD800;</a>`},
		{"reference beyond Unicode", `<a>&#x110000;</a>`},
		{"control", "<a>\x01</a>"},
		{"noncharacter", "<a>\uFFFE</a>"},
		{"invalid UTF-8", "<a>\xff</a>"},
		{"invalid UTF-8 in value", "<a x='\xff'/>"},
		{"invalid UTF-8 in CDATA", "<a><![CDATA[\xff]]></a>"},
		{"less-than in value", `<a x='<'/>`},
		{"end of CDATA in text", `<a>]]></a>`},
		{"duplicate attribute", `<a x='1' x='2'/>`},
		{"duplicate attribute by namespace", `<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/>`},
		{"duplicate declaration", `<a xmlns='u' xmlns='u'/>`},
		{"unbound prefix", `<p:a/>`},
		{"unbound attribute prefix", `<a p:x=''/>`},
		{"prefix undeclared", `<a xmlns:p=''/>`},
		{"prefix xmlns", `<xmlns:a/>`},
		{"prefix xml rebound", `<a xmlns:xml='u'/>`},
		{"namespace of xml", `<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>`},
		{"two colons", `<a:b:c xmlns:a='u'/>`},
		{"leading colon", `<:a/>`},
		{"trailing colon", `<a: xmlns:a='u'/>`},
		{"no space between attributes", `<a x='1'y='2'/>`},
		{"attribute without value", `<a x/>`},
		{"attribute without quotes", `<a x=1/>`},
		{"name outside ASCII", `<é/>`},
		{"slash in tag", `<a / >`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dump(t, c.in)
			require.ErrorIs(t, err, ErrSyntax)
		})
	}
}

func TestScannerLimits(t *testing.T) {
	deep := strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65)
	_, err := dump(t, deep)
	require.ErrorIs(t, err, ErrLimit)
	_, err = dump(t, deep[3:len(deep)-4])
	require.NoError(t, err)

	_, err = dump(t, "<a"+strings.Repeat(" a=''", 129)+"/>")
	require.ErrorIs(t, err, ErrLimit)

	// However the declarations are spread, each name costs no more than the limit to look up.
	scope := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("<a xmlns:p" + strconv.Itoa(i) + "='u' xmlns='v'>")
		}
		return b.String() + "<b/>" + strings.Repeat("</a>", n)
	}
	_, err = dump(t, scope(33))
	require.ErrorIs(t, err, ErrLimit)
	_, err = dump(t, scope(32))
	require.NoError(t, err)
	_, err = dump(t, "<a>"+strings.Repeat("<b xmlns='u' xmlns:p='v'/>", 1000)+"</a>")
	require.NoError(t, err, "declarations out of scope do not count")

	s := New([]byte("<a>12<b>3</b>45</a>"), Limits{})
	require.True(t, s.Next())
	text, err := s.InnerText(4)
	require.NoError(t, err)
	require.Equal(t, "1245", text)
	require.Equal(t, End, s.Kind())
	s = New([]byte("<a>12<b>3</b>45</a>"), Limits{})
	require.True(t, s.Next())
	_, err = s.InnerText(3)
	require.ErrorIs(t, err, ErrLimit)
}

func TestChild(t *testing.T) {
	s := New([]byte(`<a> <b><x/><x/></b>text<c/><d>t</d></a>`), Limits{})
	require.True(t, s.Next())
	var got []string
	for d := s.Depth(); s.Child(d); {
		got = append(got, s.Local())
		if s.Local() == "b" {
			for d := s.Depth(); s.Child(d); {
				got = append(got, s.Local())
				break
			}
		}
	}
	require.NoError(t, s.Err())
	require.Equal(t, []string{"b", "x", "c", "d"}, got)
	require.True(t, s.Is("", "a"))
	require.False(t, s.Next())
	require.NoError(t, s.Err())
}

func TestElement(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing to inherit", `<a><b x='1'><c/></b ></a>`, `<b x='1'><c/></b >`},
		{"default namespace", `<a xmlns='u'><b/></a>`, `<b xmlns='u'/>`},
		{"default namespace of a child", `<a xmlns='u' xmlns:p='v'><p:b><c/></p:b></a>`, `<p:b xmlns='u' xmlns:p='v'><c/></p:b>`},
		{"own namespace", `<a xmlns='u'><b xmlns='v'/></a>`, `<b xmlns='v'/>`},
		{"unused prefix", `<a xmlns='u' xmlns:p='v'><b xmlns=''/></a>`, `<b xmlns=''/>`},
		{"prefix of an attribute", `<a xmlns:p='v&amp;'><b><c p:x=''/></b></a>`, `<b xmlns:p='v&amp;'><c p:x=''/></b>`},
		{"shadowed prefix", `<a xmlns:p='u'><z xmlns:p='v'><p:b/></z></a>`, `<z xmlns:p='v'><p:b/></z>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New([]byte(c.in), Limits{})
			require.True(t, s.Next())
			require.True(t, s.Child(1))
			got, err := s.Element()
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
			require.False(t, s.Child(1))
			require.NoError(t, s.Err())
		})
	}
}

func TestAppendEscaped(t *testing.T) {
	require.Equal(t, `a&lt;&amp;&gt;&apos;&quot;&#x9;&#xA;&#xD;☃`+"\uFFFD\uFFFD\uFFFD", string(AppendEscaped(nil, "a<&>'\"\t\n\r☃\x00\xff\uFFFE")))
	require.Equal(t, ` x='1&apos;'`, string(AppendAttr(nil, "x", "1'")))
}
