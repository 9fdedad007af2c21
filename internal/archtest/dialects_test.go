package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
)

// namesModels is the file of names of models, one of which is also the name of a dialect.
const namesModels = "proxy/channel/families.go"

// Only the two ends of a protocol know a dialect by its name. All others read what they must
// know of it from the table of facts, config.Kinds.
func TestBetweenFrontsAndUpstreamsNobodyNamesADialect(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range config.Kinds {
		names = append(names, k.Name)
	}
	seen := 0
	for _, s := range sources(t) {
		in := func(dirs ...string) bool {
			return slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(s.path, d+"/") })
		}
		if s.path == namesModels || s.test() || !in("proxy", "admin", "store", "limiter") || in("proxy/front", "proxy/upstream") {
			continue
		}
		seen++
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(lit.Value); err == nil && slices.Contains(names, text) {
				t.Errorf("%s:%d names the dialect %s: what is known of it is a fact in config/kinds.go", s.path, s.line(lit.Pos()), text)
			}
			return true
		})
	}
	if seen < 50 {
		t.Errorf("only %d files were looked at", seen)
	}
}
