package xep

import (
	"strings"
	"unicode"
)

// lookalikes are the small letters of other scripts that pass for Latin ones, or parts of such.
const lookalikes = "асԁеһіјӏорԛѕԝхуүѵьгп" + "αικνορτυχ" + "օսհոզց"

// mixable are the scripts that have them.
var mixable = []*unicode.RangeTable{unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic}

// passesForLatin tells whether a label of a name could be taken for one with Latin letters.
func passesForLatin(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		latin, mixed, alike := false, false, true
		for _, r := range label {
			switch {
			case unicode.Is(unicode.Latin, r):
				latin = true
			case unicode.In(r, mixable...):
				mixed = true
				alike = alike && strings.ContainsRune(lookalikes, r)
			case unicode.IsLetter(r):
				alike = false
			}
		}
		if mixed && (latin || alike) {
			return true
		}
	}
	return false
}
