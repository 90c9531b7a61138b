package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/xmppgraph/xmppgraph"

// rooms lists for each room those that it may import, from the ground up.
// A new package fails the test until it has a line here, so that somebody thinks about where it belongs.
var rooms = map[string][]string{
	"internal/xmlscan":            nil,
	"xep":                         {"internal/xmlscan"},
	"graph":                       {"xep"},
	"graph/layout":                {"graph", "xep"},
	"graph/export":                {"graph", "graph/layout", "xep"},
	"internal/roundtrip":          {"internal/xmlscan"},
	"internal/disco":              {"internal/roundtrip", "internal/xmlscan", "xep"},
	"connect":                     {"internal/roundtrip", "internal/xmlscan"},
	"optin":                       {"internal/disco", "internal/roundtrip", "internal/xmlscan", "xep"},
	"pubsub":                      {"internal/disco", "internal/roundtrip", "internal/xmlscan", "xep"},
	"report":                      {"internal/disco", "internal/roundtrip", "internal/xmlscan", "optin", "pubsub", "xep"},
	"crawl":                       {"graph", "internal/disco", "internal/roundtrip", "internal/xmlscan", "optin", "pubsub", "xep"},
	"crawl/storetest":             {"crawl", "graph", "xep"},
	"conformance/peer":            {"internal/roundtrip", "internal/testserver", "internal/xmlscan", "xep"},
	"conformance":                 {"conformance/peer", "connect", "crawl", "graph", "internal/disco", "internal/roundtrip", "internal/xmlscan", "optin", "pubsub", "report", "xep"},
	"conformance/conformancetest": {"conformance"},
	"internal/testserver":         {"internal/xmlscan", "xep"},
	"internal/leak":               nil,
	"internal/house":              nil,
	"internal/integration":        nil,
	"":                            nil, // the map of the house
}

// testOnly are the rooms that tests import and programs do not: these may use the package testing with its flags, and testify with its HTTP assertions.
var testOnly = []string{"conformance/conformancetest", "crawl/storetest", "internal/integration", "internal/leak", "internal/testserver"}

// forbidden lists what no room may depend on, however indirectly, with the importers that we have to put up with.
var forbidden = map[string][]string{
	"database/sql": nil,
	"flag":         nil,
	// Neither of these makes anything of ours speak HTTP: mellium's dialler can look up host-meta, which we never ask for,
	// and x/net/publicsuffix names a type of cookiejar so that it can serve as that package's list.
	"net/http": {"mellium.im/xmpp/internal/discover", "net/http/cookiejar"},
}

// listed is the part of `go list -json` that the rules need.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// list asks the go command about the library's packages and all that they depend on.
func list(t *testing.T) (own []listed, all map[string]listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "./...")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	all = map[string]listed{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		all[p.ImportPath] = p
		if isOwn(p.ImportPath) {
			own = append(own, p)
		}
	}
	require.NotEmpty(t, own)
	return own, all
}

func isOwn(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func room(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func TestRoomsImportOnlyRoomsBelow(t *testing.T) {
	own, _ := list(t)
	for _, p := range own {
		name := room(p.ImportPath)
		may, ok := rooms[name]
		if !ok {
			t.Errorf("%s is not in the table of rooms", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if isOwn(i) && !slices.Contains(may, room(i)) {
				t.Errorf("%s imports %s, which is not below it", name, room(i))
			}
		}
	}
}

// TestTableHasNoCycle makes sure that the table itself says "below" and nothing else.
func TestTableHasNoCycle(t *testing.T) {
	var below func(name string, path []string)
	below = func(name string, path []string) {
		require.NotContains(t, path, name, "cycle")
		for _, n := range rooms[name] {
			require.Contains(t, rooms, n)
			below(n, append(slices.Clone(path), name))
		}
	}
	for name := range rooms {
		below(name, nil)
	}
}

func TestNoDatabaseServerOrFlags(t *testing.T) {
	own, all := list(t)
	for _, p := range own {
		for what, excused := range forbidden {
			if what != "database/sql" && slices.Contains(testOnly, room(p.ImportPath)) {
				continue
			}
			for _, dep := range append(slices.Clone(p.Deps), p.ImportPath) {
				if slices.Contains(all[dep].Imports, what) && !slices.Contains(excused, dep) {
					t.Errorf("%s depends on %s through %s", p.ImportPath, what, dep)
				}
			}
		}
	}
}
