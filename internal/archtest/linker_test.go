package archtest

import (
	"go/ast"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// byName call methods by names that the linker cannot know. With one of them in it, a program
// keeps every exported method of all its types: dragoman is half as large again.
var byName = []string{
	"(reflect.Value).Method", "(reflect.Value).MethodByName", "(reflect.Type).Method", "(reflect.Type).MethodByName",
	"(*text/template.Template).Execute", "(*text/template.Template).ExecuteTemplate", "(*html/template.Template).Execute", "(*html/template.Template).ExecuteTemplate",
	"(*github.com/spf13/cobra.Command).SetUsageTemplate", "(*github.com/spf13/cobra.Command).SetHelpTemplate", "(*github.com/spf13/cobra.Command).SetVersionTemplate",
}

func TestNothingCallsMethodsByTheirNames(t *testing.T) {
	helps := false
	for _, p := range loadTyped(t) {
		if p.support() {
			continue
		}
		eachUse(p, func(id *ast.Ident, name string) {
			helps = helps || name == "(*github.com/spf13/cobra.Command).SetHelpFunc"
			if slices.Contains(byName, name) {
				t.Errorf("%s uses %s, for which the linker keeps every exported method", p.at(id.Pos()), name)
			}
		})
	}
	if !helps {
		t.Error("not even the command line sets its help: the test sees nothing")
	}
}

// What other modules do counts as well.
func TestTheLinkerDropsMethodsThatNothingCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program")
	}
	build := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "dragoman"), "./cmd/dragoman")
	build.Dir = root
	told, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %.1000s", err, told)
	}
	seen := false
	for line := range strings.Lines(string(told)) {
		from, to, ok := strings.Cut(line, " -> ")
		seen = seen || ok
		// All methods of reflect are marked once another function is: that one is to blame.
		if strings.Contains(from, "<ReflectMethod>") && !strings.HasPrefix(from, "reflect.") {
			t.Fatalf("%s calls a method by its name, so that the linker keeps every exported method: see %s", strings.Fields(from)[0], strings.TrimSpace(to))
		}
	}
	if !seen {
		t.Errorf("the linker tells nothing: %.1000s", told)
	}
}
