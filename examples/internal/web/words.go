package web

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/xmppgraph/xmppgraph/xep"
)

// maxWords bounds what of a stranger's words is shown, in characters.
const maxWords = 200

// label is a name as a page shows it.
type label struct {
	xep.Name
	// Plain is the name in ASCII where that differs from what people read, since letters of other scripts can pass for Latin ones.
	Plain string
}

func labelOf(n xep.Name) label {
	l := label{Name: n}
	if n.Unicode() != n.String() {
		l.Plain = n.String()
	}
	return l
}

// count writes a number with separators between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted writes a number with what it counts.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

func when(t time.Time) string  { return t.UTC().Format("2006-01-02 15:04") }
func day(t time.Time) string   { return t.UTC().Format("2 January 2006") }
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// lines splits a text of several lines.
func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

// clean makes a stranger's words safe to look at: no control characters, none that turn the direction of what follows, and no end of it.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if n++; n > maxWords {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
