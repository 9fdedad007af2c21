package translate

import (
	"regexp"
	"sync"
)

// lazily returns a regular expression that is compiled when it is first needed: they are
// for failures, and all of them take half a megabyte.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
