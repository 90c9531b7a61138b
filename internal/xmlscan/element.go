package xmlscan

import (
	"fmt"
	"strings"
)

// Child advances to the next child element of the element whose Start token was at the given depth, and reports whether
// there is one.
// What a caller has left unread of the children before is skipped, and so is text.
// After it has returned false without an error, the scanner is on the End token of the parent.
//
//	for d := s.Depth(); s.Child(d); {
//		…
//	}
func (s *Scanner) Child(depth int) bool {
	if s.kind == End && s.depth == depth {
		return false
	}
	for s.Next() {
		switch {
		case s.kind == Start && s.depth == depth+1:
			return true
		case s.kind == End && s.depth <= depth:
			return false
		}
	}
	return false
}

// Inherit declares the namespaces that are in scope at the current Start token of another scanner.
// It must be called before the first Next.
// A stanza inherits the declarations of its stream's header in this way.
func (s *Scanner) Inherit(from *Scanner) {
	s.binds = append(s.binds, from.binds...)
	s.inherited = len(s.binds)
}

// Skip advances from a Start token to the End token of the same element.
func (s *Scanner) Skip() error {
	depth := s.depth
	if s.kind != Start {
		return s.misuse("Skip")
	}
	for s.Next() {
		if s.kind == End && s.depth == depth {
			return nil
		}
	}
	return s.err
}

// InnerText returns the character data directly inside of the element whose Start token is the current one, and advances
// to its End token.
// More than max bytes are refused; child elements are skipped.
func (s *Scanner) InnerText(max int) (string, error) {
	depth := s.depth
	if s.kind != Start {
		return "", s.misuse("InnerText")
	}
	var first string
	var out strings.Builder
	for s.Next() {
		switch {
		case s.kind == End && s.depth == depth:
			if out.Len() > 0 {
				return out.String(), nil
			}
			return first, nil
		case s.kind == Text && s.depth == depth:
			if out.Len()+len(first)+len(s.text) > max {
				s.failWith(fmt.Errorf("xmlscan: %w: more than %d bytes of text", ErrLimit, max))
				return "", s.err
			}
			if first == "" && out.Len() == 0 {
				first = string(s.text)
				continue
			}
			out.WriteString(first)
			first = ""
			out.Write(s.text)
		}
	}
	return "", s.err
}

// Element returns the element whose Start token is the current one and advances to its End token.
// The bytes stand alone: declarations that the element inherits and uses are added to its start tag.
func (s *Scanner) Element() ([]byte, error) {
	if s.kind != Start {
		return nil, s.misuse("Element")
	}
	from, depth := s.start, s.depth
	qname := s.stack[depth-1].qname

	// Read the element again, now noting which of the declarations around it are used.
	s.depth--
	s.binds = s.binds[:s.stack[s.depth].binds]
	s.pos, s.closing = from, false
	s.base = len(s.binds)
	s.used = append(s.used[:0], make([]bool, s.base)...)
	defer func() { s.base = 0 }()
	if !s.startTag() {
		return nil, s.err
	}
	if err := s.Skip(); err != nil {
		return nil, err
	}

	after := from + 1 + len(qname)
	out := make([]byte, 0, s.pos-from+s.declSize())
	out = append(out, s.b[from:after]...)
	for i, used := range s.used {
		if used && s.binds[i].space != "" {
			out = appendDecl(out, s.binds[i])
		}
	}
	return append(out, s.b[after:s.pos]...), nil
}

// declSize estimates the bytes needed for the inherited declarations.
func (s *Scanner) declSize() int {
	n := 0
	for i, used := range s.used {
		if used {
			n += len(s.binds[i].prefix) + len(s.binds[i].space) + len(" xmlns:=''")
		}
	}
	return n
}

func appendDecl(dst []byte, b binding) []byte {
	if b.prefix == "" {
		return AppendAttr(dst, "xmlns", b.space)
	}
	return AppendAttr(dst, "xmlns:"+b.prefix, b.space)
}

func (s *Scanner) misuse(op string) error {
	if s.err == nil {
		s.failWith(fmt.Errorf("xmlscan: %s called where there is no start tag", op))
	}
	return s.err
}
