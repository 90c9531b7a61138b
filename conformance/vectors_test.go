package conformance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"mellium.im/xmpp/jid"

	"github.com/xmppgraph/xmppgraph/conformance"
	"github.com/xmppgraph/xmppgraph/conformance/peer"
)

var update = flag.Bool("update", false, "write the outcomes of the test vectors and the catalogue")

// vector is a file of testdata, see the README there.
type vector struct {
	file     string
	comments []string
	domain   string
	outcome  []string
	input    []byte
}

func readVector(t testing.TB, file string) vector {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	head, input, ok := bytes.Cut(b, []byte("\n\n"))
	require.True(t, ok, "%s has no blank line", file)
	v := vector{file: file, input: input}
	for line := range strings.SplitSeq(string(head), "\n") {
		domain, isDomain := strings.CutPrefix(line, "domain: ")
		switch {
		case strings.HasPrefix(line, "#"):
			v.comments = append(v.comments, line)
		case isDomain:
			v.domain = domain
		default:
			v.outcome = append(v.outcome, line)
		}
	}
	return v
}

func vectors(t testing.TB, dir string) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []vector
	for _, f := range files {
		all = append(all, readVector(t, f))
	}
	return all
}

// check compares the outcome, or writes it.
func (v vector) check(t *testing.T, r *conformance.Report, cases func(conformance.Case) bool) {
	t.Helper()
	got := []string{"conforms: " + map[bool]string{true: "yes", false: "no"}[r.Conforms()]}
	for _, one := range r.Results {
		if cases(one.Case) && (one.Status == conformance.Fail || one.Status == conformance.Skip) {
			got = append(got, string(one.Status)+": "+one.ID)
		}
	}
	if !*update {
		require.Equal(t, v.outcome, got)
		return
	}
	lines := slices.Concat(v.comments, []string{"domain: " + v.domain}, got)
	require.NoError(t, os.WriteFile(v.file, append([]byte(strings.Join(lines, "\n")+"\n\n"), v.input...), 0o644))
}

func TestPayloadVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors(t, "payload") {
		t.Run(filepath.Base(v.file), func(t *testing.T) {
			r, err := conformance.Payload(v.input, v.domain)
			require.NoError(t, err)
			v.check(t, r, func(conformance.Case) bool { return true })
			require.LessOrEqual(t, len(r.Failed(conformance.Must)), 1, "a vector is about one thing")
			for _, one := range r.Results {
				seen[one.ID] = seen[one.ID] || one.Status == conformance.Fail
			}
		})
	}
	for _, c := range conformance.Catalogue() {
		if c.Needs == conformance.NeedPayload && c.Level != conformance.May && !seen[c.ID] {
			t.Errorf("no vector fails %s", c.ID)
		}
	}
}

// The input is the answer to disco#info of the domain, and everything else is in order.
func TestDomainVectors(t *testing.T) {
	for _, v := range vectors(t, "domain") {
		t.Run(filepath.Base(v.file), func(t *testing.T) {
			n := domainNetwork(t, "")
			n.Override = func(to, payload string) (string, bool) {
				return string(v.input), to == v.domain && strings.Contains(payload, "disco#info")
			}
			r := run(t, n.Session(jid.MustParse("me.test")), v.domain)
			v.check(t, r, func(c conformance.Case) bool { return strings.HasPrefix(c.ID, "disco-") })
		})
	}
}

// catalogue.json is the catalogue for programs in other languages.
func TestCatalogueFile(t *testing.T) {
	want, err := json.MarshalIndent(conformance.Catalogue(), "", "  ")
	require.NoError(t, err)
	want = append(want, '\n')
	file := filepath.Join("testdata", "catalogue.json")
	if *update {
		require.NoError(t, os.WriteFile(file, want, 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conformance.Catalogue() {
		require.False(t, seen[c.ID], c.ID)
		seen[c.ID] = true
		require.Regexp(t, `^[a-z-]+$`, c.ID)
		require.Contains(t, []conformance.Level{conformance.Must, conformance.Should, conformance.May, conformance.Schema}, c.Level, c.ID)
		require.Contains(t, c.Section, "§", c.ID)
		require.Regexp(t, `^[A-Z].*\.$`, c.Sentence, c.ID)
		got, ok := conformance.Lookup(c.ID)
		require.True(t, ok)
		require.Equal(t, c, got)
	}
	_, ok := conformance.Lookup("no-such-case")
	require.False(t, ok)
	require.Len(t, peer.Behaviours(), 13)
}

func FuzzPayload(f *testing.F) {
	for _, v := range vectors(f, "payload") {
		if len(v.input) < 4096 {
			f.Add(v.input, v.domain)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, domain string) {
		r, err := conformance.Payload(b, domain)
		if err != nil {
			require.Nil(t, r)
			return
		}
		var out bytes.Buffer
		require.NoError(t, r.WriteText(&out))
		require.NoError(t, r.WriteTAP(&out))
		out.Reset()
		require.NoError(t, r.WriteJSON(&out))
		require.True(t, json.Valid(out.Bytes()))
		out.Reset()
		require.NoError(t, r.WriteJUnit(&out))
		wellFormed(t, out.Bytes())
	})
}

// The vectors of package xep come to the same verdict: what violates a MUST or can't be read does not conform.
func TestCodecVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "xep", "testdata", "payload", "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			head, input, _ := strings.Cut(string(b), "\n\n")
			want := strings.Contains(head, "outcome: accept") && !strings.Contains(head, "deviation: MUST")
			r, err := conformance.Payload([]byte(input), "")
			require.NoError(t, err)
			require.Equal(t, want, r.Conforms(), "%v", r.Results)
		})
	}
}
