// Package metrics writes numbers in the text format of Prometheus, version 0.0.4.
package metrics

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ContentType is the media type of what [Write] writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// The kinds of a [Family].
const (
	Counter = "counter"
	Gauge   = "gauge"
)

// Family is all numbers of one name.
type Family struct {
	// Name is the full name; that of a counter ends in _total.
	Name string
	// Kind is Counter or Gauge.
	Kind string
	// Help says in a sentence what is counted.
	Help string
	// Samples are the numbers, with different labels.
	Samples []Sample
}

// Sample is one number.
type Sample struct {
	// Labels are pairs of a label's name and its value.
	Labels []string
	// Value is the number.
	Value float64
}

// One returns a family of a single number without labels.
func One(name, kind, help string, value float64) Family {
	return Family{Name: name, Kind: kind, Help: help, Samples: []Sample{{Value: value}}}
}

// Write writes families in their order, and leaves out those without samples.
// It makes all of the text first, so that a slow reader holds up nothing.
func Write(w io.Writer, families ...Family) error {
	var b bytes.Buffer
	for _, f := range families {
		if len(f.Samples) > 0 {
			f.write(&b)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Serve sends families as the answer to a request.
func Serve(w http.ResponseWriter, r *http.Request, families ...Family) {
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodHead {
		// An error here is the client's departure.
		_ = Write(w, families...)
	}
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func (f Family) write(b *bytes.Buffer) {
	b.WriteString("# HELP " + f.Name + " " + escapeHelp.Replace(f.Help) + "\n# TYPE " + f.Name + " " + f.Kind + "\n")
	for _, s := range f.Samples {
		b.WriteString(f.Name)
		open := "{"
		for i := 0; i+1 < len(s.Labels); i += 2 {
			b.WriteString(open + s.Labels[i] + `="` + escapeValue.Replace(s.Labels[i+1]) + `"`)
			open = ","
		}
		if open == "," {
			b.WriteByte('}')
		}
		b.WriteString(" " + strconv.FormatFloat(s.Value, 'g', -1, 64) + "\n")
	}
}
