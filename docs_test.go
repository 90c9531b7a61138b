package xmppgraph_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/conformance"
)

// documents are all pages that a reader of the repository meets, without those that are bound to a directory of their own.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/README.md", "conformance/testdata/README.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.NotEmpty(t, all)
	return all
}

// The relative links of the documents lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	for _, name := range documents(t) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(name), m[1]))
			require.NoError(t, err, "%s links to a file that is not there", name)
		}
	}
}

// The protocol notes mention every conformance case, and none that does not exist.
func TestProtocolNotesNameTheCases(t *testing.T) {
	b, err := os.ReadFile("docs/protocol.md")
	require.NoError(t, err)
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:disco|service|node|item|privacy|payload|schema|publisher)-[a-z-]+)`").FindAllStringSubmatch(string(b), -1) {
		named[m[1]] = true
		_, ok := conformance.Lookup(m[1])
		require.True(t, ok, "docs/protocol.md names a case that does not exist: %s", m[1])
	}
	for _, c := range conformance.Catalogue() {
		require.True(t, named[c.ID], "docs/protocol.md does not mention %s", c.ID)
	}
}

// The Go of every document is formatted, and each line of it is compiled in a test or an example of this module.
func TestGoInDocuments(t *testing.T) {
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range found {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			sources.Write(b)
		}
	}
	blocks := 0
	for _, name := range documents(t) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, block := range goBlock.FindAllStringSubmatch(string(b), -1) {
			blocks++
			checkBlock(t, name, block[1], sources.String())
		}
	}
	require.NotZero(t, blocks)
}
