package conformance_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/conformance"
)

// sample has a result of every kind.
func sample(t *testing.T) *conformance.Report {
	t.Helper()
	r := &conformance.Report{
		Target: "shakespeare.lit", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: 1500 * time.Millisecond, OptedIn: true,
	}
	add := func(id string, s conformance.Status, message, remedy string, log ...conformance.Stanza) {
		c, ok := conformance.Lookup(id)
		require.True(t, ok, id)
		r.Results = append(r.Results, conformance.Result{Case: c, Status: s, Message: message, Remedy: remedy, Log: log})
	}
	add("disco-feature", conformance.Pass, "", "",
		conformance.Stanza{Sent: true, With: "shakespeare.lit", XML: "<query xmlns='http://jabber.org/protocol/disco#info'/>"},
		conformance.Stanza{With: "shakespeare.lit", Error: "no reply in time"})
	add("disco-form-single", conformance.Fail, `there are 2 forms of "x" # 1`, "Prosody: load one module\nejabberd: the other")
	add("node-first-level", conformance.Skip, "the service does not list the node", "")
	add("payload-extensions", conformance.NotApplicable, "no additional data", "")
	add("payload-direction", conformance.Fail, `"both" is not one of incoming, outgoing, bidi`, "")
	add("schema-federation", conformance.Fail, "domain[0]: has no federation element", "")
	return r
}

func golden(t *testing.T, name string, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	file := filepath.Join("testdata", "report", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
	return b.Bytes()
}

func TestText(t *testing.T) { golden(t, "sample.text", sample(t).WriteText) }

func TestTAP(t *testing.T) { golden(t, "sample.tap", sample(t).WriteTAP) }

func TestJUnit(t *testing.T) {
	b := golden(t, "sample.junit.xml", sample(t).WriteJUnit)
	wellFormed(t, b)
	var suites struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Failure    *struct{} `xml:"failure"`
				Skipped    *struct{} `xml:"skipped"`
				Properties []struct {
					Name string `xml:"name,attr"`
				} `xml:"properties>property"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(b, &suites))
	failures, skipped := 0, 0
	for _, c := range suites.Suite.Cases {
		require.Len(t, c.Properties, 5)
		if c.Failure != nil {
			failures++
		}
		if c.Skipped != nil {
			skipped++
		}
	}
	require.Equal(t, []int{6, 2, 3}, []int{suites.Suite.Tests, suites.Suite.Failures, suites.Suite.Skipped})
	require.Equal(t, []int{2, 3}, []int{failures, skipped})
}

func TestJSON(t *testing.T) {
	b := golden(t, "sample.json", sample(t).WriteJSON)
	var got map[string]any
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, false, got["conforms"])
	follows(t, got, schema(t))
}

func TestJSONWithoutResults(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, new(conformance.Report).WriteJSON(&b))
	var got map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	follows(t, got, schema(t))
	require.Equal(t, true, got["conforms"])
}

func schema(t *testing.T) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "report.schema.json"))
	require.NoError(t, err)
	var s map[string]any
	require.NoError(t, json.Unmarshal(b, &s))
	return s
}

// follows checks a value against the part of JSON Schema that the schema of reports uses.
func follows(t *testing.T, v any, s map[string]any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		require.Equal(t, "object", s["type"])
		known := s["properties"].(map[string]any)
		for _, name := range s["required"].([]any) {
			require.Contains(t, v, name)
		}
		for name, one := range v {
			require.Contains(t, known, name, "the schema does not have it")
			follows(t, one, known[name].(map[string]any))
		}
	case []any:
		require.Equal(t, "array", s["type"])
		for _, one := range v {
			follows(t, one, s["items"].(map[string]any))
		}
	case string:
		require.Equal(t, "string", s["type"])
		if values, ok := s["enum"].([]any); ok {
			require.Contains(t, values, v)
		}
	case float64:
		require.Equal(t, "integer", s["type"])
	case bool:
		require.Equal(t, "boolean", s["type"])
	}
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestStrict(t *testing.T) {
	r := sample(t)
	strict := r.Strict()
	require.Len(t, strict.Failed(conformance.Must), len(r.Failed(conformance.Must))+1)
	require.Len(t, r.Skipped(conformance.Must), 1, "the report itself stays as it is")
	require.Empty(t, strict.Skipped(conformance.Must))
}

// What a stranger sends can't lead a terminal astray.
func TestMessagesArePrintable(t *testing.T) {
	r, err := conformance.Payload([]byte("<serverinfo xmlns='urn:xmpp:serverinfo:0'><domain name='\u202e\u0085evil'/></serverinfo>"), "")
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.WriteText(&b))
	require.NotContains(t, b.String(), "\u202e")
	require.NotContains(t, b.String(), "\u0085")
}

// Nor can what others put into results, such as the names in a certificate.
func TestResultsOfOthersArePrintable(t *testing.T) {
	r := &conformance.Report{Target: "a\x1b.test"}
	for _, s := range []conformance.Status{conformance.Fail, conformance.Skip} {
		r.Results = append(r.Results, conformance.Result{Status: s, Message: "\x1b[2Jcovers\nok 9 - me", Remedy: "do\x1bthis\nand that"})
	}
	var b strings.Builder
	require.NoError(t, r.WriteText(&b))
	require.NoError(t, r.WriteTAP(&b))
	require.NotContains(t, b.String(), "\x1b")
	require.NotContains(t, b.String(), "\nok 9")
	require.Contains(t, b.String(), "→ and that")
}

// A writer that fails is not taken for one that did not.
func TestWriteErrors(t *testing.T) {
	r := sample(t)
	for name, write := range map[string]func(io.Writer) error{
		"text": r.WriteText, "json": r.WriteJSON, "junit": r.WriteJUnit, "tap": r.WriteTAP,
	} {
		require.Error(t, write(full{}), name)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }
