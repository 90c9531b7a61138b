package xep

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
)

// benchPayload is one domain with n named peers of two connections each, as servers send it.
func benchPayload(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<remote-domain name='server%d.example.org'><connection type='incoming'/><connection type='outgoing'/></remote-domain>", i)
	}
	return []byte(payload(b.String()))
}

// tagged is the payload for the struct tags of encoding/xml, to compare with.
type tagged struct {
	XMLName xml.Name `xml:"urn:xmpp:serverinfo:0 serverinfo"`
	Domains []struct {
		Name          string `xml:"name,attr"`
		RemoteDomains []struct {
			Name        string `xml:"name,attr"`
			Connections []struct {
				Type string `xml:"type,attr"`
			} `xml:"connection"`
		} `xml:"federation>remote-domain"`
	} `xml:"domain"`
}

func BenchmarkDecode(b *testing.B) {
	decoders := []struct {
		name   string
		decode func([]byte) error
	}{
		{"xep", func(in []byte) error {
			_, err := Limits{Bytes: 4 << 20}.Unmarshal(in)
			return err
		}},
		{"encoding-xml-tags", func(in []byte) error {
			var v tagged
			return xml.Unmarshal(in, &v)
		}},
		{"encoding-xml-tokens", func(in []byte) error {
			d := xml.NewDecoder(strings.NewReader(string(in)))
			for {
				if _, err := d.Token(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		}},
		{"scanner-tokens", func(in []byte) error {
			s := xmlscan.New(in, xmlscan.Limits{})
			for s.Next() {
				continue
			}
			return s.Err()
		}},
	}
	for _, n := range []int{800, 10_000} {
		in := benchPayload(n)
		for _, d := range decoders {
			b.Run(d.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					if err := d.decode(in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{800, 10_000} {
		in := benchPayload(n)
		info, err := Limits{Bytes: 4 << 20}.Unmarshal(in)
		require.NoError(b, err)
		var v tagged
		require.NoError(b, xml.Unmarshal(in, &v))
		buf := make([]byte, 0, 2*len(in))
		for _, e := range []struct {
			name   string
			encode func() error
		}{
			{"xep", func() error {
				_, err := info.AppendXML(buf[:0])
				return err
			}},
			{"encoding-xml-tags", func() error {
				_, err := xml.Marshal(&v)
				return err
			}},
		} {
			b.Run(e.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					if err := e.encode(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	in := benchPayload(800)
	info, err := Unmarshal(in)
	require.NoError(b, err)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if found := info.Validate(); found != nil {
			b.Fatal(found)
		}
	}
}

// The name of a peer is the one thing that has to be copied; the rest is shared or comes in slabs.
func TestUnmarshalAllocations(t *testing.T) {
	const n = 1000
	in := benchPayload(n)
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := Unmarshal(in); err != nil {
			t.Fatal(err)
		}
	})
	require.Less(t, allocs, 1.2*n)
}
