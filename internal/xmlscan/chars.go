package xmlscan

import "unicode/utf8"

// What a byte means inside of text or of an attribute's value.
const (
	cEscape  byte = 1 << iota // the bytes differ from what they stand for
	cControl                  // not permitted
	cHigh                     // part of a longer character
	cLess                     // '<'
	cRight                    // '>'
)

// What a byte may do in a name.
const (
	cNameStart byte = 1 << iota
	cName
)

var class, nameClass = tables()

func tables() (text, name [256]byte) {
	for c := range 0x20 {
		text[c] = cControl
	}
	for c := utf8.RuneSelf; c < 256; c++ {
		text[c] = cHigh
	}
	text['\t'], text['\n'] = 0, 0
	text['\r'], text['&'] = cEscape, cEscape
	text['<'], text['>'] = cLess, cRight

	for c := 'a'; c <= 'z'; c++ {
		name[c] = cNameStart | cName
		name[c-'a'+'A'] = cNameStart | cName
	}
	for c := '0'; c <= '9'; c++ {
		name[c] = cName
	}
	name['_'], name[':'] = cNameStart|cName, cNameStart|cName
	name['-'], name['.'] = cName, cName
	return text, name
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r'
}

// validChars reports whether b is UTF-8 of nothing but permitted characters (XML 1.0 §2.2).
func validChars(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if class[b[i]]&cControl != 0 {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || !validRune(r) {
			return false
		}
		i += n
	}
	return true
}

// validRune reports whether XML 1.0 §2.2 permits r.
func validRune(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r <= 0x10FFFF && r != 0xFFFE && r != 0xFFFF
}
