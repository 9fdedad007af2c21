package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The page is for a newcomer: one page of lines that are read without scrolling aside.
const (
	pageLines = 100
	pageWidth = 160
)

func architecture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheArchitectureIsOnePage(t *testing.T) {
	n := 0
	for line := range strings.Lines(architecture(t)) {
		n++
		if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > pageWidth {
			t.Errorf("ARCHITECTURE.md:%d has %d characters, at most %d: details belong in the doc.go of their package", n, width, pageWidth)
		}
	}
	if n > pageLines {
		t.Errorf("ARCHITECTURE.md has %d lines, at most %d: details belong in the doc.go of their package", n, pageLines)
	}
}

// section returns what a page says under a heading, "" if it has none.
func section(page, heading string) string {
	_, after, _ := strings.Cut(page, "\n## "+heading+"\n")
	text, _, _ := strings.Cut(after, "\n## ")
	return text
}

func TestTheMapNamesEveryPackage(t *testing.T) {
	told := section(architecture(t), "Map")
	for _, p := range load(t).pkgs {
		names := []string{"`" + p.Path + "`", "`" + strings.TrimPrefix(p.Path, path.Dir(p.Path)+"/") + "`"}
		switch {
		case fits("internal/...", p.Path) && p.support(), fits("benchmarks/...", p.Path), strings.HasSuffix(p.Path, "test"),
			path.Dir(p.Path) == "translate":
		case !strings.Contains(told, names[0]) && !(fits("internal/...", p.Path) && strings.Contains(told, names[1])):
			t.Errorf("the map in ARCHITECTURE.md does not name %s", p.Path)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w/]+)`").FindAllStringSubmatch(told, -1) {
		if info, err := os.Stat(filepath.Join(root, m[1])); err != nil || !info.IsDir() {
			t.Errorf("the map in ARCHITECTURE.md names %s, which is no folder", m[1])
		}
	}
}

var direct = regexp.MustCompile(`(?m)^\t([\w./-]+) v[^/\n]*$`)

func TestEveryDependencyHasItsSentence(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	told := section(architecture(t), "Dependencies")
	modules := direct.FindAllStringSubmatch(string(text), -1)
	if len(modules) < 10 {
		t.Fatalf("only %d modules were found", len(modules))
	}
	for _, m := range modules {
		name := path.Base(m[1])
		if regexp.MustCompile(`^v\d+$`).MatchString(name) {
			name = path.Base(path.Dir(m[1]))
		}
		if !strings.Contains(told, name) {
			t.Errorf("ARCHITECTURE.md does not say what %s is for", m[1])
		}
	}
}

// terms are how many the glossary may have: everything else has the field's own name.
const terms = 15

func TestTheGlossaryIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "proxy", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, glossary, ok := strings.Cut(string(text), "// # Glossary\n")
	n := len(regexp.MustCompile(`(?m)^//\t\S`).FindAllString(glossary, -1))
	if !ok || n == 0 || n > terms {
		t.Errorf("the glossary in proxy/doc.go has %d terms, from 1 to %d are wanted", n, terms)
	}
}
