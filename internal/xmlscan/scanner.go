package xmlscan

import (
	"errors"
	"fmt"
	"iter"
)

// Kind is the kind of a token.
type Kind uint8

// The kinds of token that a [Scanner] yields.
const (
	// None is the kind before the first call of Next and after the last token.
	None Kind = iota
	// Start is a start tag; a self-closing tag yields a Start and then an End.
	Start
	// End is an end tag.
	End
	// Text is character data; several may follow each other around CDATA sections.
	Text
)

// The defaults of [Limits].
const (
	DefaultDepth      = 64
	DefaultAttrs      = 128
	DefaultNamespaces = 64
)

// Limits bounds what a document may make a [Scanner] spend; a zero field means its default.
//
// The number of bytes is bounded by whoever collected them.
type Limits struct {
	// Depth is the greatest number of elements open at once, [DefaultDepth] if zero.
	Depth int
	// Attrs is the greatest number of attributes of one element, declarations included, [DefaultAttrs] if zero.
	Attrs int
	// Namespaces is the greatest number of declarations in scope at once, inherited ones not counted, [DefaultNamespaces] if
	// zero.
	// Every name is looked for among them, so that without a bound a document costs its size times their number.
	Namespaces int
}

// ErrSyntax is wrapped by every error about the document; limits have [ErrLimit].
var ErrSyntax = errors.New("malformed XML")

// ErrLimit is wrapped by the errors of a document that exceeds a limit.
var ErrLimit = errors.New("limit exceeded")

// Attr is an attribute with its namespace resolved and its value unescaped.
type Attr struct {
	// Space is the namespace, empty for an attribute without a prefix.
	Space string
	// Local is the name without the prefix.
	Local string
	// Value is the unescaped value.
	Value string
}

// Scanner yields the tokens of one element that is held in memory as a whole.
//
// The strings that it returns share memory with one copy of the document: clone those that outlive it.
type Scanner struct {
	b   []byte
	s   string
	pos int
	lim Limits
	err error

	kind    Kind
	depth   int
	start   int // offset of the '<' of the current Start token
	closing bool
	pop     bool
	seen    bool

	text  []byte
	buf   []byte
	attrs []Attr
	quals []qual
	stack []element
	binds []binding
	mark  int // number of bindings before the start tag being read

	inherited int // number of bindings that are not the document's own

	// Bindings below base that were used while an element is being captured are marked.
	base int
	used []bool

	// What most documents need comes with the scanner, in one allocation.
	stack0 [6]element
	binds0 [4]binding
	attrs0 [4]Attr
	quals0 [4]qual
}

// element is an open element.
type element struct {
	qname string
	space string
	local string
	binds int
}

// binding is a namespace declaration in scope.
type binding struct {
	prefix, space string
}

// qual is an attribute's name before its prefix is resolved.
type qual struct {
	prefix, local string
}

// The namespaces that need no declaration (Namespaces in XML §3).
const (
	nsXML   = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS = "http://www.w3.org/2000/xmlns/"
)

// New returns a scanner over b, which holds one element with nothing but white space around it.
//
// It keeps a reference to b, which must not change while the scanner is in use.
func New(b []byte, lim Limits) *Scanner {
	if lim.Depth <= 0 {
		lim.Depth = DefaultDepth
	}
	if lim.Attrs <= 0 {
		lim.Attrs = DefaultAttrs
	}
	if lim.Namespaces <= 0 {
		lim.Namespaces = DefaultNamespaces
	}
	s := &Scanner{b: b, s: string(b), lim: lim}
	s.stack, s.binds, s.attrs, s.quals = s.stack0[:0], s.binds0[:0], s.attrs0[:0], s.quals0[:0]
	return s
}

// Reset makes the scanner read b as if it were new, with the same limits and inherited declarations.
// What it has returned before stays valid.
func (s *Scanner) Reset(b []byte) {
	s.b, s.s, s.pos, s.err = b, string(b), 0, nil
	s.kind, s.depth, s.closing, s.pop, s.seen = None, 0, false, false, false
	s.binds = s.binds[:s.inherited]
}

// Next advances to the next token and reports whether there is one.
// After it has returned false, [Scanner.Err] tells a complete document from a refused one.
func (s *Scanner) Next() bool {
	if s.err != nil {
		return false
	}
	if s.pop {
		s.popElement()
	}
	if s.closing {
		s.closing = false
		return s.endElement()
	}
	if s.depth == 0 {
		return s.outside()
	}
	if s.pos >= len(s.b) {
		return s.fail("unexpected end of input")
	}
	if s.b[s.pos] != '<' {
		return s.charData()
	}
	return s.markup()
}

// outside reads what surrounds the one element.
func (s *Scanner) outside() bool {
	s.skipSpace()
	switch {
	case s.pos == len(s.b):
		if !s.seen {
			return s.fail("no element")
		}
		s.kind = None
		return false
	case s.seen:
		return s.fail("content after the end of the element")
	case s.b[s.pos] != '<':
		return s.fail("text before the start of the element")
	}
	s.seen = true
	if s.pos+1 < len(s.b) && s.b[s.pos+1] == '/' {
		return s.fail("end tag without a start tag")
	}
	return s.markup()
}

// Err returns the reason for which the document was refused, nil if it was read to its end or not yet.
func (s *Scanner) Err() error { return s.err }

// Kind returns the kind of the current token.
func (s *Scanner) Kind() Kind { return s.kind }

// Depth returns the number of open elements, the one that the current Start or End token belongs to included.
func (s *Scanner) Depth() int { return s.depth }

// Space returns the namespace of the current Start or End token, or of the element around the current Text.
func (s *Scanner) Space() string {
	if s.depth == 0 {
		return ""
	}
	return s.stack[s.depth-1].space
}

// Local returns the local name of the current Start or End token, or of the element around the current Text.
func (s *Scanner) Local() string {
	if s.depth == 0 {
		return ""
	}
	return s.stack[s.depth-1].local
}

// Is reports whether the current Start or End token has the given name.
func (s *Scanner) Is(space, local string) bool {
	if s.depth == 0 || s.kind == Text || s.kind == None {
		return false
	}
	e := &s.stack[s.depth-1]
	return e.local == local && e.space == space
}

// Attr returns the value of the current Start token's attribute that has the given name and no prefix.
func (s *Scanner) Attr(local string) (string, bool) {
	return s.AttrNS("", local)
}

// AttrNS is like [Scanner.Attr] for an attribute in a namespace, such as xml:lang.
func (s *Scanner) AttrNS(space, local string) (string, bool) {
	if s.kind != Start {
		return "", false
	}
	for i := range s.attrs {
		if a := &s.attrs[i]; a.Local == local && a.Space == space {
			return a.Value, true
		}
	}
	return "", false
}

// Attrs yields the attributes of the current Start token in document order, namespace declarations excepted.
func (s *Scanner) Attrs() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		if s.kind != Start {
			return
		}
		for _, a := range s.attrs {
			if !yield(a) {
				return
			}
		}
	}
}

// Text returns the unescaped character data of the current Text token, valid until the next call of Next.
func (s *Scanner) Text() []byte {
	if s.kind != Text {
		return nil
	}
	return s.text
}

// Offset returns the number of bytes consumed.
func (s *Scanner) Offset() int { return s.pos }

func (s *Scanner) fail(reason string) bool {
	return s.failWith(fmt.Errorf("xmlscan: %w at byte %d: %s", ErrSyntax, s.pos, reason))
}

func (s *Scanner) failWith(err error) bool {
	s.err = err
	s.kind = None
	s.closing, s.pop = false, false
	return false
}

// TokenStart returns the offset of the current Start token.
func (s *Scanner) TokenStart() int { return s.start }
