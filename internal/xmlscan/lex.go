package xmlscan

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// markup reads what starts with '<' inside of the document.
func (s *Scanner) markup() bool {
	rest := s.b[s.pos:]
	if len(rest) < 2 {
		return s.fail("unexpected end of input")
	}
	switch rest[1] {
	case '/':
		return s.endTag()
	case '!':
		if bytes.HasPrefix(rest, []byte("<![CDATA[")) && s.depth > 0 {
			return s.cdata()
		}
		return s.fail("comment or document type")
	case '?':
		return s.fail("processing instruction")
	}
	return s.startTag()
}

func (s *Scanner) startTag() bool {
	s.start = s.pos
	s.pos++
	qname := s.name()
	if qname == "" {
		return s.fail("invalid element name")
	}
	if s.depth >= s.lim.Depth {
		return s.failWith(fmt.Errorf("xmlscan: %w: more than %d open elements", ErrLimit, s.lim.Depth))
	}
	s.mark = len(s.binds)
	s.attrs, s.quals = s.attrs[:0], s.quals[:0]
	if !s.attributes() {
		return false
	}
	prefix, local, ok := splitName(qname)
	if !ok {
		return s.fail("invalid element name")
	}
	space, ok := s.resolve(prefix)
	if !ok {
		return s.fail("unbound prefix")
	}
	if !s.resolveAttrs() {
		return false
	}
	s.stack = append(s.stack[:s.depth], element{qname: qname, space: space, local: local, binds: s.mark})
	s.depth++
	s.kind = Start
	return true
}

// attributes reads up to and including the end of a start tag.
func (s *Scanner) attributes() bool {
	n := 0
	for {
		spaced := s.skipSpace()
		if s.pos >= len(s.b) {
			return s.fail("unexpected end of input")
		}
		switch s.b[s.pos] {
		case '>':
			s.pos++
			return true
		case '/':
			if s.pos+1 >= len(s.b) || s.b[s.pos+1] != '>' {
				return s.fail("'/' inside of a tag")
			}
			s.pos += 2
			s.closing = true
			return true
		}
		if !spaced {
			return s.fail("no white space before an attribute")
		}
		if n++; n > s.lim.Attrs {
			return s.failWith(fmt.Errorf("xmlscan: %w: more than %d attributes", ErrLimit, s.lim.Attrs))
		}
		if !s.attribute() {
			return false
		}
	}
}

func (s *Scanner) attribute() bool {
	qname := s.name()
	prefix, local, ok := splitName(qname)
	if !ok {
		return s.fail("invalid attribute name")
	}
	s.skipSpace()
	if s.pos >= len(s.b) || s.b[s.pos] != '=' {
		return s.fail("attribute without a value")
	}
	s.pos++
	s.skipSpace()
	value, ok := s.quoted()
	if !ok {
		return false
	}
	switch {
	case prefix == "" && local == "xmlns":
		return s.declare("", value)
	case prefix == "xmlns":
		return s.declare(local, value)
	}
	s.attrs = append(s.attrs, Attr{Local: local, Value: value})
	s.quals = append(s.quals, qual{prefix, local})
	return true
}

// declare brings a namespace into scope for the element whose start tag is being read.
func (s *Scanner) declare(prefix, space string) bool {
	switch {
	case prefix == "xml" || prefix == "xmlns" || space == nsXML || space == nsXMLNS:
		return s.fail("reserved namespace or prefix declared")
	case prefix != "" && space == "":
		return s.fail("prefix undeclared")
	}
	for _, b := range s.binds[s.mark:] {
		if b.prefix == prefix {
			return s.fail("duplicate namespace declaration")
		}
	}
	if len(s.binds)-s.inherited >= s.lim.Namespaces {
		return s.failWith(fmt.Errorf("xmlscan: %w: more than %d namespaces in scope", ErrLimit, s.lim.Namespaces))
	}
	s.binds = append(s.binds, binding{prefix, space})
	return true
}

// resolve returns the namespace of an element's prefix.
func (s *Scanner) resolve(prefix string) (string, bool) {
	for i := len(s.binds) - 1; i >= 0; i-- {
		if s.binds[i].prefix == prefix {
			if i < s.base {
				s.used[i] = true
			}
			return s.binds[i].space, true
		}
	}
	switch prefix {
	case "":
		return "", true
	case "xml":
		return nsXML, true
	}
	return "", false
}

// resolveAttrs gives the attributes their namespaces and refuses two of the same name.
func (s *Scanner) resolveAttrs() bool {
	for i := range s.attrs {
		if p := s.quals[i].prefix; p != "" {
			space, ok := s.resolve(p)
			if !ok {
				return s.fail("unbound prefix")
			}
			s.attrs[i].Space = space
		}
		for j := range i {
			if s.attrs[j].Local == s.attrs[i].Local && s.attrs[j].Space == s.attrs[i].Space {
				return s.fail("duplicate attribute")
			}
		}
	}
	return true
}

func (s *Scanner) endTag() bool {
	s.pos += 2
	qname := s.name()
	s.skipSpace()
	if s.pos >= len(s.b) || s.b[s.pos] != '>' {
		return s.fail("unfinished end tag")
	}
	if qname != s.stack[s.depth-1].qname {
		return s.fail("end tag does not match its start tag")
	}
	s.pos++
	return s.endElement()
}

func (s *Scanner) endElement() bool {
	s.kind = End
	s.pop = true
	return true
}

func (s *Scanner) popElement() {
	s.pop = false
	s.depth--
	s.binds = s.binds[:s.stack[s.depth].binds]
}

// charData reads text up to the next markup.
func (s *Scanner) charData() bool {
	n := bytes.IndexByte(s.b[s.pos:], '<')
	if n < 0 {
		return s.fail("unexpected end of input")
	}
	raw := s.b[s.pos : s.pos+n]
	plain, ok := s.check(raw, true)
	if !ok {
		return false
	}
	if !plain {
		if raw, ok = s.unescape(raw, true); !ok {
			return false
		}
	}
	s.pos += n
	s.text = raw
	s.kind = Text
	return true
}

func (s *Scanner) cdata() bool {
	from := s.pos + len("<![CDATA[")
	n := bytes.Index(s.b[from:], []byte("]]>"))
	if n < 0 {
		return s.fail("unfinished CDATA section")
	}
	raw := s.b[from : from+n]
	for _, c := range raw {
		if class[c]&(cControl|cHigh) != 0 {
			if !validChars(raw) {
				return s.fail("invalid character")
			}
			break
		}
	}
	if bytes.IndexByte(raw, '\r') >= 0 {
		raw, _ = s.unescape(raw, false)
	}
	s.pos = from + n + len("]]>")
	s.text = raw
	s.kind = Text
	return true
}

// quoted reads an attribute's value.
func (s *Scanner) quoted() (string, bool) {
	if s.pos >= len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return "", s.fail("attribute value without quotes")
	}
	from := s.pos + 1
	n := bytes.IndexByte(s.b[from:], s.b[s.pos])
	if n < 0 {
		return "", s.fail("unfinished attribute value")
	}
	raw := s.b[from : from+n]
	plain, ok := s.check(raw, false)
	if !ok {
		return "", false
	}
	if plain {
		s.pos = from + n + 1
		return s.s[from : from+n], true
	}
	out, ok := s.unescape(raw, true)
	if !ok {
		return "", false
	}
	s.pos = from + n + 1
	return string(out), true
}

// check refuses characters that may not stand in raw and reports whether it means what it says.
func (s *Scanner) check(raw []byte, text bool) (plain, ok bool) {
	var seen byte
	for _, c := range raw {
		seen |= class[c]
	}
	switch {
	case seen == 0:
		return true, true
	case seen&cLess != 0:
		return false, s.fail("'<' in an attribute value")
	case seen&cRight != 0 && text && bytes.Contains(raw, []byte("]]>")):
		return false, s.fail("']]>' in text")
	case seen&(cControl|cHigh) != 0 && !validChars(raw):
		return false, s.fail("invalid character")
	}
	return seen&cEscape == 0, true
}

// unescape writes raw into the scanner's buffer with references and line ends replaced.
func (s *Scanner) unescape(raw []byte, refs bool) ([]byte, bool) {
	out := s.buf[:0]
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\r':
			out = append(out, '\n')
			if i++; i < len(raw) && raw[i] == '\n' {
				i++
			}
		case c == '&' && refs:
			r, n := reference(raw[i:])
			if n == 0 {
				return nil, s.fail("invalid reference")
			}
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = append(out, c)
			i++
		}
	}
	s.buf = out
	return out, true
}

// maxReference is the length of the longest reference, leading zeros not indulged.
const maxReference = len("&#x10FFFF;") + 2

// reference decodes the character or entity reference at the start of b and returns its length, 0 if it is none.
func reference(b []byte) (rune, int) {
	end := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if end < 2 {
		return 0, 0
	}
	name := string(b[1:end])
	if name[0] == '#' {
		r, ok := charRef(name[1:])
		if !ok {
			return 0, 0
		}
		return r, end + 1
	}
	switch name {
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "apos":
		return '\'', end + 1
	case "quot":
		return '"', end + 1
	}
	return 0, 0
}

// charRef decodes the digits of a character reference.
func charRef(digits string) (rune, bool) {
	base := rune(10)
	if strings.HasPrefix(digits, "x") {
		base, digits = 16, digits[1:]
	}
	if digits == "" {
		return 0, false
	}
	var r rune
	for i := range len(digits) {
		d := digit(digits[i])
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, validRune(r)
}

// digit returns the value of a hexadecimal digit, 16 if c is none.
func digit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return 16
}

// name reads a qualified name, empty if there is none.
func (s *Scanner) name() string {
	from := s.pos
	if from >= len(s.b) || nameClass[s.b[from]]&cNameStart == 0 {
		return ""
	}
	i := from + 1
	for i < len(s.b) && nameClass[s.b[i]]&cName != 0 {
		i++
	}
	s.pos = i
	return s.s[from:i]
}

// splitName cuts a qualified name at its colon.
func splitName(qname string) (prefix, local string, ok bool) {
	i := strings.IndexByte(qname, ':')
	if i < 0 {
		return "", qname, qname != ""
	}
	prefix, local = qname[:i], qname[i+1:]
	if prefix == "" || local == "" || nameClass[local[0]]&cNameStart == 0 || strings.IndexByte(local, ':') >= 0 {
		return "", "", false
	}
	return prefix, local, true
}

func (s *Scanner) skipSpace() bool {
	from := s.pos
	for s.pos < len(s.b) && isSpace(s.b[s.pos]) {
		s.pos++
	}
	return s.pos > from
}
