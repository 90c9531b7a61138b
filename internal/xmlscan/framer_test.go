package xmlscan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// feed runs a framer over a stream that arrives in pieces of the given size, and returns the frames in words.
func feed(f *Framer, in string, piece int) (got []string, err error) {
	for len(in) > 0 {
		p := []byte(in[:min(piece, len(in))])
		in = in[len(p):]
		for len(p) > 0 {
			n, frame, err := f.Feed(p)
			if err != nil {
				return got, err
			}
			p = p[n:]
			switch frame.Kind {
			case Header:
				got = append(got, "header "+string(frame.Data))
			case Stanza:
				got = append(got, string(frame.Data[:frame.Head])+"|"+string(frame.Data[frame.Head:]))
			case Dropped:
				got = append(got, frame.Reason+" "+string(frame.Data))
			case Close:
				got = append(got, "close")
			}
		}
	}
	return got, nil
}

func TestFramer(t *testing.T) {
	big := strings.Repeat("x", 200)
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"header", "<?xml version='1.0'?>\n<s a='>'>", []string{"header <s a='>'>"}},
		{"stanzas", "<s> <a/>\n<b x='/>'>t</b><c></c></s>", []string{"header <s>", "<a/>|", "<b x='/>'>|t</b>", "<c>|</c>", "close"}},
		{"slash before quote", "<s><a x='/'></a>", []string{"header <s>", "<a x='/'>|</a>"}},
		{"nested", "<s><a><b/><b><c/></b></a>", []string{"header <s>", "<a>|<b/><b><c/></b></a>"}},
		{"CDATA", "<s><a><![CDATA[</a>]]]]></a>", []string{"header <s>", "<a>|<![CDATA[</a>]]]]></a>"}},
		{"comment around stanzas", "<s><!-- <a> --><b/>", []string{"header <s>", "<b/>|"}},
		{"comment inside", "<s><a x=''><!--></a>--></a><b/>", []string{"header <s>", "restricted XML <a x=''>", "<b/>|"}},
		{"instruction inside", "<s><a><?x </a>?></a><b/>", []string{"header <s>", "restricted XML <a>", "<b/>|"}},
		{"too large", "<s><a x='1'>" + big + "</a><b/>", []string{"header <s>", "too large <a x='1'>", "<b/>|"}},
		{"start tag too large", "<s><a x='" + big + "'><c/></a><b/>", []string{"header <s>", "too large ", "<b/>|"}},
		{"too deep", "<s><a y=''><a><a><a></a></a></a></a><b/>", []string{"header <s>", "too deep <a y=''>", "<b/>|"}},
		{"deep enough", "<s><a><a><a/></a></a><b/>", []string{"header <s>", "<a>|<a><a/></a></a>", "<b/>|"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for piece := 1; piece <= len(c.in); piece++ {
				got, err := feed(NewFramer(FrameLimits{Bytes: 100, Depth: 3}), c.in, piece)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestFramerRefuses(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"text before the header", "x<s>"},
		{"text between stanzas", "<s>x"},
		{"CDATA between stanzas", "<s><![CDATA[x]]>"},
		{"document type", "<!DOCTYPE s><s>"},
		{"document type inside", "<s><a><!DOCTYPE s></a>"},
		{"empty root", "<s/>"},
		{"end first", "</s>"},
		{"no name", "<s>< a/>"},
		{"header too large", "<s x='" + strings.Repeat("x", 200) + "'>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := feed(NewFramer(FrameLimits{Bytes: 100}), c.in, 3)
			require.ErrorIs(t, err, ErrSyntax)
		})
	}
}

func TestFramerRestart(t *testing.T) {
	f := NewFramer(FrameLimits{})
	got, err := feed(f, "<s><a/>", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"header <s>", "<a/>|"}, got)
	require.False(t, f.Partial())
	f.Restart()
	got, err = feed(f, "<?xml version='1.0'?><s><b", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"header <s>"}, got)
	require.True(t, f.Partial())
}

// FuzzFramer shows that the framer never holds more than its limit, that how the bytes arrive does not matter, and that
// whatever the scanner accepts is one frame.
func FuzzFramer(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		piece = max(1, piece&0xFF)
		lim := FrameLimits{Bytes: 1 << 16, Depth: DefaultDepth}
		in := "<s>" + string(b) + "</s>"
		one := NewFramer(lim)
		whole, err1 := feed(one, in, len(in))
		parts, err2 := feed(NewFramer(lim), in, piece)
		require.Equal(t, err1, err2)
		require.Equal(t, whole, parts)
		require.LessOrEqual(t, len(one.buf), lim.Bytes)

		if _, err := scanAll(b); err != nil {
			return
		}
		require.NoError(t, err1)
		require.Len(t, whole, 3)
		require.Equal(t, strings.ReplaceAll(strings.TrimSpace(string(b)), "|", ""), strings.ReplaceAll(whole[1], "|", ""))
		require.Equal(t, "close", whole[2])
	})
}
