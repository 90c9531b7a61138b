package xep

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"mellium.im/xmlstream"
)

var (
	_ xmlstream.Marshaler = ServerInfo{}
	_ xmlstream.WriterTo  = ServerInfo{}
	_ xml.Marshaler       = ServerInfo{}
	_ xml.Unmarshaler     = (*ServerInfo)(nil)
)

// TokenReader implements xmlstream.Marshaler.
//
// It encodes as strictly as [Marshal] does: where that fails, the error comes instead of the first token.
// Call Marshal beforehand if the reader is going to be wrapped, as a stanza that has been begun can't be taken back.
func (si ServerInfo) TokenReader() xml.TokenReader {
	b, err := si.AppendXML(nil)
	if err != nil {
		return xmlstream.ReaderFunc(func() (xml.Token, error) { return nil, err })
	}
	return &tokenReader{s: xmlscan.New(b, xmlscan.Limits{})}
}

// WriteXML implements xmlstream.WriterTo. It writes nothing at all where [Marshal] fails.
func (si ServerInfo) WriteXML(w xmlstream.TokenWriter) (int, error) {
	return xmlstream.Copy(w, si.TokenReader())
}

// MarshalXML implements xml.Marshaler. The name of the start element is not used.
func (si ServerInfo) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	_, err := si.WriteXML(e)
	return err
}

// UnmarshalXML implements xml.Unmarshaler, within the default [Limits].
//
// The tokens are turned back into bytes and decoded by [Unmarshal], so that both ways accept the same; the XML of an extension is
// then not verbatim, but means the same.
// On error the receiver is left as it was, and the decoder may be in the midst of the element.
func (si *ServerInfo) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if start.Name.Space != NS || start.Name.Local != "serverinfo" {
		return notServerInfo(start.Name.Space, start.Name.Local)
	}
	lim := Limits{}.withDefaults()
	b, err := flatten(d, start, lim)
	if err != nil {
		return err
	}
	info, err := lim.Unmarshal(b)
	if err != nil {
		return err
	}
	*si = *info
	return nil
}

// nsXML is the namespace of xml:lang, whose prefix needs no declaration (Namespaces in XML §3).
const nsXML = "http://www.w3.org/XML/1998/namespace"

// tokenReader turns our own encoding into tokens as mellium and encoding/xml write them best: without namespace declarations, and
// with a namespace only where it differs from that of the parent.
type tokenReader struct {
	s    *xmlscan.Scanner
	open []xml.Name // as written
	in   []string   // the namespaces of the same elements
}

// Token implements xml.TokenReader.
func (r *tokenReader) Token() (xml.Token, error) {
	if !r.s.Next() {
		if err := r.s.Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	switch r.s.Kind() {
	case xmlscan.Start:
		return r.start(), nil
	case xmlscan.End:
		n := len(r.open) - 1
		end := xml.EndElement{Name: r.open[n]}
		r.open, r.in = r.open[:n], r.in[:n]
		return end, nil
	default:
		return xml.CharData(bytes.Clone(r.s.Text())), nil
	}
}

func (r *tokenReader) start() xml.StartElement {
	space := r.s.Space()
	start := xml.StartElement{Name: xml.Name{Space: space, Local: r.s.Local()}}
	if n := len(r.in); n > 0 && r.in[n-1] == space {
		start.Name.Space = ""
	} else if space == "" {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "xmlns"}})
	}
	for a := range r.s.Attrs() {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Space: a.Space, Local: a.Local}, Value: a.Value})
	}
	r.open, r.in = append(r.open, start.Name), append(r.in, space)
	return start
}

// maxEmptyReads is how often a reader may return neither a token nor an error before it is taken to be broken.
const maxEmptyReads = 100

// flatten writes one element as bytes: the given start element and what r returns up to its end.
func flatten(r xml.TokenReader, start xml.StartElement, lim Limits) ([]byte, error) {
	f := flattener{lim: lim}
	if err := f.token(start); err != nil {
		return nil, err
	}
	for idle := 0; len(f.open) > 0; {
		tok, err := r.Token()
		if tok != nil {
			idle = 0
			if err := f.token(tok); err != nil {
				return nil, err
			}
			continue
		}
		if idle++; err == nil && idle > maxEmptyReads {
			err = io.ErrNoProgress
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("xep: reading the payload: %w", err)
		}
	}
	return f.b, nil
}

// flattener writes tokens with namespaces made explicit.
type flattener struct {
	b    []byte
	lim  Limits
	open []openElement
	// declared is set once a start element has carried a declaration: then the tokens come from a parser, and a name without a
	// namespace has none. Otherwise they were put together by hand, where such a name means that of its parent.
	declared bool
}

type openElement struct{ space, local string }

func (f *flattener) token(tok xml.Token) error {
	switch tok := tok.(type) {
	case xml.StartElement:
		return f.start(tok)
	case xml.EndElement:
		last := len(f.open) - 1
		f.b = append(append(append(f.b, "</"...), f.open[last].local...), '>')
		f.open = f.open[:last]
	case xml.CharData:
		if !validText(string(tok)) {
			return fmt.Errorf("%w: invalid character", ErrSyntax)
		}
		f.b = xmlscan.AppendEscaped(f.b, []byte(tok))
	default:
		return fmt.Errorf("%w: comment, processing instruction or document type", ErrSyntax)
	}
	return f.check()
}

// check is called after every token, so that only one can exceed the limit.
func (f *flattener) check() error {
	if len(f.b) > f.lim.Bytes {
		return &LimitError{What: "bytes", Max: f.lim.Bytes}
	}
	return nil
}

func (f *flattener) start(start xml.StartElement) error {
	if len(f.open) >= f.lim.Depth {
		return &LimitError{What: "open elements", Max: f.lim.Depth}
	}
	if !isName(start.Name.Local) {
		return fmt.Errorf("%w: %q is no element name", ErrSyntax, shorten(start.Name.Local))
	}
	parent := ""
	if n := len(f.open); n > 0 {
		parent = f.open[n-1].space
	}
	for _, a := range start.Attr {
		f.declared = f.declared || isDeclaration(a.Name)
	}
	space := start.Name.Space
	if space == "" && !f.declared {
		space = parent
	}
	f.b = append(append(f.b, '<'), start.Name.Local...)
	if space != parent {
		if !validText(space) {
			return fmt.Errorf("%w: invalid character", ErrSyntax)
		}
		f.b = xmlscan.AppendAttr(f.b, "xmlns", space)
	}
	if err := f.attributes(start.Attr); err != nil {
		return err
	}
	f.b = append(f.b, '>')
	f.open = append(f.open, openElement{space, start.Name.Local})
	return f.check()
}

func isDeclaration(name xml.Name) bool {
	return name.Space == "xmlns" || name.Space == "" && name.Local == "xmlns"
}

// attributes leaves out the declarations, which are made anew for the names that need them.
func (f *flattener) attributes(attrs []xml.Attr) error {
	prefixes := 0
	for _, a := range attrs {
		if isDeclaration(a.Name) {
			continue
		}
		if !isName(a.Name.Local) || !validText(a.Value) || !validText(a.Name.Space) {
			return fmt.Errorf("%w: %q is no attribute", ErrSyntax, shorten(a.Name.Local))
		}
		name := a.Name.Local
		switch a.Name.Space {
		case "":
		case "xml", nsXML:
			name = "xml:" + name
		default:
			prefix := fmt.Sprintf("a%d", prefixes)
			prefixes++
			f.b = xmlscan.AppendAttr(f.b, "xmlns:"+prefix, a.Name.Space)
			name = prefix + ":" + name
		}
		f.b = xmlscan.AppendAttr(f.b, name, a.Value)
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

// isName reports whether s is a name without a prefix, of the ASCII letters that the scanner accepts.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}
