package archtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// citation is a document that is named, with the sections of it behind the name:
// docs/rules/rest.md 2.3 and 4, or as a link [rest](rest.md) 2.3, 3.2.
var citation = regexp.MustCompile(`([\w./-]*\w\.md)\b(?:#[\w-]*)?\)?((?:(?: |, | and | to )\d+(?:\.\d+)*)*)`)

// sectionNumber is a number in the tail of a citation.
var sectionNumber = regexp.MustCompile(`\d+(?:\.\d+)*`)

// numbered is a section of a document: a heading with a number, or a paragraph that
// begins with one in bold.
var numbered = regexp.MustCompile(`(?m)^(?:#{2,4} |\*\*)(\d+(?:\.\d+)*)[ *]`)

// commentBreak is where a comment goes on in its next line.
var commentBreak = regexp.MustCompile(`[ \t]*\n[ \t]*//[ \t]*`)

// noDocuments are names that look like documents and are none, by what names them.
var noDocuments = map[string]string{
	"translate/dialects/asked_test.go a.md":     "a file that a question carries",
	"benchmarks/compare/result_test.go page.md": "a page that the test writes",
}

// cites are the files that cite documents, by their ends.
var cites = []string{".go", ".md", ".txt", ".txtar", ".yaml", ".yml"}

// documents knows the files of the repository and the sections of its documents.
type documents struct {
	files    []string
	sections map[string][]string
}

func newDocuments(t *testing.T) *documents {
	return &documents{files: tree(t), sections: map[string][]string{}}
}

// find returns the file that from names: by its path from the root of the tree or
// from its own folder, "" if there is none.
func (d *documents) find(from, name string) string {
	for _, p := range []string{path.Clean(name), path.Join(path.Dir(from), name)} {
		if slices.Contains(d.files, p) {
			return p
		}
	}
	return ""
}

func (d *documents) has(t *testing.T, file, section string) bool {
	t.Helper()
	if d.sections[file] == nil {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		d.sections[file] = []string{}
		for _, m := range numbered.FindAllStringSubmatch(string(text), -1) {
			d.sections[file] = append(d.sections[file], m[1])
		}
	}
	return slices.Contains(d.sections[file], section)
}

// wrong returns what is wrong with the citations in text, which stands in the file from,
// and how many citations of sections there are.
func (d *documents) wrong(t *testing.T, from, text string) (problems []string, cited int) {
	t.Helper()
	for _, m := range citation.FindAllStringSubmatchIndex(text, -1) {
		name, tail := text[m[2]:m[3]], text[m[4]:m[5]]
		if noDocuments[from+" "+name] != "" || strings.HasPrefix(name, "//") || path.Base(name) == "foo.md" { // foo stands for any name
			continue
		}
		file := d.find(from, name)
		if file == "" {
			problems = append(problems, fmt.Sprintf("%s names %s, which is not in the repository", from, name))
			continue
		}
		for _, section := range sectionNumber.FindAllString(tail, -1) {
			cited++
			if !d.has(t, file, section) {
				problems = append(problems, fmt.Sprintf("%s cites %s %s: there is no such section", from, file, section))
			}
		}
	}
	return problems, cited
}

func TestEveryDocumentAndSectionThatIsCitedExists(t *testing.T) {
	d := newDocuments(t)
	cited := 0
	for _, name := range d.files {
		if !slices.Contains(cites, path.Ext(name)) || name == "internal/archtest/citations_test.go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // a link to nowhere
		}
		flat := string(text)
		if strings.HasSuffix(name, ".go") {
			flat = commentBreak.ReplaceAllString(flat, " ")
		}
		problems, n := d.wrong(t, name, flat)
		cited += n
		for _, p := range problems {
			t.Error(p)
		}
	}
	if cited < 150 {
		t.Errorf("only %d citations of sections were found: the test sees nothing", cited)
	}
	t.Logf("%d citations of sections", cited)
}

func TestACitationOfNothingIsFound(t *testing.T) {
	d := newDocuments(t)
	for text, want := range map[string]int{
		"docs/rules/rest.md 2.3 and 4, not more":          0,
		"docs/rules/rest.md 2.3 and 99":                   1,
		"docs/rules/iagent.md 4.9, 4.99":                  1,
		"[rest](docs/rules/rest.md) 2.99":                 1,
		"see a/b" + ".md":                                 1,
		"product" + ".md 6, settled detail 3":             1,
		"https://example.com/a/b" + ".md is another tree": 0,
	} {
		if problems, _ := d.wrong(t, "limiter/x.go", text); len(problems) != want {
			t.Errorf("%q: %q", text, problems)
		}
	}
}

// testFunction is a test as its file declares it, coverRow a row of a table of coverage.
var (
	testFunction = regexp.MustCompile(`(?m)^func Test(\w+)\(t \*testing\.T\)`)
	coverRow     = regexp.MustCompile(`(?m)^[^#\n].* \| ([A-Z][\w, ]*)$`)
)

func TestTheTestsThatCoverTheRulesExist(t *testing.T) {
	there := make(map[string]bool)
	var tables []string
	for _, name := range tree(t) {
		switch {
		case strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range testFunction.FindAllSubmatch(text, -1) {
				there[string(m[1])] = true
			}
		case strings.HasPrefix(name, "proxy/front/testdata/coverage/"):
			tables = append(tables, name)
		}
	}
	named := 0
	for _, name := range tables {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range coverRow.FindAllSubmatch(text, -1) {
			for test := range strings.SplitSeq(string(m[1]), ", ") {
				named++
				if !there[test] {
					t.Errorf("%s names Test%s, which is not there: give its new name, then go test ./proxy/front -run Document -update", name, test)
				}
			}
		}
	}
	if named < 500 {
		t.Errorf("only %d tests are named: the test sees nothing", named)
	}
}
