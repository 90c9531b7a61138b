package export

import (
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

const (
	bufferSize = 32 << 10
	// flushAt leaves room for what is appended between two looks at the size.
	flushAt = bufferSize - 2<<10
)

// printer appends to a buffer and keeps the first error, so that writers read like the format they write.
type printer struct {
	w   io.Writer
	buf []byte
	err error
}

func (p *printer) flush() {
	if p.err == nil && len(p.buf) > 0 {
		_, p.err = p.w.Write(p.buf)
	}
	p.buf = p.buf[:0]
}

// check flushes when the buffer is nearly full, and reports whether there is any use in going on.
func (p *printer) check() bool {
	if len(p.buf) >= flushAt {
		p.flush()
	}
	return p.err == nil
}

// s appends a string as it is.
func (p *printer) s(s string) *printer {
	p.buf = append(p.buf, s...)
	return p
}

// n appends an integer.
func (p *printer) n(i int) *printer {
	p.buf = strconv.AppendInt(p.buf, int64(i), 10)
	return p
}

// f appends a coordinate with one decimal, which is finer than any screen; nothing that isn't a number gets out.
func (p *printer) f(v float64) *printer {
	p.buf = appendCoordinate(p.buf, v)
	return p
}

func appendCoordinate(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	r := math.Round(v * 10)
	if r == 0 {
		return append(b, '0') // and never "-0"
	}
	return strconv.AppendFloat(b, r/10, 'f', -1, 64)
}

// j appends a JSON string.
func (p *printer) j(s string) *printer {
	p.buf = appendJSON(p.buf, s)
	return p
}

const hexDigits = "0123456789abcdef"

// appendJSON escapes what JSON asks for, and also what would end a script element or a JavaScript string:
// these files are often pasted into pages.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) && !misleading(r) {
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, r)
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// misleading reports runes that reorder or hide the text around them, and line ends that only some readers know.
// They are all in the basic plane, so that one escape is enough.
func misleading(r rune) bool {
	switch {
	case r >= 0x80 && r < 0xa0, r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb:
		return true
	}
	return false
}

// b appends true or false.
func (p *printer) b(v bool) *printer {
	p.buf = strconv.AppendBool(p.buf, v)
	return p
}

// u appends an unsigned integer.
func (p *printer) u(v uint64) *printer {
	p.buf = strconv.AppendUint(p.buf, v, 10)
	return p
}
