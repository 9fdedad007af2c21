package archtest

import (
	"fmt"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// circleBudget is the most files of one package that may form a circle: each uses, in
// the end, each other one. Files in a circle have no order to be read in.
const circleBudget = 8

func TestFilesOfAPackageFormNoLargeCircle(t *testing.T) {
	var report []string
	for _, p := range loadTyped(t) {
		circle := largestCircle(usesOfFiles(p))
		report = append(report, fmt.Sprintf("%2d of %2d files: %s", len(circle), len(p.files), p.Path))
		if len(circle) > circleBudget {
			t.Errorf("%s: %d files use each other in a circle, at most %d may: %s", p.Path, len(circle), circleBudget, strings.Join(circle, " "))
		}
	}
	slices.Sort(report)
	slices.Reverse(report)
	t.Logf("the largest circles:\n%s", strings.Join(report[:min(len(report), 12)], "\n"))
}

// usesOfFiles returns for each file of p the other ones that declare something it uses: a name
// of the package, a field or a method.
func usesOfFiles(p *typed) map[string][]string {
	name := func(pos token.Pos) string { return filepath.Base(p.fset.Position(pos).Filename) }
	uses := make(map[string][]string, len(p.files))
	own := make(map[*token.File]string, len(p.files))
	for _, f := range p.files {
		own[p.fset.File(f.Pos())] = name(f.Pos())
		uses[name(f.Pos())] = nil
	}
	for id, obj := range p.info.Uses {
		from, to := own[p.fset.File(id.Pos())], own[p.fset.File(obj.Pos())]
		if to != "" && from != to && !slices.Contains(uses[from], to) {
			uses[from] = append(uses[from], to)
		}
	}
	return uses
}

// largestCircle returns, sorted, the largest set of files of which each reaches each
// other one.
func largestCircle(uses map[string][]string) []string {
	reached := make(map[string]map[string]bool, len(uses))
	for from := range uses {
		seen := map[string]bool{}
		for open := []string{from}; len(open) > 0; {
			next := open[len(open)-1]
			open = open[:len(open)-1]
			for _, to := range uses[next] {
				if !seen[to] {
					seen[to] = true
					open = append(open, to)
				}
			}
		}
		reached[from] = seen
	}
	var largest []string
	for _, from := range slices.Sorted(maps.Keys(reached)) {
		circle := []string{from}
		for to := range reached[from] {
			if to != from && reached[to][from] {
				circle = append(circle, to)
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	slices.Sort(largest)
	return largest
}

func TestACircleOfFilesIsFound(t *testing.T) {
	uses := map[string][]string{
		"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, // a circle of three, which uses d
		"d": {"e"}, "e": {"d"}, "f": {"a"},
	}
	if got := strings.Join(largestCircle(uses), " "); got != "a b c" {
		t.Errorf("the largest circle is %q, not a, b and c", got)
	}
}
