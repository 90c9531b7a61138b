package xmlscan

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"
)

// benchDoc is a reply of 90 KB, as a large publisher's.
func benchDoc() []byte {
	var b bytes.Buffer
	b.WriteString("<iq xmlns='jabber:client' type='result' from='a.example' id='1'><serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='a.example'><federation>")
	for i := range 800 {
		fmt.Fprintf(&b, "<remote-domain name='d%d.example'><connection type='incoming'/><connection type='outgoing'/></remote-domain>", i)
	}
	b.WriteString("</federation></domain></serverinfo></iq>")
	return b.Bytes()
}

// BenchmarkTokens compares the scanner, the framer and both ways in which encoding/xml reads the same bytes.
func BenchmarkTokens(b *testing.B) {
	doc := benchDoc()
	for _, c := range []struct {
		name string
		read func()
	}{
		{"scanner", func() {
			for s := New(doc, Limits{}); s.Next(); {
			}
		}},
		{"framer", func() { _, _, _ = NewInnerFramer(FrameLimits{}).Feed(doc) }},
		{"encoding-xml-raw", func() {
			for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
				if _, err := d.RawToken(); err != nil {
					return
				}
			}
		}},
		{"encoding-xml", func() {
			for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
				if _, err := d.Token(); err != nil {
					return
				}
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				c.read()
			}
		})
	}
}
