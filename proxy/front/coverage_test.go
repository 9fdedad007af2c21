package front_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mustCover are, by dialect, the sections of the protocol documents that say
// something about the wire which the gateway has to follow; for the vendors, the
// parts of their published API references.
var mustCover = map[string][]string{
	"chatnio": strings.Fields(`chatnio.md:2 chatnio.md:3.1 chatnio.md:3.2 chatnio.md:4 chatnio.md:5.1 chatnio.md:5.2 chatnio.md:5.3 chatnio.md:5.4 chatnio.md:5.5
		chatnio.md:6 chatnio.md:7 chatnio.md:8 chatnio.md:9 chatnio.md:11`),
	"rest": strings.Fields(`rest_iagent.md:2.1 rest_iagent.md:2.2 rest_iagent.md:2.3 rest_iagent.md:2.4 rest_iagent.md:2.5 rest_iagent.md:2.6 rest_iagent.md:2.7
		rest_iagent.md:3.1 rest_iagent.md:3.2 rest_iagent.md:4.1 rest_iagent.md:4.2 rest_iagent.md:4.3 rest_iagent.md:4.4
		rest_iagent.md:10 rest_iagent.md:11`),
	"openai":    strings.Fields(`openai:basics openai:messages openai:request openai:answer openai:stream openai:errors openai:models`),
	"anthropic": strings.Fields(`anthropic:basics anthropic:messages anthropic:request anthropic:answer anthropic:stream anthropic:errors anthropic:models`),
	"conversations": strings.Fields(`product.md:identity product.md:stateless product.md:stateful product.md:atomic product.md:anonymous
		product.md:D1 product.md:D2 product.md:D3 product.md:D4 product.md:D9 product.md:D10 product.md:D11 product.md:stored product.md:leaving`),
	"iagent": strings.Fields(`rest_iagent.md:7 rest_iagent.md:8.1 rest_iagent.md:8.2 rest_iagent.md:8.3 rest_iagent.md:9 rest_iagent.md:11`),
}

// statement is one line of a file in testdata/coverage.
type statement struct {
	section, what, reason string
	tests                 []string
}

func statements(t *testing.T, dialect string) []statement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "coverage", dialect+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all []statement
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(line, "# "); ok {
			section = head
			continue
		}
		what, by, ok := strings.Cut(line, " | ")
		if !ok || section == "" {
			t.Fatalf("not a statement: %q", line)
		}
		s := statement{section: section, what: what}
		if why, ok := strings.CutPrefix(by, "- "); ok {
			s.reason = why
		} else {
			s.tests = strings.Split(by, ", ")
		}
		all = append(all, s)
	}
	return all
}

// testsOf returns where each test function of the repository stands.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				name := strings.TrimPrefix(f.Name.Name, "Test")
				found[name] = append(found[name], filepath.ToSlash(dir))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// prefers is the package whose test is meant, by the dialect that is covered,
// where several have one of the same name.
func prefers(dialect string, dirs []string) string {
	for _, want := range []string{"translate/" + dialect, "proxy/front"} {
		if slices.Contains(dirs, want) {
			return want
		}
	}
	return dirs[0]
}

func TestEveryStatementOfTheWireIsCoveredByATestThatExistsOrAReasonInTheDocument(t *testing.T) {
	t.Parallel()
	tests := testsOf(t)
	if len(tests) < 400 {
		t.Fatalf("only %d tests were found", len(tests))
	}
	for dialect, must := range mustCover {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			coverDialect(t, dialect, must, tests)
		})
	}
}

func coverDialect(t *testing.T, dialect string, must []string, tests map[string][]string) {
	t.Helper()
	covered := map[string]bool{}
	tested, reasons, section := 0, 0, ""
	var rows strings.Builder
	for _, s := range statements(t, dialect) {
		document, rest, _ := strings.Cut(s.section, " ")
		number, _, _ := strings.Cut(rest, ":")
		covered[document+":"+number] = true
		if s.section != section {
			section = s.section
			rows.WriteString("\n## " + section + "\n\n| statement | test, or why there is none |\n|---|---|\n")
		}
		if s.reason != "" {
			reasons++
			rows.WriteString("| " + s.what + " | none: " + s.reason + " |\n")
			continue
		}
		tested++
		var by []string
		for _, name := range s.tests {
			dirs := tests[name]
			if dirs == nil {
				t.Errorf("%s, %q: there is no Test%s", s.section, s.what, name)
				continue
			}
			by = append(by, "`"+name+"` ("+prefers(dialect, dirs)+")")
		}
		rows.WriteString("| " + s.what + " | " + strings.Join(by, ", ") + " |\n")
	}
	for _, s := range must {
		if !covered[s] {
			t.Errorf("nothing is said of %s", s)
		}
		delete(covered, s)
	}
	for _, s := range slices.Sorted(maps.Keys(covered)) {
		t.Errorf("%s is not a section that is to be covered", s)
	}
	what := dialect + " wire"
	if dialect == "conversations" {
		what = "rules for conversations"
	}
	page := "# What of the " + what + " is tested\n\nMade from `proxy/front/testdata/coverage/" + dialect + ".txt` by `go test ./proxy/front -run Document -update`,\n" +
		"which also checks that every test exists. Sections are those of the document that they were written from; names of\n" +
		"tests are without `Test`.\n" + rows.String()
	compareFile(t, "../../docs/coverage/"+dialect+".md", page)
	t.Logf("%d statements are tested, %d have a reason", tested, reasons)
}

var testName = regexp.MustCompile("`([A-Z][A-Za-z0-9]{11,})`")

func TestTheTestsThatTheChatnioDocumentNamesExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/chatnio.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "## Statements about the real server")
	names := testName.FindAllStringSubmatch(table, -1)
	if !ok || len(names) < 20 {
		t.Fatalf("only %d tests are named", len(names))
	}
	tests := testsOf(t)
	for _, m := range names {
		if tests[m[1]] == nil {
			t.Errorf("there is no Test%s", m[1])
		}
	}
}
