//go:build integration

package export_test

// These tests need Debian's python3-networkx, python3-igraph and graphviz, and nodejs with npm,
// which fetches graphology, graphology-gexf, graphology-graphml, cytoscape, d3-force and vis-data.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xmppgraph/xmppgraph/graph"
	"github.com/xmppgraph/xmppgraph/graph/export"
	"github.com/xmppgraph/xmppgraph/xep"
)

// need skips a test that lacks a reader, and fails it where all readers should be there.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing", what)
}

// python is Debian's, because another one that comes first in the path doesn't know Debian's packages.
func python(t *testing.T, module string) string {
	t.Helper()
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import "+module).Run() == nil {
			return p
		}
	}
	need(t, false, "Python's "+module)
	return ""
}

// npm holds the readers of JavaScript, installed once for all tests.
var npm = struct {
	once sync.Once
	dir  string
	err  error
}{}

func nodeModules(t *testing.T) string {
	t.Helper()
	_, err := exec.LookPath("npm")
	need(t, err == nil, "npm")
	npm.once.Do(func() {
		if npm.dir, npm.err = os.MkdirTemp("", "xmppgraph-readers-"); npm.err != nil {
			return
		}
		if npm.err = os.WriteFile(filepath.Join(npm.dir, "package.json"), []byte(`{"private":true}`), 0o600); npm.err != nil {
			return
		}
		cmd := exec.Command("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
			"graphology@0.26.0", "graphology-gexf@0.13.2", "graphology-graphml@0.5.2", "cytoscape@3.34.4", "@xmldom/xmldom@0.8.15",
			"d3-force@3.0.0", "vis-data@8.0.6")
		cmd.Dir = npm.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			npm.err = fmt.Errorf("npm install: %w: %s", err, out)
		}
	})
	if npm.err != nil {
		t.Log(npm.err)
	}
	need(t, npm.err == nil, "what npm installs")
	return npm.dir
}

func TestMain(m *testing.M) {
	code := m.Run()
	if npm.dir != "" {
		_ = os.RemoveAll(npm.dir)
	}
	os.Exit(code)
}

// read is what a reader has understood.
type read struct {
	Nodes map[string]map[string]string
	Edges [][3]any
}

// reader is one way to read a format back.
type reader struct {
	name   string
	format *export.Format
	run    func(t *testing.T, path string) *exec.Cmd
	// text is what becomes of a text that the format can't hold as it is.
	text func(string) string
	// without are attributes that the format or the reader has no place for, and rename those that it calls otherwise.
	without []string
	rename  map[string]string
	// numbers is set where readers make numbers of booleans.
	numbers bool
	// references is set where readers leave character references to their users.
	references bool
	// prototypes is set where readers take a node for a part of JavaScript's objects.
	prototypes bool
}

func inPython(module, function string) func(t *testing.T, path string) *exec.Cmd {
	return func(t *testing.T, path string) *exec.Cmd {
		return exec.Command(python(t, module), "testdata/readers.py", function, path)
	}
}

func inNode(name string) func(t *testing.T, path string) *exec.Cmd {
	return func(t *testing.T, path string) *exec.Cmd {
		return exec.Command("node", "testdata/readers.mjs", nodeModules(t), name, path)
	}
}

func inGraphviz(t *testing.T, path string) *exec.Cmd {
	_, err := exec.LookPath("dot")
	need(t, err == nil, "graphviz")
	return inPython("json", "graphviz_dot")(t, path)
}

// inXML is what XML leaves of a text.
func inXML(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && !strings.ContainsRune("\t\n\r", r) || r == 0xfffe || r == 0xffff {
			return 0xfffd
		}
		return r
	}, s)
}

// inGML is what character references can stand for.
func inGML(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && !strings.ContainsRune("\t\n\r", r) {
			return 0xfffd
		}
		return r
	}, s)
}

func asIs(s string) string { return s }

// visible is a text without what reorders or hides.
func visible(keep string) func(string) string {
	return func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 0x20 && !strings.ContainsRune(keep, r) || strings.ContainsRune("\u202e\u2066\u2028\u2029", r) {
				return 0xfffd
			}
			return r
		}, s)
	}
}

// inDOT doubles backslashes, without which one at the end would quote the quote; only labels make one of two again.
func inDOT(s string) string { return strings.ReplaceAll(visible("")(s), `\`, `\\`) }

func inCSV(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		s = "'" + s
	}
	return visible("\t\r\n")(s)
}

var gmlNames = map[string]string{"source_says": "sourceSays", "target_says": "targetSays", "label": "display"}

func readers() []reader {
	bare := []string{"label", "reporting", "unnamed", "software", "version", "users", "first", "last", "state", "source_says", "target_says"}
	old := slices.DeleteFunc(slices.Clone(bare), func(a string) bool { return a == "label" })
	return []reader{
		{name: "vis", format: export.OldSite, run: inNode("vis"), text: asIs, without: old, prototypes: true},
		{name: "vis", format: export.Vis, run: inNode("vis"), text: asIs, prototypes: true},
		{name: "d3", format: export.OldSite3D, run: inNode("d3"), text: asIs, without: old},
		{name: "d3", format: export.D3, run: inNode("d3"), text: asIs},
		{name: "networkx", format: export.GEXF, run: inPython("networkx", "networkx_gexf"), text: inXML},
		{name: "networkx", format: export.GraphML, run: inPython("networkx", "networkx_graphml"), text: inXML},
		// It makes numbers of texts that look like one.
		{name: "networkx", format: export.GML, run: inPython("networkx", "networkx_gml"), text: inGML, rename: gmlNames, numbers: true},
		{name: "networkx", format: export.NodeLink, run: inPython("networkx", "networkx_nodelink"), text: asIs},
		{name: "networkx", format: export.Cytoscape, run: inPython("networkx", "networkx_cytoscape"), text: asIs, without: []string{"x", "y"}, rename: map[string]string{"label": "name"}},
		{name: "networkx", format: export.Pajek, run: inPython("networkx", "networkx_pajek"), text: asIs, without: bare},
		{name: "igraph", format: export.GraphML, run: inPython("igraph", "igraph_graphml"), text: inXML},
		{name: "igraph", format: export.GML, run: inPython("igraph", "igraph_gml"), text: inGML, rename: gmlNames, numbers: true, references: true, without: []string{"x", "y"}},
		{name: "igraph", format: export.Pajek, run: inPython("igraph", "igraph_pajek"), text: asIs, without: bare},
		{name: "graphviz", format: export.DOT, run: inGraphviz, text: inDOT, without: []string{"x", "y"}},
		{name: "csv", format: export.CSVNodes, run: inPython("csv", "python_csv"), text: inCSV},
		{name: "graphology", format: export.Graphology, run: inNode("graphology"), text: asIs, prototypes: true},
		{name: "graphology", format: export.GEXF, run: inNode("gexf"), text: inXML, prototypes: true},
		{name: "graphology", format: export.GraphML, run: inNode("graphml"), text: inXML, prototypes: true},
		{name: "cytoscape", format: export.Cytoscape, run: inNode("cytoscape"), text: asIs, rename: map[string]string{"label": "name"}},
	}
}

// TestReaders has every export read by readers that know nothing of us.
func TestReaders(t *testing.T) {
	for _, r := range readers() {
		for name, s := range map[string]*graph.Snapshot{"hostile": hostile(), "small": small()} {
			t.Run(r.name+"/"+r.format.Name+"/"+name, func(t *testing.T) {
				if r.prototypes {
					s = s.View(graph.Exclude(xep.MustName("constructor"), xep.MustName("__proto__")))
				}
				dir := t.TempDir()
				o := export.Options{Places: places(t, s), Unnamed: export.AsNodes}
				path := filepath.Join(dir, r.format.Name)
				require.NoError(t, os.WriteFile(path, write(t, r.format, s, o), 0o600))
				require.NoError(t, os.WriteFile(filepath.Join(dir, "csv-edges"), write(t, export.CSVEdges, s, o), 0o600))
				cmd := r.run(t, path)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				require.NoError(t, err, stderr.String())
				var got read
				require.NoError(t, json.Unmarshal(out, &got))
				r.compare(t, s, o.Places, got)
			})
		}
	}
}

func (r *reader) compare(t *testing.T, s *graph.Snapshot, places export.Places, got read) {
	t.Helper()
	c := s.Counts()
	require.Len(t, got.Nodes, c.Domains+c.Unnamed)
	require.Len(t, got.Edges, c.Links+c.Unnamed)
	for i := range s.Len() {
		d := s.DomainAt(i)
		node, ok := got.Nodes[d.Name.String()]
		require.True(t, ok, d.Name)
		want := map[string]string{
			"label": d.Name.Unicode(), "reporting": strconv.FormatBool(d.Reporting), "unnamed": strconv.Itoa(d.Unnamed),
			"software": d.Software, "version": d.Version, "first": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z",
		}
		if d.Users != nil && *d.Users < 1<<53 {
			want["users"] = strconv.FormatUint(*d.Users, 10)
		}
		r.attributes(t, d.Name.String(), want, node)
		if !slices.Contains(r.without, "x") {
			x, y, _ := places.Place(i)
			require.InDelta(t, x, number(t, node["x"]), 0.051, d.Name)
			require.InDelta(t, y, math.Copysign(number(t, node["y"]), y), 0.051, "%s, with y in the direction of the format", d.Name)
		}
	}
	edges := map[[2]string]map[string]string{}
	for _, e := range got.Edges {
		a, b := e[0].(string), e[1].(string)
		attributes := map[string]string{}
		for k, v := range e[2].(map[string]any) {
			attributes[k] = v.(string)
		}
		edges[[2]string{min(a, b), max(a, b)}] = attributes
	}
	require.Len(t, edges, len(got.Edges), "no edge is there twice")
	for l := range s.Links() {
		e, ok := edges[[2]string{min(l.A.String(), l.B.String()), max(l.A.String(), l.B.String())}]
		require.True(t, ok, "%s %s", l.A, l.B)
		want := map[string]string{"state": l.State.String(), "first": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z"}
		if l.ByA.Made() {
			want["source_says"] = l.ByA.Directions.String()
		}
		if l.ByB.Made() {
			want["target_says"] = l.ByB.Directions.String()
		}
		r.attributes(t, l.A.String()+" "+l.B.String(), want, e)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}

func (r *reader) attributes(t *testing.T, of string, want, got map[string]string) {
	t.Helper()
	for k, v := range want {
		// An empty text is as good as none, and some readers make the one of the other.
		if slices.Contains(r.without, k) || v == "" {
			continue
		}
		if renamed, ok := r.rename[k]; ok {
			k = renamed
		}
		if k == "software" || k == "version" {
			v = r.text(string([]rune(v)))
		}
		if r.numbers && k == "reporting" {
			v = map[string]string{"true": "1", "false": "0"}[v]
		}
		have := got[k]
		if r.references {
			have = html.UnescapeString(have)
		}
		require.Equal(t, v, have, "%s of %s", k, of)
	}
}
