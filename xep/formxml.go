package xep

import (
	"strings"

	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// ParseForm decodes a data form, an <x/> element in [NSForm].
//
// Everything but fields with their names, types and values is left out.
// What is not XML is refused with [ErrSyntax], and more than [DefaultBytes] with [ErrLimit], which also bounds the number of fields.
func ParseForm(b []byte) (Form, error) {
	if len(b) > DefaultBytes {
		return Form{}, &LimitError{What: "bytes", Max: DefaultBytes}
	}
	s := xmlscan.New(b, xmlscan.Limits{Depth: DefaultDepth})
	if !s.Next() {
		return Form{}, scanError(s.Err())
	}
	f, err := DecodeForm(s)
	if err != nil {
		return Form{}, err
	}
	if s.Next(); s.Err() != nil {
		return Form{}, scanError(s.Err())
	}
	return f, nil
}

// DecodeForm decodes the form whose start tag is the scanner's current token, and leaves the scanner on its end tag.
//
// It is for the packages of this module, which read forms out of whole answers.
func DecodeForm(s *xmlscan.Scanner) (Form, error) {
	if s.Kind() != xmlscan.Start || !s.Is(NSForm, "x") {
		return Form{}, notForm(s.Space(), s.Local())
	}
	typ, _ := s.Attr("type")
	f := Form{Type: strings.Clone(typ)}
	for depth := s.Depth(); s.Child(depth); {
		if s.Is(NSForm, "field") {
			f.Fields = append(f.Fields, decodeField(s))
		}
	}
	if err := s.Err(); err != nil {
		return Form{}, scanError(err)
	}
	return f, nil
}

// decodeField leaves errors to its caller, who finds them in the scanner.
func decodeField(s *xmlscan.Scanner) FormField {
	name, _ := s.Attr("var")
	typ, _ := s.Attr("type")
	field := FormField{Var: strings.Clone(name), Type: strings.Clone(typ)}
	for depth := s.Depth(); s.Child(depth); {
		if !s.Is(NSForm, "value") {
			continue
		}
		if value, err := s.InnerText(DefaultBytes); err == nil {
			field.Values = append(field.Values, strings.Clone(value))
		}
	}
	return field
}
