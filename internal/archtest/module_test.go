package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is where go.mod is, seen from this package's folder.
const root = "../.."

// modulePath is the path of go.mod, with a slash at its end.
const modulePath = "github.com/dragoman-gateway/dragoman/"

// pkg is one package of the module, as go list sees it without its tests.
type pkg struct {
	Path    string // below the module: proxy/front
	Name    string
	Dir     string
	Imports []string // as they are written
	GoFiles []string
}

// local returns the imports from this module, without the module's path.
func (p *pkg) local() []string {
	var list []string
	for _, i := range p.Imports {
		if rest, ok := strings.CutPrefix(i, modulePath); ok {
			list = append(list, rest)
		}
	}
	return list
}

// foreign returns the imports of other modules.
func (p *pkg) foreign() []string {
	var list []string
	for _, i := range p.Imports {
		if first, _, _ := strings.Cut(i, "/"); strings.Contains(first, ".") && !strings.HasPrefix(i, modulePath) {
			list = append(list, i)
		}
	}
	return list
}

// standard returns the imports of the standard library.
func (p *pkg) standard() []string {
	var list []string
	for _, i := range p.Imports {
		if first, _, _ := strings.Cut(i, "/"); !strings.Contains(first, ".") {
			list = append(list, i)
		}
	}
	return list
}

// support reports whether p is for tests only, such as a conformance suite.
func (p *pkg) support() bool { return slices.Contains(p.Imports, "testing") }

// module is everything that go list tells of the module.
type module struct {
	pkgs    []*pkg
	exports map[string]string // import path -> file with the types of the package
}

var listed = sync.OnceValues(func() (*module, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Name,Dir,Imports,GoFiles,Export", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(string(exit.Stderr))
		}
		return nil, err
	}
	m := &module{exports: make(map[string]string)}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath, Name, Dir, Export string
			Imports, GoFiles              []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return m, nil
		} else if err != nil {
			return nil, err
		}
		m.exports[p.ImportPath] = p.Export
		if rest, ok := strings.CutPrefix(p.ImportPath, modulePath); ok && len(p.GoFiles) > 0 {
			m.pkgs = append(m.pkgs, &pkg{Path: rest, Name: p.Name, Dir: p.Dir, Imports: p.Imports, GoFiles: p.GoFiles})
		}
	}
})

func load(t *testing.T) *module {
	t.Helper()
	m, err := listed()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(m.pkgs) < 10 {
		t.Fatalf("go list found only %d packages", len(m.pkgs))
	}
	return m
}

// typed is a package with its syntax and its types.
type typed struct {
	*pkg
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

var checked = sync.OnceValues(func() ([]*typed, error) {
	m, err := listed()
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(m.exports[path]) })
	var list []*typed
	for _, p := range m.pkgs {
		one := &typed{pkg: p, fset: fset, info: &types.Info{
			Uses: make(map[*ast.Ident]types.Object), Defs: make(map[*ast.Ident]types.Object),
			Types: make(map[ast.Expr]types.TypeAndValue),
		}}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			one.files = append(one.files, f)
		}
		conf := types.Config{Importer: imp}
		if _, err := conf.Check(modulePath+p.Path, fset, one.files, one.info); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
})

func loadTyped(t *testing.T) []*typed {
	t.Helper()
	load(t)
	list, err := checked()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// at names a position by its file below the module.
func (p *typed) at(pos token.Pos) string {
	where := p.fset.Position(pos)
	return path.Join(p.Path, filepath.Base(where.Filename))
}

// called is the full name of what e refers to, such as time.Now or
// (*sync.WaitGroup).Go; empty if it is no function.
func (p *typed) called(e ast.Expr) string {
	if f := p.function(e); f != nil {
		return f.FullName()
	}
	return ""
}

func (p *typed) function(e ast.Expr) *types.Func {
	var id *ast.Ident
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = e
	case *ast.SelectorExpr:
		id = e.Sel
	default:
		return nil
	}
	f, _ := p.info.Uses[id].(*types.Func)
	return f
}

// source is one Go file of the tree, whatever its build tags.
type source struct {
	path string // below the module
	text string
	fset *token.FileSet
	file *ast.File
}

func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

// test reports whether s is no part of the program: a test, or a package that
// only tests use.
func (s *source) test() bool {
	return strings.HasSuffix(s.path, "_test.go") || slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"testing"`
	})
}

// sources reads all Go files that belong to the tree.
func sources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	for _, name := range tree(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		s := &source{path: name, text: string(text), fset: token.NewFileSet()}
		if s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if len(list) < 50 {
		t.Fatalf("only %d Go files found", len(list))
	}
	return list
}

// tree returns the files that git knows or would add; in a tree without git, all
// but what builds leave behind.
func tree(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(names, func(name string) bool {
			_, err := os.Stat(filepath.Join(root, name)) // deleted, but not yet in a commit
			return err != nil
		})
	}
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules"}, d.Name()) {
			return fs.SkipDir
		}
		if rel, _ := filepath.Rel(root, name); !d.IsDir() {
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
