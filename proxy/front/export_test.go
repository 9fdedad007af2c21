package front

import (
	"slices"
	"strings"
)

// Paths are those of f without a prefix that are asked for with method.
func (f *Front) Paths(method string) (paths []string) {
	for _, r := range f.routes() {
		if slices.Contains(strings.Split(r.Method, "+"), method) {
			paths = append(paths, r.Path)
		}
	}
	return paths
}
