package xep

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xmppgraph/xmppgraph/internal/xmlscan"
	"mellium.im/xmpp/stanza"
)

var update = flag.Bool("update", false, "write the outcomes of the test vectors")

// vector is a file of testdata, see the README there.
type vector struct {
	file    string
	comment []string
	headers [][2]string
	input   []byte
}

func loadVectors(t testing.TB, dir string) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	vectors := make([]vector, 0, len(files))
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		head, input, ok := bytes.Cut(b, []byte("\n\n"))
		require.True(t, ok, "%s has no blank line", file)
		v := vector{file: file, input: input}
		for line := range strings.Lines(string(head)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				v.comment = append(v.comment, line)
				continue
			}
			key, value, ok := strings.Cut(line, ": ")
			require.True(t, ok, "%s: header line %q", file, line)
			v.headers = append(v.headers, [2]string{key, value})
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func (v vector) name() string {
	return strings.TrimSuffix(filepath.Base(v.file), ".txt")
}

// check compares the outcome, or writes it.
func (v vector) check(t *testing.T, got [][2]string) {
	t.Helper()
	if !*update {
		require.Equal(t, v.headers, got)
		return
	}
	var b bytes.Buffer
	for _, line := range v.comment {
		b.WriteString(line + "\n")
	}
	for _, h := range got {
		b.WriteString(h[0] + ": " + h[1] + "\n")
	}
	b.WriteByte('\n')
	b.Write(v.input)
	require.NoError(t, os.WriteFile(v.file, b.Bytes(), 0o644))
}

func outcome(t *testing.T, err error) string {
	t.Helper()
	switch {
	case err == nil:
		return "accept"
	case errors.Is(err, ErrSyntax):
		return "syntax"
	case errors.Is(err, ErrNotServerInfo):
		return "other"
	case errors.Is(err, ErrLimit):
		return "limit"
	}
	// Faults that the parser of encoding/xml finds come with its own error.
	return "syntax"
}

func TestPayloadVectors(t *testing.T) {
	for _, v := range loadVectors(t, "payload") {
		t.Run(v.name(), func(t *testing.T) {
			before := bytes.Clone(v.input)
			info, err := Unmarshal(v.input)
			require.Equal(t, before, v.input, "the input was changed")
			got := [][2]string{{"outcome", outcome(t, err)}}
			for entry, decode := range entries {
				other, err := decode(v.input)
				require.Equal(t, got[0][1], outcome(t, err), entry)
				require.Equal(t, info, other, entry)
			}
			for entry, decode := range tokenEntries {
				other, err := decode(v.input)
				switch o := outcome(t, err); {
				case o != got[0][1] && len(got) == 1:
					got = append(got, [2]string{"tokens", o})
				case o != got[0][1]:
					require.Equal(t, got[1][1], o, entry)
				case info != nil:
					require.Equal(t, reduce(info), reduce(&other), entry)
				}
			}
			if info != nil {
				got = append(got, describe(t, info)...)
			}
			v.check(t, got)
		})
	}
}

// entries are the ways in for bytes.
var entries = map[string]func([]byte) (*ServerInfo, error){
	"Limits.Unmarshal": Limits{}.Unmarshal,
	"Decode within an item": func(b []byte) (*ServerInfo, error) {
		s := xmlscan.New([]byte("<item id='current'>"+string(b)+"</item>"), xmlscan.Limits{Depth: DefaultDepth + 1})
		depth := 1
		s.Next()
		if !s.Child(depth) {
			if s.Err() == nil {
				return nil, ErrSyntax
			}
			return nil, scanError(s.Err())
		}
		info, err := Decode(s, Limits{})
		if err != nil {
			return nil, err
		}
		// Only an item of one payload is the same input.
		for s.Next() {
			if s.Kind() == xmlscan.Start || s.Kind() == xmlscan.Text && len(bytes.TrimSpace(s.Text())) > 0 {
				return nil, ErrSyntax
			}
		}
		if s.Err() != nil {
			return nil, scanError(s.Err())
		}
		return info, nil
	},
}

// tokenEntries are the ways in for tokens.
var tokenEntries = map[string]func([]byte) (ServerInfo, error){
	"xml.Unmarshal": func(b []byte) (info ServerInfo, err error) {
		err = xml.Unmarshal(b, &info)
		return info, err
	},
	"within a stanza": func(b []byte) (ServerInfo, error) {
		var iq struct {
			stanza.IQ
			Info *ServerInfo `xml:",any"`
		}
		d := xml.NewDecoder(strings.NewReader("<iq xmlns='jabber:client' type='result' id='1'>" + string(b) + "</iq>"))
		if err := d.Decode(&iq); err != nil {
			return ServerInfo{}, err
		}
		if iq.Info == nil {
			return ServerInfo{}, ErrSyntax
		}
		return *iq.Info, nil
	},
}

// reduce leaves out what tokens don't tell: how the XML of an extension was written.
func reduce(si *ServerInfo) ServerInfo {
	out := *si
	out.Extensions = reduceExtensions(out.Extensions)
	out.Domains = nil
	for _, d := range si.Domains {
		d.Extensions = reduceExtensions(d.Extensions)
		out.Domains = append(out.Domains, d)
	}
	return out
}

func reduceExtensions(extensions []Extension) []Extension {
	var out []Extension
	for _, e := range extensions {
		out = append(out, Extension{Space: e.Space, Local: e.Local})
	}
	return out
}

// describe returns the outcome of an accepted payload, having tried every way out.
func describe(t *testing.T, info *ServerInfo) [][2]string {
	t.Helper()
	var value bytes.Buffer
	e := json.NewEncoder(&value)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(summarize(info)))
	got := [][2]string{{"value", strings.TrimSpace(value.String())}}
	for _, d := range info.Validate() {
		require.NotEmpty(t, d.Message)
		got = append(got, [2]string{"deviation", string(d.Level) + " " + string(d.Code) + " " + d.Path})
	}
	publish := "yes"
	if b, err := Marshal(info); err == nil {
		requireRoundTrip(t, info, b)
	} else {
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid)
		publish = "no"
	}
	canonical := "-"
	if b, err := Marshal(info.Canonical()); err == nil {
		canonical = string(b)
		requireRoundTrip(t, info.Canonical(), b)
		requireTokens(t, info.Canonical())
	} else {
		require.Empty(t, info.Canonical().Domains)
	}
	return append(got, [2]string{"publish", publish}, [2]string{"canonical", canonical})
}

// requireRoundTrip checks that b decodes to the same value.
func requireRoundTrip(t testing.TB, info *ServerInfo, b []byte) {
	t.Helper()
	want := *info
	want.Ignored = nil
	back, err := Limits{Bytes: 16 << 20, ExtensionBytes: 16 << 20}.Unmarshal(b)
	require.NoError(t, err, "%s", b)
	require.Equal(t, &want, back, "%s", b)
}

// requireTokens checks that every token based way out says the same.
func requireTokens(t testing.TB, info *ServerInfo) {
	t.Helper()
	want := reduce(info)
	want.Ignored = nil
	marshalled, err := xml.Marshal(info)
	require.NoError(t, err)
	back, err := Unmarshal(marshalled)
	require.NoError(t, err, "%s", marshalled)
	require.Equal(t, want, reduce(back), "%s", marshalled)

	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	_, err = info.WriteXML(e)
	require.NoError(t, err)
	require.NoError(t, e.Flush())
	require.Equal(t, string(marshalled), b.String())

	var direct ServerInfo
	require.NoError(t, xml.NewTokenDecoder(info.TokenReader()).Decode(&direct))
	require.Equal(t, want, reduce(&direct))
}

type summary struct {
	Domains    []domainSummary  `json:"domains"`
	Software   *softwareSummary `json:"software,omitempty"`
	Extensions []string         `json:"extensions,omitempty"`
}

type domainSummary struct {
	Name       string           `json:"name"`
	Federation []remoteSummary  `json:"federation"`
	Users      *uint64          `json:"users,omitempty"`
	Software   *softwareSummary `json:"software,omitempty"`
	Extensions []string         `json:"extensions,omitempty"`
}

type remoteSummary struct {
	Name        string      `json:"name,omitempty"`
	Connections []Direction `json:"connections,omitempty"`
}

type softwareSummary struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	OS      string `json:"os,omitempty"`
}

func summarize(info *ServerInfo) summary {
	s := summary{Domains: []domainSummary{}, Software: (*softwareSummary)(info.Software), Extensions: summarizeExtensions(info.Extensions)}
	for _, d := range info.Domains {
		ds := domainSummary{Name: d.Name, Users: d.ActiveUsers, Software: (*softwareSummary)(d.Software), Extensions: summarizeExtensions(d.Extensions)}
		if d.Federation != nil {
			ds.Federation = []remoteSummary{}
			for _, r := range d.Federation.RemoteDomains {
				rs := remoteSummary{Name: r.Name}
				for _, c := range r.Connections {
					rs.Connections = append(rs.Connections, c.Direction)
				}
				ds.Federation = append(ds.Federation, rs)
			}
		}
		s.Domains = append(s.Domains, ds)
	}
	return s
}

func summarizeExtensions(extensions []Extension) []string {
	var out []string
	for _, e := range extensions {
		out = append(out, string(e.XML))
	}
	return out
}

func TestFormVectors(t *testing.T) {
	for _, v := range loadVectors(t, "form") {
		t.Run(v.name(), func(t *testing.T) {
			var forms []Form
			for line := range bytes.Lines(v.input) {
				f, err := ParseForm(line)
				require.NoError(t, err)
				require.Equal(t, "result", f.Type)
				back, err := ParseForm(f.AppendXML(nil))
				require.NoError(t, err)
				require.Equal(t, f, back)
				forms = append(forms, f)
			}
			uri, err := FindNodeURI(forms)
			var bad *URIError
			switch {
			case err == nil:
				v.check(t, [][2]string{{"outcome", "node"}, {"service", uri.Service.String()}, {"node", uri.Node}})
			case errors.As(err, &bad):
				v.check(t, [][2]string{{"outcome", "unusable"}})
			default:
				require.ErrorIs(t, err, ErrNoForm)
				v.check(t, [][2]string{{"outcome", "none"}})
			}
		})
	}
}
