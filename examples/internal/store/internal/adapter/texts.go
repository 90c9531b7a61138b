package adapter

import "strings"

// textsSize is how many bytes of texts are kept together.
const textsSize = 64 << 10

// Texts copies many short texts in few allocations. Its zero value is ready.
//
// Whoever keeps one of them keeps all that were added about the same time.
type Texts struct{ b strings.Builder }

// Add returns a copy of b.
func (t *Texts) Add(b []byte) string {
	if t.b.Cap()-t.b.Len() < len(b) {
		t.b.Reset()
		t.b.Grow(max(textsSize, len(b)))
	}
	start := t.b.Len()
	t.b.Write(b)
	return t.b.String()[start:]
}
