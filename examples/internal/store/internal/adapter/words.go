package adapter

import "github.com/xmppgraph/xmppgraph/xep"

// mostWords bounds how many words are remembered of each kind.
const mostWords = 1 << 20

// Words remembers what was parsed before. A name is in as many reports as it has neighbours: to parse and store it once
// makes a start several times as fast and small. Its zero value is ready. It is not for several goroutines at once.
type Words struct {
	names map[string]xep.Name
	texts map[string]string
}

func (w *Words) name(b []byte) (xep.Name, error) {
	if n, ok := w.names[string(b)]; ok {
		return n, nil
	}
	s := string(b)
	n, err := Name(s)
	if err == nil && len(w.names) < mostWords {
		if w.names == nil {
			w.names = make(map[string]xep.Name)
		}
		w.names[s] = n
	}
	return n, err
}

func (w *Words) text(b []byte) string {
	if s, ok := w.texts[string(b)]; ok || len(b) == 0 {
		return s
	}
	s := string(b)
	if len(w.texts) < mostWords {
		if w.texts == nil {
			w.texts = make(map[string]string)
		}
		w.texts[s] = s
	}
	return s
}
