package adapter

import "strings"

// mostWords bounds how many words are remembered.
const mostWords = 1 << 16

// Words remembers what was read before: thousands of domains run the same few versions.
// Its zero value is ready. It is not for several goroutines at once.
type Words struct {
	texts map[string]string
}

// Text returns b as a string, the same one for the same text.
func (w *Words) Text(b []byte) string {
	if known, ok := w.texts[string(b)]; ok || len(b) == 0 {
		return known
	}
	return w.text(string(b))
}

// text returns a copy of s, the same one for the same text.
func (w *Words) text(s string) string {
	if known, ok := w.texts[s]; ok || s == "" {
		return known
	}
	s = strings.Clone(s)
	if len(w.texts) < mostWords {
		if w.texts == nil {
			w.texts = make(map[string]string)
		}
		w.texts[s] = s
	}
	return s
}
