package xmlscan

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

var seeds = []string{
	`<a/>`, ` <a x='1' y="&lt;&#65;"><b>t&amp;</b><![CDATA[<x>]]></a> `,
	`<iq xmlns='jabber:client' type='result' xml:lang='en'><query xmlns='q'><p:x xmlns:p='u' p:y='1'/></query></iq>`,
	"<a>1\r\n2\r3&#13;\n</a>", "<a><![CDATA[]]>]]</a>", "<a x='\t\n\r\n'/>", `<a:b/>`, `<a>]]&gt;</a>`, `<a>☃` + "\uFFFE" + `</a>`,
	`<!DOCTYPE a><a/>`, `<a><!-- --></a>`, `<a><?x?></a>`, `<a b='1'c='2'/>`, `<a b='1' b='2'/>`, `<a></b>`, `<a`, `<a>&foo;</a>`,
	`<stream:x xmlns:stream='http://etherx.jabber.org/streams'><y/></stream:x>`,
}

// event is a token in the form that both readers can produce; adjacent text is joined.
type event struct {
	kind         Kind
	space, local string
	attrs        []Attr
	text         string
}

func add(events []event, e event) []event {
	if n := len(events); e.kind == Text && n > 0 && events[n-1].kind == Text {
		events[n-1].text += e.text
		return events
	}
	if e.kind == Text && e.text == "" {
		return events
	}
	return append(events, e)
}

func scanAll(b []byte) ([]event, error) {
	s := New(b, Limits{})
	var events []event
	for s.Next() {
		e := event{kind: s.Kind(), text: string(s.Text())}
		if e.kind != Text {
			e.space, e.local = s.Space(), s.Local()
		}
		for a := range s.Attrs() {
			e.attrs = append(e.attrs, a)
		}
		events = add(events, e)
	}
	return events, s.Err()
}

// decodeAll reads b with encoding/xml, leaving out what surrounds the element and the declarations.
func decodeAll(b []byte) ([]event, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	depth := 0
	var events []event
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			e := event{kind: Start, space: tok.Name.Space, local: tok.Name.Local}
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					e.attrs = append(e.attrs, Attr{Space: a.Name.Space, Local: a.Name.Local, Value: a.Value})
				}
			}
			events = add(events, e)
		case xml.EndElement:
			depth--
			events = add(events, event{kind: End, space: tok.Name.Space, local: tok.Name.Local})
		case xml.CharData:
			if depth > 0 {
				events = add(events, event{kind: Text, text: string(tok)})
			}
		}
	}
}

// FuzzScanner shows that whatever the scanner accepts, encoding/xml accepts with the same tokens, and that an element
// taken out of a document says the same as inside of it.
func FuzzScanner(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scanAll(b)
		if err != nil {
			return
		}
		want, err := decodeAll(b)
		require.NoError(t, err)
		require.Equal(t, want, got)

		s := New(b, Limits{})
		require.True(t, s.Next())
		for s.Child(1) {
			at := s.Offset()
			inner, err := s.Element()
			require.NoError(t, err, "element before byte %d", at)
			alone, err := scanAll(inner)
			require.NoError(t, err)
			require.True(t, contains(got, alone), "%q", inner)
		}
		require.NoError(t, s.Err())
	})
}

// contains reports whether part is a run of events in all.
func contains(all, part []event) bool {
	for i := 0; i+len(part) <= len(all); i++ {
		if equal(all[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

func equal(a, b []event) bool {
	for i := range a {
		x, y := a[i], b[i]
		if x.kind != y.kind || x.space != y.space || x.local != y.local || x.text != y.text || len(x.attrs) != len(y.attrs) {
			return false
		}
		for j := range x.attrs {
			if x.attrs[j] != y.attrs[j] {
				return false
			}
		}
	}
	return true
}

// FuzzEscape shows that escaped text and attribute values come back as they were, but for what XML cannot carry.
func FuzzEscape(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := AppendAttr([]byte("<a"), "x", text)
		doc = AppendEscaped(append(doc, '>'), text)
		doc = append(doc, "</a>"...)
		s := New(doc, Limits{})
		require.True(t, s.Next(), "%v", s.Err())
		value, _ := s.Attr("x")
		inner, err := s.InnerText(len(doc))
		require.NoError(t, err)
		require.Equal(t, value, inner)
		if validChars([]byte(text)) {
			require.Equal(t, text, value)
		}
	})
}
