package archtest

import (
	"go/ast"
	"go/types"
	"path"
	"strings"
	"testing"
)

// budget is how much of something there may be: more than warn is logged, more
// than fail is an error.
type budget struct {
	what       string
	warn, fail int
}

var (
	fileBudget      = budget{"lines", 400, 600}
	functionBudget  = budget{"lines", 60, 100}
	parameterBudget = budget{"parameters", 5, 7}
	interfaceBudget = budget{"methods", 5, 7}
	booleanBudget   = budget{"returned booleans", 1, 1}
)

// roomy are the exceptions to the budgets, and why.
var roomy = map[string]string{
	"store/store.go Store":                "one method for each thing that the dialects' own APIs can do with a conversation",
	"internal/jsonx/scan.go begin":        "whether a value is within, and whether the text is valid, inside one scanner",
	"internal/jsonx/scan.go behind":       "whether there is another value, and whether the text is valid, inside one scanner",
	"internal/jsonx/scan.go str":          "whether a string has escapes, and whether it is valid, inside one scanner",
	"proxy/front/websocket.go read":       "ok beside what was read, as everywhere",
	"proxy/front/websocket.go readShared": "the same",
}

// budgets checks sizes, and remembers which exceptions were needed.
type budgets struct {
	*testing.T
	used map[string]bool
}

func (b *budgets) check(of budget, where string, n int) {
	switch {
	case n <= of.warn:
	case roomy[where] != "":
		b.used[where] = true
	case n <= of.fail:
		b.Logf("%s: %d %s, better at most %d", where, n, of.what, of.warn)
	default:
		b.Errorf("%s: %d %s, at most %d", where, n, of.what, of.fail)
	}
}

func TestFilesFunctionsAndInterfacesKeepTheirBudgets(t *testing.T) {
	b := &budgets{t, make(map[string]bool)}
	for _, s := range sources(t) {
		if s.test() || ast.IsGenerated(s.file) {
			continue
		}
		b.check(fileBudget, s.path, strings.Count(s.text, "\n"))
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				where := s.path + " " + d.Name.Name
				b.check(functionBudget, where, s.line(d.End())-s.line(d.Pos())+1)
				b.check(parameterBudget, where, d.Type.Params.NumFields())
				b.check(booleanBudget, where, booleans(d.Type.Results))
			case *ast.GenDecl:
				b.checkInterfaces(s, d)
			}
		}
	}
	for where := range roomy {
		if !b.used[where] {
			t.Errorf("%s is on the list of exceptions and needs to be there no longer", where)
		}
	}
}

func (b *budgets) checkInterfaces(s *source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		if face, ok := named.Type.(*ast.InterfaceType); ok {
			b.check(interfaceBudget, s.path+" "+named.Name.Name, face.Methods.NumFields())
		}
	}
}

func booleans(results *ast.FieldList) (n int) {
	if results == nil {
		return 0
	}
	for _, f := range results.List {
		if types.ExprString(f.Type) == "bool" {
			n += max(1, len(f.Names))
		}
	}
	return n
}

// vague names say nothing of what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "manager", "misc", "shared", "base", "pkg"}

func TestPackagesAreNamedForWhatTheyDo(t *testing.T) {
	for _, p := range load(t).pkgs {
		for _, v := range vague {
			if path.Base(p.Path) == v || p.Name == v {
				t.Errorf("%s: %s is no name for a package", p.Path, v)
			}
		}
	}
}
