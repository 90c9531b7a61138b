package chat

import (
	"strconv"
	"strings"
	"unicode"
)

// What is always said in the same words.
const (
	unknownDomain  = "I know nothing of that domain."
	noPath         = "I know of no way between these two."
	notAName       = "That is not a domain name."
	oneName        = "Give me one domain."
	twoNames       = "Give me two domains."
	nothingYet     = "I know of no domain yet."
	tooLong        = "That is too long for me."
	unknownCommand = "I don't understand that. Say: help"
	slowly         = "Slowly, please: I'll answer again in a minute."

	helpText = `I know which XMPP servers say that they are connected (XEP-0485). Ask me:
is DOMAIN there?
neighbours DOMAIN
path DOMAIN DOMAIN
newest, largest, stats
tell me when DOMAIN joins or leaves
watches, unwatch NUMBER
Only domains that agreed to it are named; of all others I say nothing.`
)

// maxSoftware is how much is repeated of what a domain calls its server, in characters.
const maxSoftware = 40

// clean makes one line of what strangers wrote, the first that says anything: no control, no invisible and no
// direction-changing characters.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, "\n\r\u2028\u2029\u0085"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		}
		return r
	}, s))
}

// plain is clean for what is repeated: without what can be stacked on one character without end, and without letters that
// are written from right to left and take what stands beside them along.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) || unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko) {
			return -1
		}
		return r
	}, clean(s)))
}

// clip cuts after so many characters.
func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// number writes n with a comma between thousands.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// maxNick is how much of a name in a room is repeated, in characters.
const maxNick = 40

// Nick makes a name in a room fit to be repeated there.
func Nick(s string) string { return clip(plain(s), maxNick) }
