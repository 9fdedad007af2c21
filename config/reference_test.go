package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The reference is made of the struct comments; -update writes it.
func TestTheReferenceSaysWhatTheCommentsSay(t *testing.T) {
	t.Parallel()
	r := reference{types: map[string]*ast.StructType{}, docs: map[string]string{}}
	for _, name := range []string{"config.go", "fronts.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		r.collect(file)
	}
	r.section("", "Config")
	got := referenceHead + strings.Join(r.out, "\n")
	const path = "../docs/configuration.md"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run go test ./config -update; (- file, + comments):\n%s", diff)
	}
}

const referenceHead = "# Configuration\n\n" +
	"This page is made from the comments in config/config.go and config/fronts.go by `go test ./config -update`.\n\n" +
	"The file is YAML. A key that is not listed here, or that stands twice, is an error. `\"${VAR}\"` inside a\n" +
	"string is replaced by the environment variable VAR; `$${` stands for a literal `${`. `dragoman check`\n" +
	"prints every problem with its line. It reads the variables of its own environment, and says so: a gateway\n" +
	"that a supervisor runs may have others.\n"

// reference collects the structs of files and writes a table for each.
type reference struct {
	types map[string]*ast.StructType
	docs  map[string]string
	out   []string
	todo  [][2]string // path and type of the tables that are still to come
}

func (r *reference) collect(file *ast.File) {
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			if s, ok := t.Type.(*ast.StructType); ok {
				r.types[t.Name.Name], r.docs[t.Name.Name] = s, g.Doc.Text()
			}
		}
	}
}

func (r *reference) section(path, name string) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	r.out = append(r.out, "\n## "+title+"\n")
	if path != "" {
		r.out = append(r.out, sentence(wrapped(r.docs[name]))+"\n")
	}
	r.out = append(r.out, "| key | type | default | meaning |\n|---|---|---|---|")
	r.rows(path, r.types[name])
	r.out[len(r.out)-1] += "\n"
	todo := r.todo
	r.todo = nil
	for _, next := range todo {
		r.section(next[0], next[1])
	}
}

func (r *reference) rows(path string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		key := tag.Get("yaml")
		if key == ",inline" {
			r.rows(path, r.types[f.Type.(*ast.Ident).Name])
			continue
		}
		meaning, byDefault := split(f.Doc.Text()+" "+f.Comment.Text(), tag.Get("default"))
		text, below, name := r.kind(f.Type)
		if name != "" {
			at := strings.TrimPrefix(path+"."+key, ".") + below
			r.todo = append(r.todo, [2]string{at, name})
			if meaning == "" {
				meaning = sentence(wrapped(r.docs[name]))
			}
		}
		if v := tag.Get("min"); v != "" {
			meaning = strings.TrimSpace(meaning + " At least " + v + ".")
		}
		r.out = append(r.out, fmt.Sprintf("| `%s` | %s | %s | %s |", key, text, byDefault, strings.ReplaceAll(meaning, "|", "\\|")))
	}
}

// kind returns how a type is named in the reference, what is behind its key in
// a path, and the struct that has a table of its own, if it is one.
func (r *reference) kind(e ast.Expr) (text, below, name string) {
	switch x := e.(type) {
	case *ast.StarExpr:
		return r.kind(x.X)
	case *ast.ArrayType:
		text, below, name = r.kind(x.Elt)
		return "list of " + text, "[]" + below, name
	case *ast.MapType:
		text, below, name = r.kind(x.Value)
		return "names, each with " + text, ".NAME" + below, name
	case *ast.SelectorExpr:
		return map[string]string{"Duration": "duration", "Time": "time"}[x.Sel.Name], "", ""
	case *ast.Ident:
		switch plain := map[string]string{
			"string": "text", "int": "number", "bool": "true or false", "float64": "number",
			"Rate": "rate", "Size": "size", "AutoDuration": "`auto` or duration", "AutoCount": "`auto` or number",
		}[x.Name]; {
		case plain != "":
			return plain, "", ""
		case x.Name == "Names":
			return "name or list of names", "", ""
		case x.Name == "Model":
			return "name or keys", "", "Model"
		}
		return "keys", "", x.Name
	}
	return "?", "", ""
}

var (
	defaultAtEnd = regexp.MustCompile(`(?:^|\s)Default:? (.+?)\.?\s*$`)
	firstName    = regexp.MustCompile(`^[A-Z][A-Za-z0-9]+ (is|are) `)
)

// split divides a field's comment into its meaning and its default.
func split(comment, tag string) (meaning, byDefault string) {
	meaning = wrapped(comment)
	if m := defaultAtEnd.FindStringSubmatchIndex(meaning); m != nil {
		byDefault = meaning[m[2]:m[3]]
		meaning = meaning[:m[0]]
	}
	if tag != "" {
		byDefault = "`" + tag + "`"
	}
	return sentence(meaning), byDefault
}

// sentence drops the Go name that a comment begins with, where "is" or "are"
// follows it, and ends it with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = firstName.ReplaceAllString(s, "")
	s = strings.ToUpper(s[:1]) + s[1:]
	return strings.TrimSuffix(s, ".") + "."
}

func wrapped(s string) string { return strings.Join(strings.Fields(s), " ") }
