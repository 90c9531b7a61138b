package roundtrip

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"

	"mellium.im/xmlstream"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

const nsXML = "http://www.w3.org/XML/1998/namespace"

// AppendReply appends the first element that r yields, whose names are resolved as those of a decoder are.
// More than max bytes are refused.
func AppendReply(dst []byte, r xml.TokenReader, max int) ([]byte, error) {
	return appendFrom(Writer{out: dst}, r, max)
}

// AppendElement appends the first element that r yields, whose names are those that a program made up: an element
// without a namespace is in that of its parent.
// More than max bytes are refused.
func AppendElement(dst []byte, r xml.TokenReader, max int) ([]byte, error) {
	return appendFrom(Writer{out: dst, Inherit: true}, r, max)
}

func appendFrom(w Writer, r xml.TokenReader, max int) ([]byte, error) {
	for {
		tok, err := r.Token()
		if tok != nil {
			if err := w.EncodeToken(tok); err != nil {
				return nil, err
			}
			if len(w.out) > max {
				return nil, ErrTooLarge
			}
			if w.begun && w.Complete() {
				return w.out, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: unfinished", ErrMalformed)
		case err != nil:
			return nil, err
		}
	}
}

// Writer turns tokens back into bytes.
// Names and the balance of tags are not checked; a scanner over the result does that.
type Writer struct {
	// Inherit puts elements without a namespace into that of their parent, unless they say otherwise.
	Inherit bool

	out    []byte
	spaces []string
	begun  bool
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.out }

// Complete reports whether all elements that were begun have ended.
func (w *Writer) Complete() bool { return len(w.spaces) == 0 }

// EncodeToken writes a token.
func (w *Writer) EncodeToken(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return w.start(t)
	case xml.EndElement:
		if len(w.spaces) == 0 {
			return fmt.Errorf("%w: end without a start", ErrMalformed)
		}
		w.spaces = w.spaces[:len(w.spaces)-1]
		w.out = append(append(append(w.out, "</"...), t.Name.Local...), '>')
	case xml.CharData:
		if len(w.spaces) > 0 {
			w.out = xmlscan.AppendEscaped(w.out, []byte(t))
		}
	default:
		return fmt.Errorf("%w: %T", ErrMalformed, tok)
	}
	return nil
}

func (w *Writer) start(t xml.StartElement) error {
	if len(w.spaces) >= xmlscan.DefaultDepth {
		return ErrTooLarge
	}
	w.begun = true
	w.out = append(append(w.out, '<'), t.Name.Local...)
	outer := ""
	if n := len(w.spaces); n > 0 {
		outer = w.spaces[n-1]
	}
	space := t.Name.Space
	if space == "" && w.Inherit && !undeclares(t) {
		space = outer
	}
	if space != outer {
		w.out = xmlscan.AppendAttr(w.out, "xmlns", space)
	}
	w.spaces = append(w.spaces, space)
	for i, a := range t.Attr {
		w.attr(a, i)
	}
	w.out = append(w.out, '>')
	return nil
}

// undeclares reports whether a start tag takes the default namespace back.
func undeclares(t xml.StartElement) bool {
	for _, a := range t.Attr {
		if a.Name == (xml.Name{Local: "xmlns"}) {
			return a.Value == ""
		}
	}
	return false
}

func (w *Writer) attr(a xml.Attr, i int) {
	name := a.Name.Local
	switch a.Name.Space {
	case "":
		if name == "xmlns" {
			return
		}
	case "xmlns":
		return
	case nsXML:
		name = "xml:" + name
	default:
		prefix := "a" + strconv.Itoa(i)
		w.out = xmlscan.AppendAttr(w.out, "xmlns:"+prefix, a.Name.Space)
		name = prefix + ":" + name
	}
	w.out = xmlscan.AppendAttr(w.out, name, a.Value)
}

// Tokens returns the tokens of one element.
//
// They are all made before the first is read: a reader that failed midway would corrupt the output of the session for
// good.
// Namespaces are in the names only, as mellium's encoder writes an xmlns attribute twice otherwise.
func Tokens(b []byte) (xml.TokenReader, error) {
	s := xmlscan.New(b, xmlscan.Limits{})
	var tokens []xml.Token
	var spaces []string
	for s.Next() {
		switch s.Kind() {
		case xmlscan.Start:
			t := xml.StartElement{Name: xml.Name{Space: s.Space(), Local: s.Local()}}
			if n := len(spaces); n > 0 && spaces[n-1] != "" && s.Space() == "" {
				t.Attr = append(t.Attr, xml.Attr{Name: xml.Name{Local: "xmlns"}})
			}
			for a := range s.Attrs() {
				t.Attr = append(t.Attr, xml.Attr{Name: xml.Name{Space: a.Space, Local: a.Local}, Value: a.Value})
			}
			spaces = append(spaces, s.Space())
			tokens = append(tokens, t)
		case xmlscan.End:
			spaces = spaces[:len(spaces)-1]
			tokens = append(tokens, xml.EndElement{Name: xml.Name{Space: s.Space(), Local: s.Local()}})
		case xmlscan.Text:
			tokens = append(tokens, xml.CharData(append([]byte(nil), s.Text()...)))
		}
	}
	if s.Err() != nil {
		return nil, fmt.Errorf("roundtrip: payload: %w", s.Err())
	}
	return tokenSlice(tokens), nil
}

// tokenSlice returns a reader over the tokens.
func tokenSlice(tokens []xml.Token) xml.TokenReader {
	return xmlstream.ReaderFunc(func() (xml.Token, error) {
		if len(tokens) == 0 {
			return nil, io.EOF
		}
		t := tokens[0]
		tokens = tokens[1:]
		return t, nil
	})
}
