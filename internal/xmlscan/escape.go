package xmlscan

import "unicode/utf8"

// AppendEscaped appends s as character data or as part of a quoted attribute value.
// Characters that XML cannot carry are replaced by U+FFFD.
func AppendEscaped[T string | []byte](dst []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			esc := escapes[c]
			if esc == "" {
				i++
				continue
			}
			dst = append(append(dst, s[from:i]...), esc...)
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && n == 1 || !validRune(r) {
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			from = i + n
		}
		i += n
	}
	return append(dst, s[from:]...)
}

// AppendAttr appends a space, the name and the quoted value.
// The name is trusted.
func AppendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, "='"...)
	dst = AppendEscaped(dst, value)
	return append(dst, '\'')
}

// escapes holds what ASCII characters turn into, empty for those that stand for themselves.
// Tab and line feed are written as references too, so that they survive in attributes (XML 1.0 §3.3.3).
var escapes = func() (t [utf8.RuneSelf]string) {
	for c := range 0x20 {
		t[c] = "\uFFFD"
	}
	t['\t'], t['\n'], t['\r'] = "&#x9;", "&#xA;", "&#xD;"
	t['&'], t['<'], t['>'] = "&amp;", "&lt;", "&gt;"
	t['\''], t['"'] = "&apos;", "&quot;"
	return t
}()
