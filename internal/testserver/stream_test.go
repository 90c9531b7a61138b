package testserver

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFramer(t *testing.T) {
	const stream = "<?xml version='1.0'?> <stream:stream a='>'>\n<a><b c=\"/>\"/>text</a> <d/>\n<e f='<'>&lt;</e></stream:stream>"
	want := []string{"<stream:stream a='>'>", "<a><b c=\"/>\"/>text</a>", "<d/>", "<e f='<'>&lt;</e>", "</stream:stream>"}
	for _, r := range []struct {
		name string
		r    io.Reader
	}{
		{"at once", strings.NewReader(stream)},
		{"one byte at a time", iotest.OneByteReader(strings.NewReader(stream))},
	} {
		t.Run(r.name, func(t *testing.T) {
			f := newFramer(r.r, 0)
			var got []string
			for {
				kind, frame, err := f.next()
				require.NoError(t, err)
				got = append(got, string(frame))
				if kind == frameClose {
					break
				}
			}
			require.Equal(t, want, got)
		})
	}
}

func TestTree(t *testing.T) {
	var tr tree
	n, err := tr.parse([]byte("<iq id='1&amp;2' xmlns:p='urn:p'><p:q xmlns='urn:d'><r/>a&#x41;&lt;</p:q><s/></iq>"), nsClient)
	require.NoError(t, err)
	require.True(t, n.is(nsClient, "iq"))
	require.Equal(t, "1&2", n.attr("id"))
	require.True(t, n.hasAttr("id"))
	require.False(t, n.hasAttr("nosuch"))
	q := n.first()
	require.True(t, q.is("urn:p", "q"))
	require.True(t, q.first().is("urn:d", "r"))
	require.True(t, q.next().is(nsClient, "s"), "the default namespace ends with its element")
	require.False(t, q.next().next().ok())
	require.Equal(t, "<r/>a&#x41;&lt;", string(q.inner()))
	require.Equal(t, "<s/>", string(n.child("s").raw()))
	require.Equal(t, "aA<&'\"&nosuch;", string(unescape([]byte("a&#65;&lt;&amp;&apos;&quot;&nosuch;"))))
	require.Equal(t, "a&lt;&gt;&amp;&apos;&quot;b", string(appendEscaped(nil, "a<>&'\"b")))
}

// FuzzStream feeds the reader what no trusted client sends: it must refuse or misread it, but neither panic nor grow without bounds.
func FuzzStream(f *testing.F) {
	f.Add([]byte("<stream:stream to='a'><iq type='get'><q xmlns='urn:q' a='b'>&amp;</q></iq></stream:stream>"))
	f.Add([]byte("<a><a b='c'/></a></a><!x><?y?>"))
	f.Add([]byte("<a =''/>< /></>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := newFramer(bytes.NewReader(b), 1<<16)
		var tr tree
		for range len(b) + 1 {
			kind, frame, err := fr.next()
			if err != nil {
				return
			}
			if kind != frameStanza {
				continue
			}
			n, err := tr.parse(frame, nsClient)
			if err != nil {
				continue
			}
			require.LessOrEqual(t, len(n.raw()), len(frame))
			for k := n.first(); k.ok(); k = k.next() {
				_, _, _ = k.text(), k.attr("id"), k.raw()
			}
		}
		t.Fatal("more frames than bytes")
	})
}
