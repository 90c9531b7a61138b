package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzEscapes has the readers of the standard library read back what was escaped.
func FuzzEscapes(f *testing.F) {
	for _, s := range []string{"", "plain.example", `"<>&'\`, "]]>", "\u202e\u2028", "\xff\x00", "=1+1", "a\r\n\tb", "🌐"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		require.NoError(t, json.Unmarshal(appendJSON(nil, s), &got))
		require.Equal(t, string([]rune(s)), got, "a bad byte is one U+FFFD")

		var x struct {
			A string `xml:"a,attr"`
			T string `xml:",chardata"`
		}
		esc := string(appendXML(nil, s))
		require.NoError(t, xml.Unmarshal([]byte(`<x a="`+esc+`">`+esc+`</x>`), &x))
		require.Equal(t, x.A, x.T)
		require.NotContains(t, esc, "]]>")

		p := &printer{}
		p.c(s).s(",").c("next").s("\r\n")
		rows, err := csv.NewReader(bytes.NewReader(p.buf)).ReadAll()
		require.NoError(t, err)
		if len(rows) > 0 {
			require.Len(t, rows[0], 2)
		}

		p = &printer{}
		quoted := string(p.g(s).buf)
		require.Equal(t, 2, strings.Count(quoted, `"`))
		require.False(t, strings.ContainsFunc(quoted, func(r rune) bool { return r >= 0x7f || r < 0x20 }))

		p = &printer{}
		quoted = strings.NewReplacer(`\\`, "", `\"`, "").Replace(string(p.d(s).buf))
		require.Equal(t, 2, strings.Count(quoted, `"`), "no quote ends a string of DOT early")
	})
}
