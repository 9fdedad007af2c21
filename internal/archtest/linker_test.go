package archtest

import (
	"go/ast"
	"testing"
)

// byName call methods by names that the linker cannot know. With one of them in it, a program
// keeps every exported method of all its types: dragoman is half as large again.
var byName = []string{
	"(reflect.Value).Method", "(reflect.Value).MethodByName", "(reflect.Type).Method", "(reflect.Type).MethodByName",
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
			for _, b := range byName {
				if name == b {
					t.Errorf("%s uses %s, for which the linker keeps every exported method", p.at(id.Pos()), name)
				}
			}
		})
	}
	if !helps {
		t.Error("not even the command line sets its help: the test sees nothing")
	}
}
