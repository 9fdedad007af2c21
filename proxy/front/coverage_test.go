package front_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// covered returns the documents in docs/rules whose sections all have statements in
// testdata/coverage, those of all dialects among them, and of each the sections that only tell
// where a protocol comes from.
func covered() map[string][]string {
	all := map[string][]string{"conversations": nil, "faults": nil, "channels": nil, "limits": nil}
	for _, d := range dialects.All {
		all[d.Name()] = nil
	}
	for _, name := range []string{"chatnio", "rest", "iagent"} {
		all[name] = []string{"1"}
	}
	return all
}

// ruleHead is the heading of a section, and ruleItem a paragraph with a number of its own.
var (
	ruleHead = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?) (.+)$`)
	ruleItem = regexp.MustCompile(`(?m)^\*\*(\d+\.\d+)`)
	itemOf   = regexp.MustCompile(`^\d+\.\d+ `)
)

// rules returns the sections of a document that have no sections below them, as
// "number title", and the numbers of its paragraphs.
func rules(t *testing.T, document string) (sections, items []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/rules/" + document + ".md")
	if err != nil {
		t.Fatal(err)
	}
	heads := ruleHead.FindAllStringSubmatch(string(text), -1)
	for i, m := range heads {
		if i+1 == len(heads) || !strings.HasPrefix(heads[i+1][1], m[1]+".") {
			sections = append(sections, m[1]+" "+m[2])
		}
	}
	for _, m := range ruleItem.FindAllStringSubmatch(string(text), -1) {
		items = append(items, m[1])
	}
	return sections, items
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

// testsOf returns the functions of the tests of the repository, those of tests without Test.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
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
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				found[strings.TrimPrefix(f.Name.Name, "Test")] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryStatementOfTheWireIsCoveredByATestThatExistsOrAReasonInTheDocument(t *testing.T) {
	t.Parallel()
	tests := testsOf(t)
	if len(tests) < 400 {
		t.Fatalf("only %d tests were found", len(tests))
	}
	for dialect, history := range covered() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			coverDialect(t, dialect, history, tests)
		})
	}
}

func coverDialect(t *testing.T, dialect string, history []string, tests map[string]bool) {
	t.Helper()
	sections, items := rules(t, dialect)
	var must []string
	for _, s := range sections {
		if number, _, _ := strings.Cut(s, " "); !slices.Contains(history, number) {
			must = append(must, s)
		}
	}
	var told []string
	tested, reasons, section := 0, 0, ""
	var rows strings.Builder
	for _, s := range statements(t, dialect) {
		if s.section != section {
			section = s.section
			told = append(told, section)
			rows.WriteString("\n## " + section + "\n\n| statement | test, or why there is none |\n|---|---|\n")
		}
		if item := strings.TrimSpace(itemOf.FindString(s.what)); item != "" && !slices.Contains(items, item) {
			t.Errorf("%s, %q: the rules of %s have no %s", section, s.what, dialect, item)
		}
		if s.reason != "" {
			reasons++
			rows.WriteString("| " + s.what + " | none: " + s.reason + " |\n")
			continue
		}
		tested++
		var by []string
		for _, name := range s.tests {
			if !tests[name] {
				t.Errorf("%s, %q: there is no Test%s", s.section, s.what, name)
				continue
			}
			by = append(by, "`"+name+"`")
		}
		rows.WriteString("| " + s.what + " | " + strings.Join(by, ", ") + " |\n")
	}
	if !slices.Equal(told, must) {
		t.Errorf("statements are told of the sections\n%s\nand the rules have\n%s", strings.Join(told, "\n"), strings.Join(must, "\n"))
	}
	what := dialect + " wire"
	if slices.Contains([]string{"conversations", "faults", "channels", "limits"}, dialect) {
		what = "rules for " + dialect
	}
	page := "# What of the " + what + " is tested\n\nMade from `proxy/front/testdata/coverage/" + dialect + ".txt` by `go test ./proxy/front -run Document -update`,\n" +
		"which also checks that every test exists. Sections are those of the [rules](../rules/" + dialect + ".md); names of\n" +
		"tests are without `Test`: `go test ./... -run NAME` runs one.\n" + rows.String()
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
		if !tests[m[1]] {
			t.Errorf("there is no Test%s", m[1])
		}
	}
}

// wholeName is a test that a document names with its prefix.
var wholeName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]+)`")

func TestTheTestsThatOtherDocumentsNameExist(t *testing.T) {
	t.Parallel()
	all := testsOf(t)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range append(pages, "../../CONTRIBUTING.md", "../../ARCHITECTURE.md", "../../benchmarks/README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range wholeName.FindAllStringSubmatch(string(text), -1) {
			named++
			if name := strings.TrimPrefix(m[1], "Test"); !all[name] {
				t.Errorf("%s names %s: there is no such test", page, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named", named)
	}
}
