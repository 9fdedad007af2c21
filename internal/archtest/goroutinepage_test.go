package archtest

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goroutinePage tells of every function that starts a goroutine in the second column of
// its tables, but for programs that measure and for support of tests.
const goroutinePage = "docs/goroutines.md"

// starterName is a function as the page names it: cmd/dragoman.(*chatSession).ask.
var starterName = regexp.MustCompile("`([a-z][\\w/]*\\.(?:\\(\\*?\\w+\\)\\.)?\\w+)`")

func TestThePageOfGoroutinesNamesEveryFunctionThatStartsOne(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, goroutinePage))
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, m := range starterName.FindAllStringSubmatch(cells[2], -1) {
				told[m[1]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(starters(t))) {
		if !told[name] {
			t.Errorf("%s starts a goroutine: say in %s when it ends and who waits for it", name, goroutinePage)
		}
		delete(told, name)
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		t.Errorf("%s says that %s starts a goroutine: it does not, or has another name now", goroutinePage, name)
	}
}

// starters are the functions that start a goroutine.
func starters(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, p := range loadTyped(t) {
		if p.support() || fits("benchmarks/...", p.Path) || p.Path == "internal/simnet" {
			continue
		}
		for _, d := range decls(p) {
			ast.Inspect(d, func(n ast.Node) bool {
				if entryOf(p, n) != nil {
					names[declName(p, d)] = true
				}
				return true
			})
		}
	}
	return names
}
