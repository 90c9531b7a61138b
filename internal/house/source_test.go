package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root     = "../.."
	maxLines = 500
)

// source is one Go file of either module.
type source struct {
	path  string // from the root, with slashes
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func (s source) room() string { return filepath.ToSlash(filepath.Dir(s.path)) }

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// sources parses every Go file, whatever its build tags.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, source{filepath.ToSlash(rel), bytes.Count(text, []byte("\n")), fset, file})
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxLines && !ast.IsGenerated(s.file) {
			t.Errorf("%s has %d lines, more than %d: is it one thing?", s.path, s.lines, maxLines)
		}
	}
}

func TestPackagesHaveAComment(t *testing.T) {
	seen, documented := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		seen[s.room()] = true
		documented[s.room()] = documented[s.room()] || s.file.Doc != nil
	}
	for dir := range seen {
		if !documented[dir] {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", s.at(d), name)
			}
		}
	}
}

// undocumented lists the exported names that a declaration introduces without a comment.
// Inside a group of constants or variables the comment of the group is enough.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && receiverExported(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(d)
	}
	return nil
}

func undocumentedSpecs(d *ast.GenDecl) []string {
	var out []string
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
				out = append(out, spec.Name.Name)
			}
		case *ast.ValueSpec:
			if spec.Names[0].IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
				out = append(out, spec.Names[0].Name)
			}
		}
	}
	return out
}

// go doc prints the value of an exported variable, and nobody wants to read code there.
func TestExportedValuesHoldNoCode(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if ok && v.Names[0].IsExported() && holdsCode(v) {
					t.Errorf("%s: the value of %s holds a function", s.at(v), v.Names[0].Name)
				}
			}
		}
	}
}

func holdsCode(v *ast.ValueSpec) (found bool) {
	for _, value := range v.Values {
		ast.Inspect(value, func(n ast.Node) bool {
			_, is := n.(*ast.FuncLit)
			found = found || is
			return !found
		})
	}
	return found
}

// receiverExported is true for functions too.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := true
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && n != nil {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

// iqMethods are mellium's ways to send an IQ and wait for the reply.
var iqMethods = []string{
	"SendIQ", "SendIQElement", "EncodeIQ", "EncodeIQElement", "IterIQ", "IterIQElement", "UnmarshalIQ", "UnmarshalIQElement",
}

// iqRooms may call them: the one place for round trips, and the session that is underneath it.
var iqRooms = []string{"internal/roundtrip", "connect"}

func TestOnlyRoundtripSendsIQs(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || slices.Contains(iqRooms, s.room()) {
			continue
		}
		for _, d := range s.file.Decls {
			for _, call := range iqCalls(d) {
				t.Errorf("%s sends an IQ: only internal/roundtrip may", s.at(call))
			}
		}
	}
}

// iqCalls lists the calls of a declaration that send an IQ.
// A session that wraps another one passes the call of the same name on, and sends nothing of its own.
func iqCalls(d ast.Decl) []ast.Node {
	wraps := ""
	if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
		wraps = f.Name.Name
	}
	var out []ast.Node
	ast.Inspect(d, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if ok && sel.Sel.Name != wraps && slices.Contains(iqMethods, sel.Sel.Name) {
			out = append(out, call)
		}
		return true
	})
	return out
}

// iqPackages are the packages of mellium whose functions send an IQ behind the caller's back.
// Their types, constants and Handle functions, which only answer, are welcome.
var iqPackages = []string{
	"mellium.im/xmpp/commands", "mellium.im/xmpp/disco", "mellium.im/xmpp/ping", "mellium.im/xmpp/pubsub", "mellium.im/xmpp/roster",
	"mellium.im/xmpp/version", "mellium.im/xmpp/xtime",
}

func TestNobodyCallsHelpersThatSendIQs(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.room() == "internal/roundtrip" {
			continue
		}
		helpers := map[string]bool{}
		for _, i := range s.file.Imports {
			full := strings.Trim(i.Path.Value, `"`)
			if !slices.Contains(iqPackages, full) {
				continue
			}
			name := path.Base(full)
			if i.Name != nil {
				name = i.Name.Name
			}
			helpers[name] = true
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && callsHelper(call, helpers) {
				t.Errorf("%s sends an IQ through mellium's helper: only internal/roundtrip may", s.at(call))
			}
			return true
		})
	}
}

func callsHelper(call *ast.CallExpr, helpers map[string]bool) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name == "Handle" {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && helpers[id.Name]
}
